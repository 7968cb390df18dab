"""Each exchange is remembered as it was, cut and without secrets, and is at once a line of the journal's file."""

import gc
import json
import os
import resource
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.check.coverage.count import read_lines
from mockserver.contract.router import Match
from mockserver.engine import Mock
from mockserver.errors import JournalError, StoreError
from mockserver.journal.exchange import Entry, Exchange, as_json
from mockserver.journal.recorder import JournalFile, Recorder
from mockserver.messages import Chunk, Finding, Headers, Json, Request, Response, Stream
from mockserver.settings import LONGEST_BODY, Settings
from mockserver.store.memory import MemoryStore
from tests.exchanges import exchange
from tests.strategies import operations
from tests.talk import KEY, MESSAGE, TITLE, ask

AT = "2026-04-22T12:34:41.342245"
NANOSECONDS = 1_776_861_281_342_245_000
PLANTED = "s3cr3t-of-mine"
LINUX = pytest.mark.skipif(not Path("/dev/full").exists(), reason="NOT TESTED: there is no /dev/full and /proc here")


MATCH = Match(operations("2.6")["set_title"], {"session_id": "s"})


def entry_of(request: Request, response: Response, stub: int = 0) -> Entry:
    """Make the journal entry of a title call."""
    return Entry(NANOSECONDS, request, MATCH, "2.6", response, stub, ("reset",) if stub else ())


def remembered(request: Request, response: Response, *, longest: int = LONGEST_BODY, stub: int = 0) -> Exchange:
    """Record one exchange, its bodies cut, and give it as the journal gives it."""
    recorder = Recorder(MemoryStore(), None)
    keep = recorder.keeping()
    assert keep is not None
    keep(request.scope, recorder.shortened(entry_of(request, response, stub), longest), 0)
    (kept,) = recorder.exchanges(request.scope)
    return kept


def lines(path: Path) -> list[Json]:
    """Read a journal's file, each line of which must be JSON."""
    text = path.read_text("ascii")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


# -- an exchange -----------------------------------------------------------------------------------------------------


def test_an_exchange_is_remembered_as_it_was() -> None:
    finding = Finding("/body", "missing", "Field required", "client")
    request = Request("POST", "/a%20b", "x=1", Headers([(b"accept", b"*/*")]), b"{}", "alice", "/root")
    response = Response(422, [(b"content-type", b"application/json")], b"[]", findings=(finding,), source="canned")
    assert remembered(request, response, stub=3) == Exchange(
        number=1,
        at=AT,
        scope="alice",
        method="POST",
        path="/a%20b",
        query="x=1",
        headers=((b"accept", b"*/*"),),
        body=b"{}",
        size=2,
        operation="set_title",
        contract="2.6",
        values={"session_id": "s"},
        status=422,
        answer_headers=[(b"content-type", b"application/json")],
        answer=b"[]",
        answer_size=2,
        source="canned",
        findings=(finding,),
        stub=3,
        faults=("reset",),
    )


def test_a_stream_is_written_out() -> None:
    stream = Stream([Chunk(0.0, b"data: 1\n\n"), Chunk(9.0, b"data: 2\n\n")], lambda _: pytest.fail("it was closed"))
    kept = remembered(Request("GET", "/"), Response(200, [], stream=stream), longest=10)
    assert (kept.answer, kept.answer_size) == (b"data: 1\n\nd", 18)


@pytest.mark.parametrize(
    ("data", "written"), [(b"", b"data: 1\n\ndata: end\n\n"), (b"data: 2\n\n", b"data: 1\n\ndata: 2\n\n")]
)
def test_a_stream_is_written_out_with_what_its_end_adds(data: bytes, written: bytes) -> None:
    """An empty last chunk stands for what is made at the end."""
    chunks = [Chunk(0.0, b"data: 1\n\n"), Chunk(9.0, data)]
    stream = Stream(chunks, lambda _: pytest.fail("it was closed"), last=b"data: end\n\n")
    assert remembered(Request("GET", "/"), Response(200, [], stream=stream), longest=100).answer == written


@given(
    body=st.binary(max_size=40) | st.text(max_size=20).map(str.encode),
    answer=st.text(max_size=20).map(str.encode),
    longest=st.integers(0, 12),
)
@example("é".encode(), b"", 1)
@example("𝄞".encode(), "a𝄞".encode(), 3)
@example(b"a" + b"\x80" * 9, b"", 6)
def test_a_long_body_is_cut_and_its_size_told(body: bytes, answer: bytes, longest: int) -> None:
    kept = remembered(Request("POST", "/", body=body), Response(200, [], answer), longest=longest)
    for part, whole, size in ((kept.body, body, kept.size), (kept.answer, answer, kept.answer_size)):
        assert size == len(whole)
        assert whole.startswith(part)
        assert min(len(whole), longest - 3) <= len(part) <= longest
    assert kept.answer.decode().encode() == kept.answer, "a text stays one"


@pytest.mark.parametrize("stub", [0, 2, -1])
def test_no_secret_is_kept_of_request_or_stubbed_answer(stub: int) -> None:
    fields = [(b"authorization", f"Bearer {PLANTED}".encode()), (b"cookie", f"a={PLANTED}".encode()), (b"x", b"y")]
    answer = [(b"set-cookie", f"a={PLANTED}".encode())] if stub else []
    kept = remembered(Request("GET", "/", headers=Headers(fields)), Response(200, answer), stub=stub)
    assert PLANTED not in repr(kept)
    assert kept.headers[2] == (b"x", b"y")
    assert [name for name, _ in kept.answer_headers] == [name for name, _ in answer]


def test_a_secret_that_a_refusal_quotes_is_gone_before_it_is_cut() -> None:
    quoted = f'{{"detail":[{{"input":"{PLANTED}"}}]}}'.encode()
    request = Request("GET", "/", headers=Headers([(b"x-api-key", PLANTED.encode())]))
    finding = Finding("/header/x-api-key", "int_parsing", "no number", "client", received=PLANTED)
    for longest in (20, 25, 1_000):
        kept = remembered(request, Response(422, [], quoted, findings=(finding,)), longest=longest)
        assert PLANTED[:3] not in repr(kept)
        assert kept.answer_size == len(quoted)
        assert kept.findings[0].message == "no number"


def test_the_mock_remembers_as_many_bytes_as_it_is_told_to() -> None:
    mock = Mock(Settings(contract="2.6", seed=1, journal_body=5))
    response = ask(mock.handle, "POST", TITLE, {"first_message": MESSAGE})
    (kept,) = mock.exchanges("default")
    assert (kept.body, kept.answer) == (b'{"fir', response.body[:5])
    assert (kept.size, kept.answer_size) == (len(json.dumps({"first_message": MESSAGE})), len(response.body))


# -- the file --------------------------------------------------------------------------------------------------------


def test_the_file_has_a_line_for_each_exchange_as_the_journal_has_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    mock = Mock(Settings(contract="2.6", seed=1, journal=path))
    mock.served.stubs.add("default", {"operation": "set_title", "headers": {"Set-Cookie": PLANTED}})
    for body in ({"first_message": "é\n\u2028\0"}, {"first_message": ["\ud800"]}, b"\xff", None):
        ask(mock.handle, "POST", TITLE, body, authorization=f"Bearer {PLANTED}", cookie=PLANTED)
        assert len(lines(path)) == len(mock.exchanges("default"))
    kept = mock.exchanges("default")
    assert lines(path) == json.loads(json.dumps([as_json(each) for each in kept]))
    assert [each["number"] for each in lines(path)] == [1, 2, 3, 4]
    assert PLANTED not in path.read_text()


def test_the_file_has_all_though_nothing_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    mock = Mock(Settings(contract="2.6", seed=1, journal=path, journal_size=0))
    for _ in range(2):
        ask(mock.handle, "POST", TITLE, {"first_message": MESSAGE}, authorization=KEY)
    assert [(each["number"], each["operation"]) for each in lines(path)] == [(1, "set_title"), (2, "set_title")]
    assert list(mock.exchanges("default")) == []


def test_the_line_is_there_before_the_answer(serve: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    url = serve(contract="2.6", seed=1, journal=path)
    for count in (1, 2):
        headers = {"authorization": KEY}
        assert httpx.post(url + TITLE, json={"first_message": MESSAGE}, headers=headers).status_code == 200
        assert len(lines(path)) == count


def test_a_file_that_is_there_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"earlier": 1}\n')
    ask(Mock(Settings(seed=1, journal=path)).handle, "GET", "/x")
    assert [each.get("earlier") for each in lines(path)] == [1, None]


def test_threads_and_processes_that_write_at_once_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    mocks = [Mock(Settings(contract="2.6", seed=1, journal=path)) for _ in range(2)]

    def call(number: int) -> None:
        message = f"{number}-" + "é" * (number % 7) * 300
        assert ask(mocks[number % 2].handle, "POST", TITLE, {"first_message": message}).status == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(200)))
    messages = [json.loads(each["request"]["body"])["first_message"] for each in lines(path)]
    assert sorted(int(message.partition("-")[0]) for message in messages) == list(range(200))
    written = [each["number"] for each in lines(path)]
    assert sorted(written) == sorted(2 * list(range(1, 101)))


@pytest.mark.parametrize("place", ["", "none/journal.jsonl"])
def test_a_file_that_cannot_be_written_stops_the_start(tmp_path: Path, place: str) -> None:
    with pytest.raises(JournalError) as caught:
        Mock(Settings(seed=1, journal=tmp_path / place))
    assert caught.value.where == str(tmp_path / place)
    assert caught.value.why
    assert caught.value.fix == "name another file"


@LINUX
def test_a_full_disk_loses_the_line_and_nothing_else() -> None:
    mock = Mock(Settings(contract="2.6", seed=1, journal=Path("/dev/full")))
    for count in (1, 2):
        assert ask(mock.handle, "POST", TITLE, {"first_message": MESSAGE}).status == 200
        assert len(mock.exchanges("default")) == count


@contextmanager
def room(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("missing", [0, 1, 2, 100])
def test_a_line_that_was_torn_by_a_full_disk_spoils_no_other(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "journal.jsonl"
    file = JournalFile(path)
    file.write(exchange(number=1))
    size = path.stat().st_size
    with room(2 * size - missing):
        for number in (2, 3):
            file.write(exchange(number=number))
    for number in (4, 5):
        file.write(exchange(number=number))
    found = path.read_bytes().splitlines(keepends=True)
    whole = [json.loads(line)["number"] for line in found if line.endswith(b"}\n")]
    assert whole == ([1, 2, 4, 5] if missing < 2 else [1, 4, 5])
    assert b"" not in path.read_bytes().split(b"\n")[:-1]


def test_what_the_store_did_not_take_is_not_written(tmp_path: Path) -> None:
    class Away(MemoryStore):
        def append(self, *_: object) -> int:
            raise StoreError("it was taken away")

    path = tmp_path / "journal.jsonl"
    keep = Recorder(Away(), path).keeping()
    assert keep is not None
    with pytest.raises(StoreError):
        keep("default", entry_of(Request("GET", "/"), Response(200, [])), 0)
    assert path.read_bytes() == b""


@LINUX
def test_the_file_is_closed_with_the_mock(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"

    def is_open() -> bool:
        gc.collect()
        return any(each.is_symlink() and each.readlink() == path for each in Path("/proc/self/fd").iterdir())

    made: list[Any] = [Mock(Settings(seed=1, journal=path))]
    assert is_open()
    made.clear()
    assert not is_open()


# -- a file that cannot take all of it -------------------------------------------------------------------------------


def test_a_pipe_that_nobody_reads_is_refused_at_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(JournalError) as caught:
        Mock(Settings(seed=1, journal=tmp_path / "pipe"))
    assert (caught.value.why, "start its reader first" in caught.value.fix) == ("it is a pipe that nobody reads", True)


def test_a_pipe_whose_reader_stops_reading_stops_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        mock = Mock(Settings(seed=1, journal=tmp_path / "pipe"))
        for _ in range(300):
            assert ask(mock.handle, "POST", TITLE, {"first_message": MESSAGE * 10}).status == 200
        assert [each.levelname for each in caplog.records] == ["WARNING"]
        assert "exchanges are missing in the journal's file" in caplog.text
        got = b"".join(iter(lambda: _read(reader), b""))
        ask(mock.handle, "GET", "/after")
        got += _read(reader)
    finally:
        os.close(reader)
    assert 0 < len(list(read_lines(got.splitlines(keepends=True), "pipe"))) < 301
    assert json.loads(got.splitlines()[-1])["request"]["path"] == "/after"


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 65_536)
    except BlockingIOError:
        return b""


def test_a_line_that_a_killed_process_cut_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal.jsonl"
    ask(Mock(Settings(seed=1, journal=path)).handle, "GET", "/one")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:70])
    for name in ("/two", "/three"):
        ask(Mock(Settings(seed=1, journal=path)).handle, "GET", name)
    with path.open("rb") as file:
        assert [each.path for each in read_lines(file, "j")] == ["/one", "/two", "/three"]
    assert capsys.readouterr().err == "mockserver: j:2: the line was cut short (a full disk?); it is not counted\n"


# -- how much is kept ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        Request("POST", TITLE, body=b'{"first_message": "%s"}' % (b"x" * 8_000)),
        Request("POST", TITLE, body=b'{"first_message": %s}' % (b"[" * 90 + b"1," * 3_000 + b"1" + b"]" * 90)),
        Request("POST", TITLE, body=b'{"first_message": "%s", "x": [%s1]}' % (b"x" * 20_000, b"[]," * 2_500)),
        Request("POST", TITLE, body=b"{}", query="q=" + "x" * 15_000),
        Request("GET", f"/{'x' * 15_000}"),
        Request("GET", "/", headers=Headers([(b"x-long", b"x" * 100_000)])),
    ],
    ids=["long text", "deep list", "long list", "query", "path", "headers"],
)
def test_what_the_journal_takes_in_memory_is_what_is_counted(sent: Request) -> None:
    most = 1_000_000
    mock = Mock(Settings(seed=0, journal_bytes=most, auth=False))
    mock.handle(sent)  # what is made once is not counted
    tracemalloc.start()
    try:
        for _ in range(100):
            fields = [(name[:], bytes(bytearray(value))) for name, value in sent.headers.raw]
            mock.handle(Request(sent.method, sent.path[:-1] + "e", sent.query + "x", Headers(fields), sent.body + b" "))
        assert tracemalloc.get_traced_memory()[0] < most
    finally:
        tracemalloc.stop()
    kept = [each.number for each in mock.exchanges("default")]
    assert kept == [*range(kept[0], 102)]
    assert 1 < len(kept) < 101
