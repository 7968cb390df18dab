"""Several processes serve as one, and a server starts from what another one has saved."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from mockserver.messages import Json
from tests.needs import PATIENCE, Running, awaited
from tests.redis_server import redis_server
from tests.talk import KEY, MESSAGE, TITLE
from tests.test_cli import run, stopped

CHAT = "/api/v1/chat"
PROC = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="NOT TESTED: there is no /proc here")
PROMPT = {"prompt": MESSAGE, "index_ids": ["idx-abc123"]}


class Server(Running):
    """A `mockserver serve` that is ready."""

    def __init__(self, log: Path, *arguments: str) -> None:
        super().__init__([sys.executable, "-m", "mockserver", "serve", "--port", "0", *arguments], log)

    def await_ready(self) -> str:
        """Wait for its ready lines; gives the base URL, and keeps the first line."""
        self.ready = self.said("export LLAMA_CLOUD_API_KEY=any-key\n").splitlines()[0]
        found = re.match(r"mockserver is ready at (http://[^\s:]+:\d+): ", self.ready)
        assert found, self.ready
        self.url = found[1]
        return self.url


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Server]:
    """Serve on a free port for as long as the block lasts."""
    folder.mkdir(exist_ok=True)
    server = Server(folder / "serve.log", *arguments)
    try:
        server.await_ready()
        yield server
    finally:
        server.kill()


def client(url: str, timeout: float = PATIENCE) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"authorization": KEY}, timeout=timeout, trust_env=False)


# -- processes, as /proc shows them ----------------------------------------------------------------------------------


def group(leader: int) -> dict[int, list[str]]:
    """Give the living processes of a group but its leader, each with its command line."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp, *_ = path.read_text().rpartition(")")[2].split()
            words = (path.parent / "cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(pgrp) == leader and int(path.parent.name) != leader and state != "Z":
            found[int(path.parent.name)] = words
    return found


def workers(server: Running) -> list[int]:
    """Give the processes that serve."""
    return sorted(pid for pid, words in group(server.pid).items() if any("spawn_main" in word for word in words))


def ask_one(server: Server, pid: int) -> httpx.Client:
    """Give a client whose connection one worker has taken, and keeps: the others were halted meanwhile."""
    others = [each for each in workers(server) if each != pid]

    def connect() -> httpx.Client | None:
        connection = client(server.url, timeout=1)
        for each in others:
            os.kill(each, signal.SIGSTOP)
        try:
            connection.get("/__mock__/health")
        except httpx.TransportError:  # it is still starting
            connection.close()
            return None
        finally:
            for each in others:
                os.kill(each, signal.SIGCONT)
        connection.timeout = httpx.Timeout(PATIENCE)
        return connection

    return awaited(connect, f"worker {pid} answers")


@contextmanager
def each_worker(server: Server, count: int = 2) -> Iterator[list[httpx.Client]]:
    """Give a client of each worker."""
    awaited(lambda: len(workers(server)) == count, f"{count} workers run")
    with ExitStack() as stack:
        yield [stack.enter_context(closing(ask_one(server, pid))) for pid in workers(server)]


# -- workers ---------------------------------------------------------------------------------------------------------


@PROC
def test_each_worker_answers_and_sees_what_the_others_did(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2", "--store", "sqlite:///s.db") as server, each_worker(server) as clients:
        assert "store sqlite:///s.db, 2 workers; its page" in server.ready
        one, other = clients
        ids = [each.post(CHAT).json()["session_id"] for each in clients * 5]
        assert len(set(ids)) == 10
        told = one.post(f"{CHAT}/{ids[0]}/title", json={"first_message": MESSAGE}).json()
        assert told["generated_title"] == MESSAGE + "..."
        assert other.get(f"{CHAT}/{ids[0]}/summary").json()["generated_title"] == told["generated_title"]
        assert other.post(f"{CHAT}/{ids[0]}/messages/stream", json=PROMPT).status_code == 200
        assert one.get(f"{CHAT}/{ids[0]}").json()["events"][0] == {"type": "user_input", "content": MESSAGE}
        assert one.delete(f"{CHAT}/{ids[1]}").status_code == 204
        assert other.get(f"{CHAT}/{ids[1]}").status_code == 404
        lists = [[each["session_id"] for each in every.get(CHAT).json()["items"]] for every in clients]
        assert lists[0] == lists[1] == [ids[0], *ids[:1:-1]]


@PROC
def test_workers_share_the_journal_and_a_stub_of_two_uses_is_used_twice(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2", "--store", "sqlite:///s.db") as server, each_worker(server) as clients:
        assert_one_memory(clients)


def assert_one_memory(clients: Sequence[httpx.Client]) -> None:
    """Make sure that whoever is asked, stubs and journal are those of all."""
    one, other = clients
    assert one.post("/__mock__/stubs", json={"operation": "create", "status": 429, "times": 2}).status_code == 201
    assert other.get("/__mock__/stubs").json()["stubs"][0]["uses"] == 0
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: clients[number % 2].post(CHAT).status_code, range(20)))
    assert sorted(answers) == [201] * 18 + [429] * 2
    journals = [each.get("/__mock__/journal").json()["exchanges"] for each in clients]
    assert journals[0] == journals[1]
    assert [each["number"] for each in journals[0]] == list(range(1, 21))
    assert sum(each["stub"] is not None for each in journals[0]) == 2
    assert other.post("/__mock__/verify", json={"operation": "create", "times": 20}).status_code == 200
    one.delete("/__mock__/journal")
    assert other.get("/__mock__/journal").json()["exchanges"] == []


@PROC
def test_two_servers_on_one_redis_share_them_too(tmp_path: Path) -> None:
    with (
        redis_server() as redis,
        serving(tmp_path / "one", "--store", redis.url) as one,
        serving(tmp_path / "other", "--store", redis.url) as other,
        client(one.url) as asked,
        client(other.url) as also,
    ):
        assert_one_memory([asked, also])


@PROC
def test_all_workers_have_the_one_seed_that_was_drawn(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2", "--store", "sqlite:///s.db") as server, each_worker(server) as clients:
        seeds = {each.get("/__mock__/health").json()["seed"] for each in clients}
        assert seeds == {int(server.ready.partition(" seed ")[2].partition(",")[0])}
        wish = {"Prefer": "dynamic=true"}
        answers = {each.post(TITLE, json={"first_message": MESSAGE}, headers=wish).content for each in clients}
        assert len(answers) == 1


@PROC
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_processes_with_0(tmp_path: Path, how: signal.Signals) -> None:
    with serving(tmp_path, "--workers", "2", "--store", "sqlite:///s.db") as server:
        assert server.end(how, patience=8) == 0
        awaited(lambda: not group(server.pid), "its last helper ends when it is gone", patience=5)
        lines = server.log.read_text("utf-8").splitlines()
        assert lines == [
            server.ready,
            f"export LLAMA_CLOUD_BASE_URL={server.url}",
            "export LLAMA_CLOUD_API_KEY=any-key",
        ]


@PROC
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_turn_that_a_stopping_server_breaks_off_is_kept_as_such_without_a_traceback(
    tmp_path: Path, workers: str
) -> None:
    options = ("--store", "sqlite:///s.db", "--stream-rate", "2", "--shutdown-timeout", "1")
    with serving(tmp_path, *options, "--workers", workers) as server:
        with client(server.url) as asking, asking.stream("POST", f"{CHAT}/ses-a/messages/stream", json=PROMPT) as told:
            parts = told.iter_text()
            next(parts)
            assert server.end(patience=10) == 0
        assert "Traceback" not in server.log.read_text("utf-8")
    with serving(tmp_path, *options) as server, client(server.url) as asking:
        events = asking.get(f"{CHAT}/ses-a").json()["events"]
        assert events[0] == {"type": "user_input", "content": MESSAGE}
        assert (events[-1]["type"], events[-1]["is_error"]) == ("stop", True)
        assert len(events) > 2, "what was sent is kept"


@PROC
def test_workers_end_with_their_parent_whatever_ends_it(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2", "--store", "sqlite:///s.db") as server:
        assert len(awaited(lambda: workers(server), "workers")) == 2
        server.process.kill()
        server.process.wait()
        awaited(lambda: not workers(server), "its workers end, too")


@PROC
def test_a_worker_that_was_killed_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2", "--store", "sqlite:///s.db") as server:
        with each_worker(server) as (one, other):
            ids = [each.post(CHAT).json()["session_id"] for each in (one, other) * 5]
        before = workers(server)
        os.kill(before[0], signal.SIGKILL)
        replaced = awaited(lambda: set(workers(server)) - set(before), "a new worker")
        with client(server.url) as any_of_them:
            assert any_of_them.get(f"{CHAT}/{ids[0]}").status_code == 200, "the other one goes on meanwhile"
        with closing(ask_one(server, replaced.pop())) as new:
            listed = new.get(CHAT).json()["items"]
            assert [each["session_id"] for each in listed] == ids[::-1]
            assert new.post(CHAT).json()["session_id"] not in ids
        assert server.end(patience=8) == 0


def test_workers_without_a_store_that_they_share_are_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--port", "0", "--workers", "2")
    stopped(done, 2, "2 workers cannot share the store memory://", "where: --workers", "why:", "fix:", "sqlite:///")


# -- a saved state ---------------------------------------------------------------------------------------------------


def grow(url: str) -> None:
    """Make sessions of every kind in two scopes: titled, told, deleted, and one that create never issued."""
    with client(url) as default, client(f"{url}/scope/alice") as alice:
        for each in (default, alice):
            ids = [each.post(CHAT, json={"index_ids": ["idx-abc123"]}).json()["session_id"] for _ in range(4)]
            each.post(TITLE, json={"first_message": "Überschrift ❄"})
            each.post(f"{CHAT}/{ids[0]}/messages/stream", json=PROMPT)
            each.post(f"{CHAT}/{ids[0]}/messages/stream", json=PROMPT | {"prompt": "And in Q4?"})
            each.post(f"{CHAT}/{ids[1]}/title", json={"first_message": "Second"})
            each.delete(f"{CHAT}/{ids[2]}")
        alice.put(f"{url}/__mock__/scopes/alice", json={"seed": 7})


def all_of(url: str) -> Json:
    """Give all that a client can read: lists, histories, and the seed of a scope."""
    found: dict[str, Json] = {}
    for base in (url, f"{url}/scope/alice"):
        with client(base) as each:
            listed = each.get(CHAT).json()["items"]
            whole = [each.get(f"{CHAT}/{summary['session_id']}").json() for summary in listed]
            found[base.removeprefix(url)] = [listed, whole]
            assert sum(bool(session["events"]) for session in whole) == 1
            assert [bool(summary["generated_title"]) for summary in listed].count(True) == 3
    with client(url) as each:
        found["seed"] = each.get("/__mock__/scopes/alice").json()
    return found


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Json]:
    """Give the file that a server's state was saved in, and all that a client could read of it."""
    folder = tmp_path_factory.mktemp("saved")
    with serving(folder) as server:
        grow(server.url)
        path = folder / "state.jsonl"
        path.write_bytes(httpx.get(f"{server.url}/__mock__/state").content)
        return path, all_of(server.url)


@pytest.mark.parametrize(
    "more",
    [(), ("--store", "sqlite:///s.db"), ("--store", "sqlite:///s.db", "--workers", "2")],
    ids=["memory", "sqlite", "workers"],
)
def test_a_server_begun_from_a_saved_state_has_all_that_was_there(
    tmp_path: Path, saved: tuple[Path, Json], more: Sequence[str]
) -> None:
    path, before = saved
    with serving(tmp_path, "--state", str(path), *more) as server:
        assert f", 8 sessions from {path}; its page" in server.ready
        assert all_of(server.url) == before
        assert httpx.get(f"{server.url}/__mock__/state").content == path.read_bytes()


def test_a_deleted_session_stays_gone_and_no_id_comes_twice(tmp_path: Path, saved: tuple[Path, Json]) -> None:
    path, before = saved
    heads = [json.loads(line) for line in path.read_text("utf-8").splitlines() if '"gone"' in line]
    gone = [session_id for head in heads for _, session_id in head["gone"]]
    assert len(gone) == 2
    known = {summary["session_id"] for summary in before[""][0]} | set(gone)
    with serving(tmp_path, "--state", str(path)) as server, client(server.url) as default:
        assert [default.get(f"{CHAT}/{each}").status_code for _, each in heads[-1]["gone"]] == [404]
        assert default.post(CHAT).json()["session_id"] not in known


def test_a_store_that_is_not_empty_is_left_as_it_is(tmp_path: Path, saved: tuple[Path, Json]) -> None:
    path, _ = saved
    arguments = ("--store", "sqlite:///s.db", "--state", str(path))
    with serving(tmp_path, *arguments) as server, client(server.url) as default:
        default.delete(TITLE.removesuffix("/title"))
        left = default.get(CHAT).json()
        assert server.end() == 0
    with serving(tmp_path, *arguments) as server, client(server.url) as default:
        assert "sessions from" not in server.ready
        assert default.get(CHAT).json() == left


@pytest.mark.parametrize("store", ["memory://", "sqlite:///s.db"])
def test_a_broken_state_stops_the_start_with_file_and_line(
    tmp_path: Path, saved: tuple[Path, Json], store: str
) -> None:
    path, _ = saved
    lines = path.read_text("utf-8").splitlines(keepends=True)
    broken = tmp_path / "broken.jsonl"
    broken.write_text("".join([*lines[:2], lines[2][:40]]), "utf-8")
    done = run(tmp_path, "serve", "--port", "0", "--state", "broken.jsonl", "--store", store)
    stopped(done, 3, "a saved state cannot be read", "where: broken.jsonl, line 3", "why:", "fix: ")
    done = run(tmp_path, "serve", "--port", "0", "--state", "none.jsonl", "--store", store)
    stopped(done, 3, "a saved state cannot be read", "where: none.jsonl", "why: ", "No such file")
