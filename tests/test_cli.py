"""The command starts, says so, serves, and ends as it should."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from mockserver.cli import ready_lines
from mockserver.engine import Mock
from mockserver.pyproject import read_pyproject
from mockserver.server.uvicorn import bind
from mockserver.settings import Settings
from tests import commands
from tests.talk import KEY, MESSAGE, TITLE

PATIENCE = 30.0
"""Seconds that a process may take on a busy machine."""

READY = re.compile(
    r"mockserver is ready at (?P<url>http://\S+): contract auto \(2\.17, 2\.8, 2\.6\), "
    r"7 operations, answers simulated, seed (?P<seed>\d+); its page is (?P=url)/__mock__/"
)


def environment(**more: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("MOCKSERVER_")}
    return {**kept, **more}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mockserver", *arguments]


def run(folder: Path, *arguments: str, **variables: str) -> commands.Done:
    """Run a command that ends by itself."""
    unset = {name: None for name in os.environ if name.startswith("MOCKSERVER_")}
    return commands.run(*arguments, cwd=folder, env={**unset, **variables})


class Served:
    """A server in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self.process = process
        self.lines = [process.stdout.readline().rstrip("\n") for _ in range(3)]
        found = re.search(r"http://\S+(?=:)", self.lines[0])
        assert found, (self.lines, process.stderr.read() if process.stderr and process.poll() is not None else "")
        self.url = found[0]

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Stop it; gives the exit code and what else it wrote to stdout and stderr."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@contextmanager
def serving(folder: Path, *arguments: str, **variables: str) -> Iterator[Served]:
    """Serve on a free port."""
    process = subprocess.Popen(
        command("serve", "--port", "0", *arguments),
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Served(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def title(url: str, key: str = KEY) -> httpx.Response:
    return httpx.post(url + TITLE, json={"first_message": MESSAGE}, headers={"authorization": key}, timeout=PATIENCE)


# -- starting, serving, ending ---------------------------------------------------------------------------------------


def test_the_server_says_where_and_what_it_serves_and_ends_with_0(tmp_path: Path) -> None:
    with serving(tmp_path, "--quiet") as served:
        ready = READY.fullmatch(served.lines[0])
        assert ready is not None, served.lines
        assert served.lines[1:] == [f"export LLAMA_CLOUD_BASE_URL={served.url}", "export LLAMA_CLOUD_API_KEY=any-key"]
        assert title(served.url).json()["generated_title"] == MESSAGE + "..."
        assert httpx.get(served.url + "/__mock__/health").json()["seed"] == int(ready["seed"])
        assert served.end() == (0, "", "")


def test_each_request_has_a_line_on_stderr_without_its_keys(tmp_path: Path) -> None:
    with serving(tmp_path, "--api-key", "llx-secret") as served:
        assert title(served.url, "Bearer llx-secret").status_code == 200
        assert title(served.url, "Bearer llx-wrong").status_code == 401
        assert httpx.get(served.url + "/api/v1/chat?api_key=llx-queried").status_code == 401
        code, out, err = served.end(signal.SIGINT)
        assert (code, out) == (0, "")
        lines = err.splitlines()
        assert len(lines) == 3
        start = rf"\d\d:\d\d:\d\d POST {TITLE}"
        assert re.fullmatch(rf"{start} 200 set_title \d+\.\d ms", lines[0])
        wrong = "client: /header/authorization: Invalid authentication token"
        assert re.fullmatch(rf"{start} 401 set_title \d+\.\d ms; {wrong}.*", lines[1])
        assert "?api_key=%5Bredacted%5D 401 " in lines[2]
        assert "llx-" not in "".join([*served.lines, out, err])
        assert served.lines[2] == "export LLAMA_CLOUD_API_KEY='<your --api-key>'"


def test_a_reader_of_stderr_that_does_not_read_holds_up_no_answer(tmp_path: Path) -> None:
    """The lines of 200 requests are more than a pipe holds."""
    with serving(tmp_path) as served, httpx.Client(timeout=PATIENCE) as client:
        for number in range(200):
            url = f"{served.url}/{'p' * 900}?n={number}"
            assert client.get(url, headers={"authorization": KEY}).status_code == 404
        code, _, err = served.end()
        assert code == 0
        assert f"?n={0} 404" in err


def half_sent(url: str, body: bytes) -> socket.socket:
    """Open a request whose body has come but half."""
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
    head = f"POST {TITLE} HTTP/1.1\r\nhost: x\r\nauthorization: {KEY}\r\ncontent-type: application/json\r\n"
    connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[:5])
    return connection


def test_an_open_request_is_answered_before_the_server_ends(tmp_path: Path) -> None:
    body = b'{"first_message": "slow"}'
    with serving(tmp_path, "--shutdown-timeout", "10") as served, half_sent(served.url, body) as connection:
        assert title(served.url).status_code == 200  # the open request has been taken by now
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert served.process.poll() is None
        connection.sendall(body[5:])
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b'"generated_title":"slow..."' in answer
        assert served.process.wait(timeout=PATIENCE) == 0


def test_a_request_that_never_ends_does_not_keep_the_server(tmp_path: Path) -> None:
    with serving(tmp_path, "--shutdown-timeout", "1") as served, half_sent(served.url, b'{"first_message": ""}'):
        assert title(served.url).status_code == 200
        started = time.monotonic()
        code, _, err = served.end()
        assert time.monotonic() - started < 8
        assert code == 0
        assert "Traceback" not in err


def test_a_stream_that_a_stopping_server_cuts_is_not_taken_for_whole(tmp_path: Path) -> None:
    body = b'{"prompt": "slow", "index_ids": ["idx-a"]}'
    head = f"POST /api/v1/chat/ses-a/messages/stream HTTP/1.1\r\nhost: x\r\nauthorization: {KEY}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with serving(tmp_path, "--shutdown-timeout", "1", "--stream-rate", "2", "--quiet") as served:
        host, port = served.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            connection.sendall(head.encode() + body)
            received = b""
            while b"data: " not in received:
                received += connection.recv(65_536)
            code, out, err = served.end()
            received += b"".join(iter(lambda: connection.recv(65_536), b""))
        assert b"\r\n0\r\n\r\n" not in received, "the last chunk of a whole body"
        assert (code, out, err) == (0, "", "")


def test_settings_come_from_pyproject_and_environment(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.mockserver]\ncontract = "2.8"\nseed = 4\n', "utf-8")
    with serving(tmp_path, MOCKSERVER_ANSWERS="documented") as served:
        assert ": contract 2.8, 6 operations, answers documented, seed 4; its page" in served.lines[0]


# -- what it says before it serves -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (Settings(seed=1), "any-key"),
        (Settings(seed=1, api_key="llx-secret"), "'<your --api-key>'"),
        (Settings(seed=1, auth=False), "any-key"),
    ],
    ids=["any key", "one key", "no key"],
)
def test_the_ready_lines_can_be_pasted_and_tell_no_secret(settings: Settings, key: str) -> None:
    first, *exports = ready_lines(Mock(settings), "http://127.0.0.1:4010").splitlines()
    assert first.endswith("7 operations, answers simulated, seed 1; its page is http://127.0.0.1:4010/__mock__/")
    assert exports == ["export LLAMA_CLOUD_BASE_URL=http://127.0.0.1:4010", f"export LLAMA_CLOUD_API_KEY={key}"]
    assert "llx-secret" not in first


def test_the_page_is_named_only_where_it_is_served() -> None:
    assert "/__mock__/" not in ready_lines(Mock(Settings(seed=1, control=False)), "http://127.0.0.1:4010")


def test_one_operation_is_told_in_the_singular(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(
        "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths: {/: {get: {responses: {'204': {description: ''}}}}}\n"
    )
    told = ready_lines(Mock(Settings(contract=str(path), seed=1)), "http://x")
    assert "contract one, 1 operation, " in told


# -- what stops it ---------------------------------------------------------------------------------------------------


def stopped(done: commands.Done, code: int, *texts: str) -> None:
    assert done.returncode == code, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for text in texts:
        assert text in done.stderr


def test_a_port_that_is_taken_ends_it_with_3(tmp_path: Path) -> None:
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    done = run(tmp_path, "serve", "--port", str(port))
    listener.close()
    stopped(done, 3, f"mockserver: cannot listen on 127.0.0.1:{port}", "why: Address already in use", "--port 0")


def test_an_unknown_option_ends_it_with_2(tmp_path: Path) -> None:
    stopped(run(tmp_path, "serve", "--prot", "1"), 2, "No such option", "--prot", "--port")


def test_an_unknown_key_of_pyproject_ends_it_with_2(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.mockserver]\nprot = 1\n", "utf-8")
    place = str(tmp_path / "pyproject.toml")
    stopped(run(tmp_path, "serve"), 2, "there is no setting 'prot'", place, "fix: did you mean 'port'?")


def test_an_unknown_version_ends_it_with_2(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", MOCKSERVER_CONTRACT="2.7")
    stopped(done, 2, "there is no contract '2.7'", "2.17, 2.8, 2.6", "fix:")


def test_a_bad_fixture_ends_it_with_3_and_its_place(tmp_path: Path) -> None:
    path = tmp_path / "answers" / "set_title" / "200.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"session_id": "s", "last_updated_at": 5}', "utf-8")
    done = run(tmp_path, "serve", "--port", "0", "--fixtures", "answers")
    place = "answers/set_title/200.json#/last_updated_at"
    stopped(done, 3, "a fixture breaks the contract", place, 'expected {"type": "string"}, received 5', "fix:")


def test_a_bad_contract_ends_it_with_3_and_its_place(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("openapi: 1.0.0\ninfo: {title: t, version: '1'}\npaths: {/a: {get: {responses: {}}}}\n", "utf-8")
    done = run(tmp_path, "serve", "--port", "0", "--contract", "own.yaml")
    stopped(done, 3, "the document is not OpenAPI", "own.yaml#/openapi", "it says '1.0.0'")


def test_help_and_version_are_told_wherever_it_is_called(tmp_path: Path) -> None:
    for option, told in {"--help": r"(?s).*\bserve\b.*", "--version": r"mockserver, version \d+\.\d+\.\d+\n"}.items():
        said = subprocess.run(
            command(option), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=True
        )
        assert re.fullmatch(told, said.stdout)


@pytest.mark.parametrize("url", ["memory://", "memory:///"])
def test_several_workers_in_memory_end_it_with_2_and_the_reason(tmp_path: Path, url: str) -> None:
    done = run(tmp_path, "serve", "--port", "0", "--workers", "2", "--store", url)
    stopped(
        done, 2, f"2 workers cannot share the store {url}", "where: --workers", "why: processes do not share memory"
    )
    assert "fix: name a store that they share: --store sqlite:///sessions.db, or --store redis://" in done.stderr


def test_several_workers_in_memory_are_what_the_default_store_gives(tmp_path: Path) -> None:
    stopped(run(tmp_path, "serve", MOCKSERVER_WORKERS="2"), 2, "2 workers cannot share the store memory://")


def test_several_workers_that_watch_end_it_with_2(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--port", "0", "--workers", "2", "--watch", "--store", "sqlite:///kept.db")
    stopped(done, 2, "--watch is for one process", "where: --workers", "fix: leave out --watch or --workers")
    assert not (tmp_path / "kept.db").exists()


@pytest.mark.parametrize("url", ["postgres://h/d", "memory", "sqlite:kept.db", "sqlite://", ""])
def test_an_unknown_store_ends_it_with_2_and_those_that_there_are(tmp_path: Path, url: str) -> None:
    done = run(tmp_path, "serve", "--port", "0", "--store", url)
    stopped(done, 2, f"there is no store {url!r}", "memory://, sqlite:///FILE, redis://HOST:PORT", "fix: see --store")


def test_the_password_of_a_store_that_there_is_not_is_not_told(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--port", "0", "--store", "postgres://user:secret@h/d")
    stopped(done, 2, "there is no store '...h/d'")
    assert "secret" not in done.stderr
    done = run(tmp_path, "serve", "--port", "0", "--store", "redis:/user:secret@h")
    stopped(done, 2, "there is no store")
    assert "secret" not in done.stderr


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_no_clock_shows_is_refused(tmp_path: Path, moment: str) -> None:
    stopped(run(tmp_path, "serve", "--clock", moment), 2, "is no time as")


HEAD = '{"mockserver":"state","version":2}\n'
SCOPE = '{"scope":"default","seed":null,"counters":{"sessions":1},"gone":[]}\n'
RECORD = '{"collection":"sessions","id":"s","data":{},"group":null,"seq":1,"parts":[]}\n'


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", None, "why: it is empty"),
        ("no state\n", 1, "Expecting value"),
        ('{"mockserver":"state","version":3}\n', 1, "does not begin as a state of version 2"),
        (HEAD + SCOPE + "{\n", 3, "Expecting property name"),
        (HEAD + SCOPE + RECORD.replace('"id":"s"', '"id":5'), 3, "it is no record"),
        (HEAD + SCOPE + RECORD, 3, "it is no session"),
        (HEAD + '{"scope":"a b","seed":null,"counters":{},"gone":[]}\n', 2, "'a b' names no scope"),
    ],
    ids=["empty", "no state", "another version", "cut", "no record", "no session", "no scope"],
)
def test_a_broken_state_ends_it_with_3_and_its_place(tmp_path: Path, text: str, line: int | None, why: str) -> None:
    (tmp_path / "state.jsonl").write_text(text, "utf-8")
    done = run(tmp_path, "serve", "--port", "0", "--state", "state.jsonl")
    place = "where: state.jsonl" + (f", line {line}" if line else "")
    stopped(done, 3, "a saved state cannot be read", place, why, "fix: save one with GET /__mock__/state")


def test_a_state_that_is_not_there_ends_it_with_3_and_its_name(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--port", "0", "--state", "none.jsonl")
    stopped(done, 3, "a saved state cannot be read", "where: none.jsonl", "No such file", "fix:")


def test_a_bad_script_of_a_turn_ends_it_with_3_and_its_place(tmp_path: Path) -> None:
    path = tmp_path / "answers" / "stream" / "200.mine.json"
    path.parent.mkdir(parents=True)
    path.write_text('[{"event": {"type": "text", "content": "x"}}]', "utf-8")
    done = run(tmp_path, "serve", "--port", "0", "--fixtures", "answers")
    place = "answers/stream/200.mine.json#/0/event"
    stopped(done, 3, "a fixture breaks the contract", place, "a turn ends with its stop, and has no other", "fix:")


def test_a_variable_that_is_no_option_is_warned_of(tmp_path: Path) -> None:
    done = run(
        tmp_path, "serve", "--store", "nowhere", MOCKSERVER_FIXTURE="x", MOCKSERVER_SEED="1", MOCKSERVER_CACHE="off"
    )
    assert "the variable MOCKSERVER_FIXTURE is no option" in done.stderr
    assert "MOCKSERVER_SEED" not in done.stderr
    assert "MOCKSERVER_CACHE" not in done.stderr


def test_the_missing_indexes_may_be_a_list_in_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.mockserver]\nmissing-indexes = ["a", "b"]\n')
    assert read_pyproject(tmp_path)["missing_indexes"] == "a,b"


def test_a_file_in_memory_is_refused(tmp_path: Path) -> None:
    stopped(run(tmp_path, "serve", "--store", "sqlite:///:memory:"), 2, "names no file", "fix: use --store memory://")
    assert list(tmp_path.iterdir()) == []
