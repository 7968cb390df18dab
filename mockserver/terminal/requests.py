"""A line for each request that was answered: when, what, how it was answered, how long it took, what was wrong."""

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote

import orjson

from mockserver.messages import Headers, Json, RawHeaders, Value
from mockserver.redact import Redactor
from mockserver.settings import LogFormat
from mockserver.terminal.lines import LineHandler, LineWriter, stderr_descriptor
from mockserver.terminal.text import in_line, takes_colour, visible

LONGEST_TEXT = 1_000
"""The most characters of a path, a query or a message in a line."""

FindOperation: TypeAlias = Callable[[str, str, Headers], str]
"""Returns the id of the operation of a method, a path and header fields, or ""."""


class LineStyle(NamedTuple):
    """What a terminal is sent before the parts of a line, and after each; "" where it is not coloured."""

    bold: str = ""
    dim: str = ""
    operation: str = ""
    statuses: Mapping[int, str] = {}
    """By the first digit of a status."""
    end: str = ""


_PLAIN = LineStyle()
_COLOURED = LineStyle(
    bold="\x1b[1m",
    dim="\x1b[2m",
    operation="\x1b[34m",
    statuses={2: "\x1b[32m", 3: "\x1b[36m", 4: "\x1b[33m", 5: "\x1b[31m"},
    end="\x1b[0m",
)
"""The operation in blue; statuses in green, cyan, yellow and red."""


class LoggedRequest(Value, frozen=True):
    """A request that was answered, as its line needs it."""

    at: float
    """When it was answered, in seconds since 1970."""
    took: float
    """Seconds until then."""
    method: str
    target: tuple[str, str]
    """Its path and its query, as they were sent: secrets are hidden when the line is written."""
    operation: str
    status: int
    headers: RawHeaders
    """Those of the answer, if it says what was wrong, without secrets; else none."""


class RequestLog:
    """Writes a line for each request, as text or as JSON, and the warnings of the process in the same form."""

    def __init__(
        self, writer: LineWriter, find: FindOperation, redactor: Redactor, form: LogFormat = "text", *, colour: bool
    ) -> None:
        self._writer, self._find, self._redactor = writer, find, redactor
        self._form = _json_line if form == "json" else partial(_text_line, _COLOURED if colour else _PLAIN)

    def add(
        self, method: str, path: str, query: str, sent: Headers, status: int, headers: RawHeaders, took: float
    ) -> None:
        """Add a request with its answer; `took` is in seconds."""
        answered = LoggedRequest(
            at=time.time(),
            took=took,
            method=method,
            target=(path, query),
            operation=self._find(method, path, sent),
            status=status,
            headers=headers,
        )
        self._writer.put(lambda: self._form(answered, self._redactor))


class Wrong(Value, frozen=True):
    """What was wrong with a request, or with its answer."""

    fault: str
    """Whose fault it is."""
    where: str
    message: str


def wrong_of(headers: RawHeaders) -> Wrong | None:
    """Read what was wrong from the header fields of an answer."""
    said = {name: unquote(value.decode("latin-1")) for name, value in headers if name.startswith(b"x-mock-")}
    fault, where, message = (_shown(said.get(b"x-mock-" + name, "")) for name in (b"fault", b"pointer", b"message"))
    return Wrong(fault=fault, where=where, message=message) if message else None


def _shown(text: str) -> str:
    """Return a text as a line shows it: visible, and not too long."""
    text = text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "..."
    return text if text.isascii() and text.isprintable() else in_line(text)


def _target(answered: LoggedRequest, redactor: Redactor) -> str:
    path, query = answered.target
    return _shown(path + ("?" + redactor.query(query) if query else ""))


@lru_cache(maxsize=2)
def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


def _text_line(style: LineStyle, answered: LoggedRequest, redactor: Redactor) -> str:
    bold, dim, end, colour = style.bold, style.dim, style.end, style.statuses.get(answered.status // 100, "")
    operation = f" {style.operation}{_shown(answered.operation)}{end}" if answered.operation else ""
    text = (
        f"{dim}{_clock(int(answered.at))}{end} {bold}{answered.method}{end} {_target(answered, redactor)} "
        f"{bold}{colour}{answered.status}{end}{operation} {dim}{answered.took * 1000:.1f} ms{end}"
    )
    wrong = wrong_of(answered.headers) if answered.headers else None
    return text if wrong is None else f"{text}; {colour}{_described(wrong)}{end}"


def _described(wrong: Wrong) -> str:
    return f"{wrong.fault}: {wrong.where}: {wrong.message}" if wrong.where else f"{wrong.fault}: {wrong.message}"


def _json_line(answered: LoggedRequest, redactor: Redactor) -> str:
    wrong = wrong_of(answered.headers) if answered.headers else None
    path, query = answered.target
    value: Json = {
        "time": _timestamp(answered.at),
        "method": answered.method,
        "path": _shown(path),
        "query": _shown(redactor.query(query)) if query else "",
        "status": answered.status,
        "operation": answered.operation or None,
        "ms": round(answered.took * 1000, 3),
        "fault": None if wrong is None else wrong.fault,
        "where": None if wrong is None else wrong.where,
        "message": None if wrong is None else wrong.message,
    }
    return orjson.dumps(value).decode()


def _timestamp(at: float) -> str:
    return f"{_date(int(at))}.{int(at % 1 * 1000):03d}Z"


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _warning_line(_: logging.LogRecord, text: str) -> str:
    return visible(text)


def _json_warning(record: logging.LogRecord, text: str) -> str:
    """Write a warning as a line of JSON."""
    told = {"time": _timestamp(record.created), "level": record.levelname.lower(), "message": visible(text)}
    return json.dumps(told)


def _lost(count: int) -> str:
    return f"mockserver: {count} line{'s are' if count > 1 else ' is'} missing here: nobody read in time"


def _lost_in_json(count: int) -> str:
    return json.dumps({"level": "warning", "message": _lost(count), "lost": count})


class StderrLog:
    """What a process that serves writes to stderr: its warnings, and a line for each request unless it is quiet."""

    def __init__(self, find: FindOperation, redactor: Redactor, form: LogFormat, *, quiet: bool) -> None:
        as_json = form == "json"
        self._writer = LineWriter(stderr_descriptor(), _lost_in_json if as_json else _lost)
        self._handler = LineHandler(self._writer, _json_warning if as_json else _warning_line)
        logging.getLogger().addHandler(self._handler)
        colour = takes_colour(sys.stderr)
        self.requests = None if quiet else RequestLog(self._writer, find, redactor, form, colour=colour)

    def close(self) -> None:
        """Write what waits, and take no more."""
        logging.getLogger().removeHandler(self._handler)
        self._writer.close()
