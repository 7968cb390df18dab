"""Lines about requests: what they say, what they never hold, and that nobody waits for their reader."""

import json
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mockserver.control.app import start_mock
from mockserver.messages import Headers, RawHeaders
from mockserver.redact import Redactor
from mockserver.server.uvicorn import running
from mockserver.settings import LogFormat, Settings
from mockserver.terminal.lines import MOST_WAITING, LineHandler, LineWriter
from mockserver.terminal.requests import RequestLog
from mockserver.terminal.text import takes_colour
from tests.needs import awaited

Pipe = tuple[int, int]

WRONG: RawHeaders = [
    (b"x-mock-fault", b"client"),
    (b"x-mock-pointer", b"/body/name"),
    (b"x-mock-message", b"50%25 of%1B[31m it%0Ais wrong"),
]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def lost(count: int) -> str:
    return f"lost {count}"


def written(pipe: Pipe, path: str, query: str = "", *, form: LogFormat = "text", colour: bool = False) -> str:
    """Give the line of a request that was refused."""
    reader, writer = pipe
    lines = LineWriter(writer, lost)
    log = RequestLog(lines, lambda *_: "getPet", Redactor(), form, colour=colour)
    log.add("GET", path, query, Headers(), 422, WRONG, 0.0123)
    lines.close()
    return os.read(reader, 65_536).decode()


def test_a_line_says_when_what_how_and_what_was_wrong(pipe: Pipe) -> None:
    text = written(pipe, "/pets", "a=1")
    told = r"GET /pets\?a=1 422 getPet 12\.3 ms; client: /body/name: 50% of\\x1b\[31m it\\nis wrong\n"
    assert re.fullmatch(r"\d\d:\d\d:\d\d " + told, text)


def test_a_line_of_json_says_the_same(pipe: Pipe) -> None:
    value = json.loads(written(pipe, "/pets", "a=1", form="json"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value.pop("time"))
    assert value == {
        "method": "GET",
        "path": "/pets",
        "query": "a=1",
        "status": 422,
        "operation": "getPet",
        "ms": 12.3,
        "fault": "client",
        "where": "/body/name",
        "message": "50% of\\x1b[31m it\\nis wrong",
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_and_control_characters_of_a_client_are_in_no_line(pipe: Pipe, form: LogFormat) -> None:
    text = written(pipe, "/pets\x9b31m\x1b]0;x\x07\u202e", "api_key=planted&n=1", form=form)
    assert "planted" not in text
    assert all(each.isprintable() for each in text.rstrip("\n"))
    assert text.count("\n") == 1


def test_only_colour_adds_escapes_and_nothing_else(pipe: Pipe) -> None:
    text = written(pipe, "/pets", colour=True)
    plain = re.sub(r"\x1b\[\d+m", "", text)
    assert plain != text
    assert "GET /pets 422 getPet 12.3 ms; client: /body/name" in plain


def test_a_very_long_path_is_cut(pipe: Pipe) -> None:
    assert len(written(pipe, "/" + "p" * 10_000)) < 1_500


@pytest.mark.parametrize(("variables", "expected"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_is_for_terminals_that_want_it(
    variables: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    ours, theirs = os.openpty()
    with os.fdopen(ours), os.fdopen(theirs, "w") as terminal, (tmp_path / "file").open("w") as file:
        assert takes_colour(terminal) is expected
        assert not takes_colour(file)


def test_a_pipe_that_nobody_reads_loses_lines_that_are_counted_and_stops_nobody(pipe: Pipe) -> None:
    reader, writer = pipe
    lines, line, count = LineWriter(writer, lost), "x" * 999, MOST_WAITING + 3_000
    began = time.monotonic()
    for _ in range(count):
        lines.put(lambda: line)
    assert time.monotonic() - began < 20
    read = ""

    def missing() -> int:
        return sum(map(int, re.findall(r"lost (\d+)\n", read)))

    def all_told() -> bool:
        nonlocal read
        read += os.read(reader, 65_536).decode()
        return read.count(line) + missing() >= count

    awaited(all_told, "each line is read, or told to be lost")
    assert 0 < missing() == count - read.count(line)


def test_lines_whose_reader_has_gone_stop_nobody() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    lines = LineWriter(writer, lost)
    for _ in range(3):
        lines.put(lambda: "x")
        time.sleep(0.05)
    lines.close()
    os.close(writer)


def test_warnings_go_the_same_way_and_are_visible(pipe: Pipe) -> None:
    reader, writer = pipe
    lines, log = LineWriter(writer, lost), logging.Logger("of the test")
    log.addHandler(LineHandler(lines, lambda record, text: f"{record.levelname}: {text}"))
    log.warning("beware of %s", "the dog")
    log.info("nothing to see")
    lines.close()
    assert os.read(reader, 100) == b"WARNING: beware of the dog\n"


def test_a_mock_that_is_no_command_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    import httpx

    from mockserver.control.app import make_app

    settings = Settings(auth=False)
    with running(make_app(settings, start_mock(settings))) as url:
        assert httpx.get(url + "/api/v1/chat").status_code == 200
    assert capfd.readouterr() == ("", "")
