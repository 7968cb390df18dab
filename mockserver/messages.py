"""Requests, responses, and findings about them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import quote, unquote

import msgspec
from msgspec import structs

Json: TypeAlias = Any
"""A decoded JSON value: None, bool, int, float, str, list or dict with str keys."""


def kind_of(value: Json) -> str:
    """Name the kind of a JSON value in words, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    kinds = ((dict, "an object"), (list, "a list"), (str, "a text"), (int, "a number"), (float, "a number"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "no JSON value")


RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Header fields as they were sent, in order, with names in lower case."""

Version: TypeAlias = tuple[int, ...]
"""The version of a client or contract: (2, 17)."""

Blame: TypeAlias = Literal["client", "server", "contract", "fixture", "stub", "store", "mock"]
"""Whose fault a finding is: the caller's, a checked server's, the contract's, a canned answer's, a stub's ..."""

Level: TypeAlias = Literal["error", "warning", "note"]
"""The severity of a finding: an error fails a run, others are only reported."""


class Reproduction(NamedTuple):
    """How to reproduce a finding: shell commands, and a Python program."""

    curl: str
    python: str


_UNREAD: tuple[Any, Any] = (None, None)


class Headers(dict[bytes, bytes]):
    """The header fields of a message, with names in lower case; the first of equal names counts, as in Starlette.

    Do not change it. `raw` holds all fields in order, as they came;
    `known` caches what was derived from them, or is None.
    """

    __slots__ = ("known", "raw", "version")

    def __init__(self, raw: RawHeaders = ()) -> None:
        dict.__init__(self, reversed(raw))
        self.raw = raw
        self.known: Known | None = None
        self.version: tuple[Any, Version | None] = _UNREAD

    def text(self, name: bytes) -> str | None:
        """Return the first field called `name` (lower case) as text, or None."""
        value = self.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case; "" for none."""
        return (self.text(b"content-type") or "").partition(";")[0].strip().lower()

    def all(self, name: bytes) -> list[str]:
        """Return every field called `name` (lower case) as text."""
        return [value.decode("latin-1") for key, value in self.raw if key == name]


NO_HEADERS = Headers()

DEFAULT_SCOPE = "default"
"""The scope of a request that names none."""


class Value(msgspec.Struct, frozen=True):
    """A value made for each request: immutable like a frozen dataclass, and made by name in a fifth of the time.

    `msgspec.structs.replace` makes a copy with other values in some fields.
    """


class Request(Value, frozen=True):
    """A request: `path` and `query` still percent-encoded, the body as bytes."""

    method: str
    path: str
    query: str = ""
    headers: Headers = NO_HEADERS
    body: bytes = b""
    scope: str = DEFAULT_SCOPE
    """The scope of the request; scopes share nothing."""
    root: str = ""
    """The prefix of the path in the client's URL."""


class Chunk(NamedTuple):
    """A part of a body, and when it is due, in seconds after the head of the answer."""

    at: float
    data: bytes


class Stream(NamedTuple):
    """A body whose parts are sent when they are due.

    `close` is called exactly once, when all chunks are sent or the client has left, with the number of chunks that
    were sent; it returns what is still to be sent to a client that is there. It may wait if the Handler may.
    """

    chunks: Sequence[Chunk]
    close: Callable[[int], bytes]
    keep_alive: float = 0.0
    """Seconds after which a pause is filled with a comment, so that readers keep the connection; 0 never."""
    last: bytes = b""
    """What `close` returns if nothing fails."""


_INDEX = re.compile(r"(?<!/anyOf)(?<!/oneOf)(?<!/allOf)(?<!/enum)(?<!/required)/\d+(?=/|$)")
"""An index in a list of a body; those below keywords are places in a schema."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, from the validation of a request to a SARIF report.

    `where` is a JSON pointer into what was checked ("/body/name", "/query/page_size", "/response/status");
    `rule` names the broken rule; `contract` is a place in a contract, as `<contract>#<pointer>`.
    """

    where: str
    rule: str
    message: str
    fault: Blame
    expected: Json = None
    received: Json = None
    contract: str = ""
    operation: str = ""
    level: Level = "error"
    reproduction: Reproduction | None = None
    count: int = 1
    """How many cases show it."""

    @property
    def cause(self) -> tuple[str, str, str, str]:
        """Findings with the same key are the same; the items of a list in a body are not told apart."""
        where = self.where
        if where.startswith(("/response/body", "/request/body")):
            where = _INDEX.sub("/*", where)
        return self.rule, self.fault, self.operation, where


class Delivery(NamedTuple):
    """How an answer is sent, if not at once and complete; times in seconds."""

    delay: float = 0.0
    """The time until its first byte."""
    rate: float = 0.0
    """Bytes of the body per second; 0 sends all at once."""
    hold: float = 0.0
    """Silence after the body, before the connection ends."""
    end: Literal["", "close", "reset"] = ""
    """How the connection ends once the body is sent; "" is the usual end."""
    unanswered: bool = False
    """Whether the connection ends before anything is sent."""


class Response(Value, frozen=True):
    """An answer ready to be sent; `headers` are complete, with content-length unless it is a stream."""

    status: int
    headers: RawHeaders
    body: bytes = b""
    stream: Stream | None = None
    delivery: Delivery | None = None
    findings: tuple[Finding, ...] = ()
    """What was wrong; the headers show the first one."""
    source: str = "mock"
    """Where it comes from: simulated, canned, documented, assembled, generated, or the mock itself."""


Handler: TypeAlias = Callable[[Request], Response]
"""The central type: a plain synchronous function from request to response."""


MOST_SETS = 500
"""How many sets of fields a table holds; it is emptied when full."""

LONGEST_SET = 4_096
"""The largest set of fields that a table holds, in bytes."""


class Known(NamedTuple):
    """What is derived from the header fields of a request."""

    size: int
    """The bytes of all names and values."""
    length: int
    """The content-length; 0 if it is missing or not a number."""
    key: bytes
    """The bearer key; empty if there is none."""


def known(headers: Headers) -> Known:
    """Return what is derived from header fields; computed when first needed."""
    found = headers.known
    if found is None:
        raw, length = headers.raw, headers.get(b"content-length", b"")
        found = headers.known = Known(
            len(b"".join(map(b"".join, raw))),
            int(length[:20]) if length.isdigit() else 0,
            _key(headers),
        )
    return found


class HeaderTable:
    """Returns the same `Headers` for equal fields, unless they are too long or too many."""

    __slots__ = ("_last", "_sets")

    def __init__(self) -> None:
        self._last = Headers()
        self._sets: dict[RawHeaders, Headers] = {(): self._last}

    def __len__(self) -> int:
        return len(self._sets)

    def headers(self, raw: RawHeaders) -> Headers:
        """Return the `Headers` of some fields, names in lower case, with what is derived from them."""
        fields, last = tuple(raw), self._last
        if fields == last.raw:
            return last
        try:
            found = self._sets.get(fields)
        except TypeError:  # some servers pass each field as a list
            return Headers(fields)
        if found is None:
            found = Headers(fields)
            if known(found).size > LONGEST_SET:
                return found
            if len(self._sets) >= MOST_SETS:
                self._sets.clear()
            self._sets[fields] = found
        self._last = found
        return found


def client_version(headers: Headers, read: Callable[[Headers], Version | None]) -> Version | None:
    """Return the client's version by the pack's reader; it is read once for each set of header fields."""
    if headers.version[0] is not read:
        headers.version = (read, read(headers))
    return headers.version[1]


_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

LONGEST_VALUE = 400
"""The most characters of a text in one of our header fields."""


def header_value(text: str) -> bytes:
    """Write a text as a header value: printable ASCII stays, all else and % percent-encoded; long ones cut."""
    if len(text) > LONGEST_VALUE:
        text = text[: LONGEST_VALUE - 3] + "..."
    return quote(text, safe=_PRINTABLE, errors="replace").encode()


def same_key(key: bytes, right: bytes) -> bool:
    """Compare two keys in constant time."""
    from hmac import compare_digest

    return compare_digest(key, right)


def _key(headers: Headers) -> bytes:
    scheme, _, key = (headers.get(b"authorization") or b"").partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else b""


Refused: TypeAlias = tuple[int, str]
"""The status and the reason of a request that was not read to its end."""

LONGEST_TARGET = 16_384
"""Longest path and query that are read, in bytes (RFC 9110 asks for at least 8,000)."""

LONGEST_HEADERS = 131_072
"""Longest header section that is read, in bytes."""


def too_long(path: str, query: str, headers: Headers) -> Refused | None:
    """Reject a target or headers that are too long."""
    if len(path) + len(query) > LONGEST_TARGET:
        return 414, f"Path and query are longer than {LONGEST_TARGET} bytes."
    if known(headers).size > LONGEST_HEADERS:
        return 431, f"The headers are longer than {LONGEST_HEADERS} bytes."
    return None


def too_big(most: int) -> Refused:
    """Reject a body that is longer than `most` bytes."""
    return 413, f"The body is longer than {most} bytes; --max-body sets the limit."


def too_many(most: int) -> Refused:
    """Reject a body while others take more than `most` bytes."""
    return 503, f"The bodies in flight take more than {most} bytes: ask again, or raise --max-in-flight."


HEADER = b"x-mock-scope"
PREFIX = "/scope/"

CONTROL = "/__mock__/"
"""The path prefix of the control routes."""

OPENAPI = "/openapi.json"
"""The path of the contract in force, which any web site may read."""

BAD_SCOPE = "A scope's name has 1 to 100 of the characters A-Z a-z 0-9 . _ ~ : @ + -"

_NAME = re.compile(r"[A-Za-z0-9._~:@+-]{1,100}")


def placed(request: Request, *, by_path: bool = True) -> tuple[Request, Finding | None]:
    """Return the request in its scope, its path without the scope's prefix, and a Finding if the name is invalid.

    If both path and header name a scope, the path counts: it is the address that the sender was given. Without
    `by_path` it never names one: such paths are the API's own.
    """
    path = request.path
    if by_path and path.startswith(PREFIX):
        segment, slash, rest = path[len(PREFIX) :].partition("/")
        where, name, path = "/path", unquote(segment), slash + rest
    elif HEADER in request.headers:
        where, name = "/header/x-mock-scope", request.headers.text(HEADER) or ""
    else:
        return request, None
    if is_scope(name):
        root = request.root + request.path[: len(request.path) - len(path)]
        return structs.replace(request, scope=name, path=path, root=root), None
    return request, Finding(where, "scope", f"{name!r} names no scope. {BAD_SCOPE}.", "client", received=name)


def is_scope(name: str) -> bool:
    """Return whether a text is a valid scope name."""
    return _NAME.fullmatch(name) is not None


def is_control(path: str) -> bool:
    """Return whether a path is a control route, at the root or below a scope's path."""
    if path.startswith(PREFIX):
        path = "/" + path[len(PREFIX) :].partition("/")[2]
    return path.startswith(CONTROL)
