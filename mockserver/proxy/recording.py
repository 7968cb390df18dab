"""A recording: the exchanges that passed, without their secrets, in a file; and the answers among them as fixtures."""

import json
import logging
import re
from collections.abc import Sequence
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote, unquote

from mockserver.answer.body import SEQUENCES, format_of, representation
from mockserver.answer.fixtures import canned_media, content_of
from mockserver.answer.written import file_of
from mockserver.contract.openapi import EVENT_STREAM, Reply
from mockserver.data import FileError, read_bytes
from mockserver.engine import Mock
from mockserver.errors import FixtureError, StartError, UsageError, reason
from mockserver.journal.exchange import Entry, Exchange, Reading, as_json, from_json
from mockserver.journal.recorder import TORN, JournalFile
from mockserver.messages import Chunk, Headers, Json, RawHeaders, Stream
from mockserver.proxy.judge import kind_of_body
from mockserver.redact import HIDDEN, Redactor
from mockserver.sse import parse

FILE = "recording.jsonl"
"""The file of a recording: a line of JSON for each exchange, as in a journal, with its `pauses` if it streamed."""

LARGEST = 1_073_741_824
"""How many bytes of a recording are read."""

LONGEST_NAME = 150
"""The longest name of an operation that names a folder, in characters."""

LEFT_OUT = frozenset(
    b"host connection content-length content-encoding accept-encoding transfer-encoding user-agent date expect".split()
)
"""Fields that are not recorded: they belong to one connection, to one client, or to the body as it was sent."""

OWN = b"x-mock-"
"""What the fields begin with that a mock adds, if the service is one."""

STREAMED = re.compile(rb".*?(?:\r?\n\r?\n|\r\r|\Z)", re.DOTALL)
LINED = re.compile(rb".*?(?:\n|\Z)", re.DOTALL)

log = logging.getLogger("mockserver")


class Recording(NamedTuple):
    """One recorded exchange, and the pauses before each piece of its answer in seconds; none if it came at once."""

    exchange: Exchange
    pauses: tuple[float, ...] = ()

    @property
    def key(self) -> "RequestKey":
        """What a request must share with it to be the same."""
        return key_of(self.exchange)


RequestKey: TypeAlias = tuple[str, str, tuple[str, ...], bytes]


def key_of(exchange: Exchange) -> RequestKey:
    """Return what makes a request the same: method, path, query, and body, without its secrets."""
    return (exchange.method, exchange.path, tuple(sorted(exchange.query.split("&"))), _plain_body(exchange))


def _plain_body(exchange: Exchange) -> bytes:
    """Return a body as it is compared: JSON without its white space and order, forms without their boundary."""
    kind = Headers(exchange.headers).text(b"content-type") or ""
    boundary = re.search(r'boundary="?([^";]+)', kind)
    if boundary is not None:
        return exchange.body.replace(boundary[1].encode("latin-1"), b"boundary")
    try:
        return json.dumps(json.loads(exchange.body), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return exchange.body


def pieces_of(body: bytes, headers: RawHeaders) -> list[bytes]:
    """Cut a stream where its events end, or its lines."""
    cut = STREAMED if Headers(headers).media_type == EVENT_STREAM else LINED
    return [each for each in cut.findall(body) if each]


def stream_of(body: bytes, headers: RawHeaders, pauses: Sequence[float] = (), keep_alive: float = 0.0) -> Stream:
    """Return a body as a stream of its pieces, with the pauses before them in seconds."""
    waits, at, chunks = iter(pauses), 0.0, list[Chunk]()
    for piece in pieces_of(body, headers):
        at += next(waits, 0.0)
        chunks.append(Chunk(at, piece))
    return Stream(chunks, lambda _: b"", keep_alive)


# -- without secrets


def scrubbed(entry: Entry, number: int, reading: Reading) -> Exchange:
    """Return an exchange as it is recorded: without secrets, and without what says nothing of it."""
    exchange = entry.exchange(number, reading)
    values = {name: HIDDEN if reading.redactor.is_secret(name) else each for name, each in exchange.values.items()}
    hidden = {each for name, each in exchange.values.items() if values[name] != each}
    path = "/".join(quote(HIDDEN) if unquote(each) in hidden else each for each in exchange.path.split("/"))
    return exchange._replace(
        path=path,
        values=values,
        headers=_kept(exchange.headers, reading.redactor),
        answer_headers=_kept(exchange.answer_headers, reading.redactor),
        size=len(exchange.body),
        answer_size=len(exchange.answer),
    )


def _kept(headers: RawHeaders, redactor: Redactor) -> RawHeaders:
    """Return the fields that are recorded; addresses in them lose the secrets of their queries."""
    found = []
    for name, value in headers:
        if name in (b"location", b"content-location", b"referer") and b"?" in value:
            path, _, query = value.decode("latin-1").partition("?")
            value = f"{path}?{redactor.query(query)}".encode("latin-1")
        if name not in LEFT_OUT and not name.startswith(OWN):
            found.append((name, value))
    return found


# -- the file


def read_recordings(folder: Path) -> list[Recording]:
    """Read a recording; a MockserverError says why it cannot be read, and where."""
    path = folder / FILE
    if not path.exists():
        fix = f"record one: mockserver proxy URL --record {folder}"
        raise UsageError("there is no recording here", where=str(folder), why=f"it has no file {FILE}", fix=fix)
    try:
        lines = read_bytes(path, LARGEST).split(b"\n")
    except FileError as error:
        raise StartError("a recording cannot be read", where=str(path), why=str(error), fix="name another") from error
    found = []
    for at, line in enumerate(lines, 1):
        if not line.strip() or line[-1:] == TORN:  # which a full disk has cut short
            continue
        try:
            found.append(_read(line, f"{path}:{at}"))
        except FixtureError:
            if at < len(lines):
                raise
            log.warning("%s:%d: the last line has no end; it is left out", path, at)
    return found


def _read(line: bytes, where: str) -> Recording:
    try:
        value = json.loads(line)
        pauses = tuple(float(each) / 1000 for each in value.get("pauses", ()))
        return Recording(from_json(value), pauses)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        why = f"the line is no recorded exchange: {reason(error)}"
        raise FixtureError("a recording cannot be read", where=where, why=why, fix="correct or remove it") from error


class RecordingWriter:
    """Writes what passes into a folder: the file of the recording, and fixtures. Nothing of it fails an answer."""

    def __init__(self, folder: Path, mock: Mock) -> None:
        self._folder, self._mock = folder, mock
        self._fixtures = mock.served.answers.fixtures
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fix = "name another folder"
            raise StartError("nothing can be recorded here", where=str(folder), why=reason(error), fix=fix) from error
        before = read_recordings(folder) if (folder / FILE).exists() else []
        self._last = {_request_digest(each.key): _answer_digest(each.exchange) for each in before}
        """The last answer to each request, as digests: bodies may be long."""
        self._number = len(before)
        self._file = JournalFile(folder / FILE)
        self._known: dict[Path, set[bytes]] = {}
        self._numbers: dict[tuple[Path, int], int] = {}
        self.recorded = self.repeated = self.fixtures = 0
        self.left_out: list[str] = []
        """Why exchanges were not recorded that cannot be."""
        self.lost: list[str] = []
        """Why exchanges were not recorded that could not be written."""

    def write(self, entry: Entry, body: bytes | None, times: Sequence[tuple[float, int]], *, is_whole: bool) -> None:
        """Record an exchange; `times` says how much of the body had come when, in seconds after the head."""
        if body is None or not is_whole:
            what = "it did not come whole" if not is_whole else "its bodies cannot be read whole"
            self._tell(entry, what, self.left_out)
            return
        exchange = scrubbed(entry, self._number + 1, self._mock.reading)
        if _is_data(body, exchange.answer_headers) and not _is_data(exchange.answer, exchange.answer_headers):
            self._tell(entry, "without the secrets that it quotes, its answer is no JSON", self.left_out)
            return
        key, digest = _request_digest(key_of(exchange)), _answer_digest(exchange)
        if self._last.get(key) == digest:
            self.repeated += 1
            return
        pauses = pauses_of(entry.response.headers, body, times)
        value = as_json(exchange) | ({"pauses": pauses} if pauses else {})
        if not self._file.append(json.dumps(value, separators=(",", ":")).encode() + b"\n"):
            self._tell(entry, "its line cannot be written", self.lost)
            return
        self._number, self._last[key] = self._number + 1, digest
        self.recorded += 1
        try:
            self._write_fixture(entry, exchange, pauses)
        except OSError as error:
            self._tell(entry, f"its fixture cannot be written: {reason(error)}", self.lost)

    def _tell(self, entry: Entry, why: str, into: list[str]) -> None:
        into.append(why)
        log.warning("not recorded: %s %s: %s", entry.request.method, entry.request.path, why)

    def __str__(self) -> str:
        missing = [*self.lost, *self.left_out]
        parts = [
            f"{self.recorded} recorded in {self._folder}",
            f"{self.fixtures} fixture{'s' * (self.fixtures != 1)}",
            f"{self.repeated} repeated" if self.repeated else "",
            f"{len(missing)} not recorded ({missing[0]})" if missing else "",
        ]
        return ", ".join(filter(None, parts))

    # -- fixtures

    def _write_fixture(self, entry: Entry, exchange: Exchange, pauses: Sequence[float]) -> None:
        """Write the answer as a fixture, if there may be one and it is not there already."""
        operation = entry.match.operation
        if operation is None or not is_folder(operation.id):
            return
        reply = operation.reply(exchange.status)
        value = fixture_value(reply, exchange.answer_headers, exchange.answer, pauses)
        if value is NO_VALUE:
            return
        place = f"{exchange.method} {exchange.path} -> {exchange.status}"
        if not self._fixtures.serves(operation, exchange.status, value):
            log.warning("no fixture is made of %s: it breaks the contract, with its secrets or without them", place)
            return
        folder = self._folder / operation.id
        known = self._known_in(folder)
        content = content_of(value)
        digest = _fixture_digest(exchange.status, content)
        if digest in known:
            return
        folder.mkdir(exist_ok=True)
        number = self._numbers.get((folder, exchange.status), 0)
        while (path := folder / f"{exchange.status}{f'.{number + 1}' if number else ''}.json").exists():
            number += 1
        self._numbers[folder, exchange.status] = number + 1
        _write_whole(path, file_of(content))
        known.add(digest)
        self.fixtures += 1

    def _known_in(self, folder: Path) -> set[bytes]:
        """Return the digests of the fixtures in a folder."""
        if folder not in self._known:
            self._known[folder] = set()
            for path in folder.glob("[1-5]*.json"):
                try:
                    self._known[folder].add(_fixture_digest(int(path.name[:3]), json.loads(path.read_bytes())))
                except (OSError, ValueError, RecursionError):
                    continue
        return self._known[folder]


NO_VALUE: Any = object()
"""Stands for no value."""


def is_folder(name: str) -> bool:
    """Return whether the name of an operation may name a folder of fixtures: one part of a path, and not hidden."""
    return (
        bool(name)
        and name == Path(name).name
        and not name.startswith(".")
        and len(name) <= LONGEST_NAME
        and name.isprintable()
    )


def fixture_value(reply: Reply | None, headers: RawHeaders, body: bytes, pauses: Sequence[float] = ()) -> Json:
    """Return an answer as the value of a fixture; NO_VALUE if a fixture cannot hold it."""
    sent = Headers(headers).text(b"content-type")
    media = None if reply is None else representation(reply, sent)
    if reply is None or media is None or media is not canned_media(reply) or not body:
        return NO_VALUE
    kind = format_of(media, sent or "").kind
    try:
        if kind == "json":
            return json.loads(body)
        text = body.decode("utf-8")
        if kind == "lines":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return NO_VALUE
    return _script(headers, body, pauses) if kind == "events" else text


def _script(headers: RawHeaders, body: bytes, pauses: Sequence[float]) -> Json:
    """Return a stream of events as a script; NO_VALUE where an event is no JSON."""
    found, wait = list[Json](), 0.0
    for piece, pause in zip_longest(pieces_of(body, headers), pauses, fillvalue=0.0):
        events, problem = parse(piece or b"")
        if problem or piece is None:
            return NO_VALUE
        wait += pause or 0.0
        for each in events:
            found.append({"event": each.data, "after_ms": wait})
            wait = 0.0
    return found or NO_VALUE


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there wholly or not at all."""
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def pauses_of(headers: RawHeaders, body: bytes, times: Sequence[tuple[float, int]]) -> list[float]:
    """Return the milliseconds before each piece of a stream, by when its last byte came; none if it came at once."""
    if kind_of_body(headers) not in SEQUENCES or len(times) < 2 or (times[-1][1] != len(body)):
        return []
    found, size, before, arrived = [], 0, 0.0, iter(times)
    at, come = next(arrived)
    for piece in pieces_of(body, headers):
        size += len(piece)
        while come < size:
            at, come = next(arrived)
        found.append(round((at - before) * 1000, 1))
        before = at
    return found


def _is_data(body: bytes, headers: RawHeaders) -> bool:
    """Return whether a body can be read: JSON, or events of it."""
    kind = kind_of_body(headers)
    try:
        if kind == "json":
            json.loads(body)
        return kind == "json" or (kind == "events" and not parse(body)[1])
    except (ValueError, RecursionError):
        return False


def _request_digest(key: RequestKey) -> bytes:
    return blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _answer_digest(exchange: Exchange) -> bytes:
    """Return what makes an answer the same: status, content type and body."""
    kind = Headers(exchange.answer_headers).get(b"content-type", b"")
    return blake2b(b"%d %b\n%b" % (exchange.status, kind, exchange.answer), digest_size=16).digest()


def _fixture_digest(status: int, value: Json) -> bytes:
    """Return what makes a fixture the same; how long an event takes does not count."""
    if isinstance(value, list):
        value = [
            {"event": each["event"]} if isinstance(each, dict) and each.keys() == {"event", "after_ms"} else each
            for each in value
        ]
    return blake2b(json.dumps([status, value], sort_keys=True).encode(), digest_size=16).digest()
