"""The team of examples/: its files are sound, and what they start behaves as one mock."""

import csv
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import yaml

from mockserver.messages import Json
from tests.needs import PATIENCE, Running, awaited, free_port, need
from tests.strategies import ROOT
from tests.talk import KEY, MESSAGE

TEAM = ROOT / "examples" / "team"
COMPOSE = yaml.safe_load((TEAM / "compose.yaml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
CONFIG = (TEAM / "haproxy.cfg").read_text("utf-8")
DOCKERFILE = (ROOT / "Containerfile").read_text("utf-8")
MOCKS = ("mock-1", "mock-2")

CHAT = "/api/v1/chat"
PROMPT = {"prompt": MESSAGE, "index_ids": ["idx-abc123"]}
RATE = 50.0
"""Events a second of a turn."""


def instructions(name: str) -> list[str]:
    """Give the arguments of each instruction of a kind in the Dockerfile."""
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


# -- the files -------------------------------------------------------------------------------------------------------


def test_the_services_are_a_redis_two_mocks_and_a_balancer() -> None:
    assert set(SERVICES) == {"redis", *MOCKS, "balancer"}
    assert SERVICES["mock-1"] == SERVICES["mock-2"]
    mock = SERVICES["mock-1"]
    assert (TEAM / mock["build"]["context"]).resolve() == ROOT
    assert ROOT / mock["build"]["dockerfile"] == ROOT / "Containerfile"
    assert mock["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert SERVICES["redis"]["healthcheck"]["test"][0] == "CMD"
    assert set(SERVICES["balancer"]["depends_on"]) == set(MOCKS)
    volumes = [each.split(":")[0] for service in SERVICES.values() for each in service.get("volumes", [])]
    assert {each for each in volumes if not each.startswith("./")} == set(COMPOSE["volumes"])
    assert all((TEAM / each).is_file() for each in volumes if each.startswith("./"))


def test_the_ports_and_names_of_the_files_agree() -> None:
    (port,) = instructions("EXPOSE")
    assert re.findall(r'server \S+ "\$\{\w+-(.+)\}"', CONFIG) == [f"{name}:{port}" for name in MOCKS]
    (listen,) = re.findall(r'bind "\$\{\w+-:(\d+)\}"', CONFIG)
    assert SERVICES["balancer"]["ports"] == [f"127.0.0.1:{port}:{listen}"]
    store = SERVICES["mock-1"]["command"][SERVICES["mock-1"]["command"].index("--store") + 1]
    assert re.fullmatch(r"redis://redis:6379/\d", store)


def test_the_image_runs_the_command_as_an_ordinary_user() -> None:
    assert DOCKERFILE.index("\nUSER ") < DOCKERFILE.index("\nENTRYPOINT ")
    assert instructions("USER") == ["10001"]
    assert instructions("FROM") == ["${PYTHON} AS build", "${PYTHON}"]
    python, extra = instructions("ARG")
    assert python == "PYTHON=docker.io/library/python:3.13-slim"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    named = extra.removeprefix("EXTRAS=").split(",")
    assert "redis" in named
    assert set(named) <= extras.keys()


def test_what_the_image_copies_is_all_that_the_project_is_built_from(tmp_path: Path) -> None:
    for each in (line for line in instructions("COPY") if not line.startswith("--from=build ")):
        *sources, target = each.split()
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, tmp_path / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, tmp_path / target)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "."]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE * 2, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"mockserver/cli.py", "mockserver/_data/schemas/llamacloud-chat/2.17.json"} <= names
    assert any(name.startswith("mockserver/_data/fixtures/") for name in names)


@pytest.mark.parametrize("path", sorted(TEAM.iterdir()), ids=lambda path: str(path.name))
def test_the_files_name_no_place_of_this_machine_no_mirror_and_no_secret(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"/(root|work|tmp|Users|home/(?!mock\b))|password|secret|llx-|index-url", text, re.IGNORECASE)
    images = re.findall(r"^(?:FROM|\s+image:) (\S+)", text, re.MULTILINE)
    assert all(re.fullmatch(r"[a-z]+(:[\w.-]+)?", image) for image in images), images


# -- the team --------------------------------------------------------------------------------------------------------


class Team:
    """The services as processes on free ports, each started by the command that the files give it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in SERVICES}
        self.running: dict[str, Running] = {}

    def command(self, name: str) -> list[str]:
        """Give the command of a service, with this machine's programs, addresses and ports."""
        command: list[str] = SERVICES[name]["command"]
        port = str(self.ports[name])
        if name == "redis":
            return [need("redis-server"), *command[1:], "--bind", "127.0.0.1", "--port", port]
        if name == "balancer":
            places = {each.split(":")[1]: each.split(":")[0] for each in SERVICES[name]["volumes"]}
            command = [str(TEAM / places[word]) if word in places else word for word in command[1:]]
            return [need("haproxy"), *command, "-f", "stats.cfg"]
        here = {"0.0.0.0": "127.0.0.1", "redis://redis:6379/0": f"redis://127.0.0.1:{self.ports['redis']}/0"}  # noqa: S104
        entry: list[str] = json.loads(instructions("ENTRYPOINT")[0])
        assert entry[0] == "mockserver"
        words = [here.get(word, word) for word in entry + command]
        return [sys.executable, "-m", *words, "--port", port]

    def start(self, name: str) -> Running:
        """Start a service, and wait until it is ready."""
        environ = {
            "MOCKSERVER_ACCESS_LOG": "true",
            "MOCKSERVER_STREAM_RATE": str(RATE),
            "LISTEN": f"127.0.0.1:{self.ports['balancer']}",
            "MOCK_ONE": f"127.0.0.1:{self.ports['mock-1']}",
            "MOCK_TWO": f"127.0.0.1:{self.ports['mock-2']}",
        }
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "stats.cfg").write_text(f"global\n  stats socket {folder}/stats\n", "utf-8")
        self.running[name] = started = Running(self.command(name), folder / "log", **environ)
        if name == "balancer":
            awaited(lambda: answers(self.url(name)), "the balancer answers")
        else:
            started.said("Ready to accept connections" if name == "redis" else "export LLAMA_CLOUD_API_KEY")
        return started

    def url(self, name: str) -> str:
        """Give the base URL of a service."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def checks(self) -> list[tuple[str, str]]:
        """Give, for each mock, whether the balancer takes it to be UP, and the status that its last check found."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self.folder / "balancer" / "stats"))
            asking.sendall(b"show stat\n")
            table = b"".join(iter(lambda: asking.recv(65_536), b"")).decode().removeprefix("# ")
        rows = csv.DictReader(table.splitlines())
        return [(row["status"], row["check_code"]) for row in rows if row["svname"] in MOCKS]

    def stop(self) -> None:
        """Kill all that runs."""
        for each in self.running.values():
            each.kill()


def client(url: str, *, kept: int = 0) -> httpx.Client:
    """Give a client that makes a connection for each request, or that keeps some."""
    limits = httpx.Limits(max_keepalive_connections=kept)
    return httpx.Client(base_url=url, headers={"authorization": KEY}, timeout=PATIENCE, trust_env=False, limits=limits)


def answers(url: str) -> bool:
    """Say whether a server is there and its store is, too."""
    try:
        with client(url) as each:
            return each.get("/__mock__/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def running_team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Give the team for all tests of this file."""
    with ExitStack() as stack:
        team = Team(tmp_path_factory.mktemp("team"))
        stack.callback(team.stop)
        for name in ("redis", *MOCKS, "balancer"):
            team.start(name)
        yield team


class Clients:
    """A client of each way to the team."""

    def __init__(self, team: Team, stack: ExitStack) -> None:
        urls = [team.url(name) for name in ("balancer", *MOCKS)]
        self.all = [stack.enter_context(client(url)) for url in urls]
        self.balancer, self.one, self.two = self.all


@pytest.fixture
def team(running_team: Team) -> Team:
    """Give the team, whole and empty: what an earlier test has stopped is started again."""
    for name in ("redis", *MOCKS, "balancer"):
        if running_team.running[name].process.poll() is not None:
            running_team.start(name)
    awaited(lambda: running_team.checks() == [("UP", "200")] * 2, "the team is whole")
    with client(running_team.url("mock-1")) as one:
        assert one.post("/__mock__/reset").status_code == 200
    return running_team


@pytest.fixture
def clients(team: Team) -> Iterator[Clients]:
    """Give a client of each way to the team."""
    with ExitStack() as stack:
        yield Clients(team, stack)


def ids_of(listed: Json) -> list[str]:
    return [each["session_id"] for each in listed["items"]]


def test_haproxy_takes_its_file_as_it_stands() -> None:
    variables = {"LISTEN": "127.0.0.1:4010", "MOCK_ONE": "127.0.0.1:4011", "MOCK_TWO": "127.0.0.1:4012"}
    check = [need("haproxy"), "-c", "-f", str(TEAM / "haproxy.cfg")]
    for environ in ({}, variables):
        done = subprocess.run(check, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        unresolved = "could not resolve address 'mock-" if not environ else " "
        assert [line for line in done.stderr.splitlines() if "WARN" in line and unresolved not in line] == []


def test_created_here_titled_there_listed_anywhere_deleted_once(clients: Clients) -> None:
    for maker, titler, deleter in (clients.all, clients.all[::-1], [*clients.all[1:], clients.balancer]):
        session_id = maker.post(CHAT).json()["session_id"]
        titled = titler.post(f"{CHAT}/{session_id}/title", json={"first_message": MESSAGE}).json()
        assert titled["generated_title"] == MESSAGE + "..."
        listed = [each.get(CHAT).json()["items"] for each in clients.all]
        assert [[(item["session_id"], item["generated_title"]) for item in items] for items in listed] == [
            [(session_id, MESSAGE + "...")]
        ] * 3
        assert deleter.delete(f"{CHAT}/{session_id}").status_code == 204
        for each in clients.all:
            assert each.delete(f"{CHAT}/{session_id}").status_code == 404
            assert each.get(f"{CHAT}/{session_id}").status_code == 404
            assert each.get(CHAT).json()["items"] == []


def listed_by(team: Team, name: str) -> int:
    """Count the lists that a mock has given since it was started."""
    return team.running[name].log.read_text("utf-8").count(f"GET {CHAT} 200")


def test_the_balancer_takes_the_mocks_in_turn(team: Team, clients: Clients) -> None:
    before = [listed_by(team, name) for name in MOCKS]
    for _ in range(10):
        assert clients.balancer.get(CHAT).status_code == 200
    expected = [count + 5 for count in before]
    awaited(lambda: [listed_by(team, name) for name in MOCKS] == expected, "five lists of each")


def test_a_stream_comes_through_the_balancer_piece_by_piece(clients: Clients) -> None:
    session_id = clients.one.post(CHAT).json()["session_id"]
    pieces, times = [], []
    with clients.balancer.stream("POST", f"{CHAT}/{session_id}/messages/stream", json=PROMPT) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for piece in answer.iter_raw():
            pieces.append(piece)
            times.append(time.monotonic())
    count = b"".join(pieces).count(b"event: ")
    assert count > 10
    assert len(pieces) > count / 3
    assert times[-1] - times[0] > (count - 1) / RATE / 2
    for each in clients.all:
        events = each.get(f"{CHAT}/{session_id}").json()["events"]
        assert [events[0]["type"], events[-1]["type"]] == ["user_input", "stop"]


def test_ids_never_collide_when_all_create_at_once(clients: Clients) -> None:
    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda number: clients.all[number % 3].post(CHAT), range(240)))
    assert {each.status_code for each in made} == {201}
    assert len({each.json()["session_id"] for each in made}) == 240
    assert clients.two.get("/__mock__/health").json()["records"] == 240


def test_when_one_mock_is_killed_the_other_goes_on(team: Team, clients: Clients) -> None:
    session_id = clients.balancer.post(CHAT).json()["session_id"]
    for name, other in zip(MOCKS, MOCKS[::-1], strict=True):
        with client(team.url("balancer"), kept=1) as keeping:
            answered = [keeping.get(f"{CHAT}/{session_id}") for _ in range(4)]
            team.running[name].end(signal.SIGKILL)
            answered += [each.get(f"{CHAT}/{session_id}") for each in [keeping, clients.balancer] * 10]
            answered.append(keeping.post(f"{CHAT}/{session_id}/title", json={"first_message": name}))
        assert {each.status_code for each in answered} == {200}
        team.start(name)
        with client(team.url(name)) as back, client(team.url(other)) as stayed:
            assert back.get(CHAT).json() == stayed.get(CHAT).json()
            assert back.get(CHAT).json()["items"][0]["generated_title"] == name + "..."
        awaited(lambda: team.checks() == [("UP", "200")] * 2, f"the balancer has seen that {name} is back")


def test_a_page_token_is_good_after_a_restart_and_on_every_mock(team: Team, clients: Clients) -> None:
    ids = [clients.balancer.post(CHAT).json()["session_id"] for _ in range(5)]
    first = clients.one.get(CHAT, params={"page_size": 2}).json()
    assert team.running["mock-1"].end() == 0
    team.start("mock-1")
    for each in clients.all:
        rest = each.get(CHAT, params={"page_size": 3, "page_token": first["next_page_token"]}).json()
        assert ids_of(first) + ids_of(rest) == ids[::-1]


def refuse_in_time(session_id: str, clients: list[httpx.Client]) -> None:
    """Ask all at once: each is told within seconds that it is the store that fails."""
    title = {"url": f"{CHAT}/{session_id}/title", "json": {"first_message": MESSAGE}}
    started = time.monotonic()
    with ThreadPoolExecutor(12) as pool:
        answered = list(pool.map(lambda each: each.post(**title), clients))
    assert time.monotonic() - started < 8
    for refused in answered:
        assert (refused.status_code, refused.headers.get("x-mock-fault")) == (503, "store")
        assert "Redis" in refused.headers["x-mock-message"]


@pytest.mark.parametrize("how", ["stopped", "hanging"])
def test_without_redis_each_call_says_so_in_time_and_all_is_well_when_it_is_back(
    team: Team, clients: Clients, how: str
) -> None:
    session_id = clients.balancer.post(CHAT).json()["session_id"]
    redis = team.running["redis"]
    if how == "stopped":
        assert redis.end() == 0
    else:
        redis.process.send_signal(signal.SIGSTOP)
    refuse_in_time(session_id, clients.all * 4)
    awaited(lambda: {code for _, code in team.checks()} == {"503"}, "the balancer has seen it, too")
    refuse_in_time(session_id, [clients.balancer] * 2)
    if how == "stopped":
        team.start("redis")
    else:
        redis.process.send_signal(signal.SIGCONT)

    def well() -> bool:
        return all(each.get(f"{CHAT}/{session_id}").status_code == 200 for each in clients.all)

    awaited(well, "all mocks serve again", patience=5)
    assert clients.two.post(CHAT).json()["session_id"] != session_id
