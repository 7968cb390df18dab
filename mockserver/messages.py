"""The values that travel: requests, responses, and what was found wrong with them.

What is made anew for each request is a named tuple, which is as frozen as a dataclass and made in a third of the time.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import quote, unquote

Json: TypeAlias = Any
"""A decoded JSON value: None, bool, int, float, str, list or dict with str keys."""

RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Header fields as on the wire, names in lower case, in the order sent."""

Version: TypeAlias = tuple[int, ...]
"""A version that a client states, or a contract has: (2, 17)."""

Blame: TypeAlias = Literal["client", "server", "contract", "stub", "store", "mock"]
"""Whose fault a finding is: the caller's, a checked server's, the contract's, a stub's, the store's, or our own."""

Level: TypeAlias = Literal["error", "warning", "note"]
"""How much a finding weighs: an error fails a run, the others are reported."""


class Reproduction(NamedTuple):
    """How to see a finding again: commands for a shell, and a program in Python."""

    curl: str
    python: str


_UNREAD: tuple[Any, Any] = (None, None)


class Headers(dict[bytes, bytes]):
    """Header fields of a message, names in lower case; of equal names the first counts, as in Starlette.

    Not to be changed once made. `raw` holds the fields as they came, all of them, in order;
    `known` what was found out of them (`mockserver.messages`), or None.
    """

    __slots__ = ("known", "raw", "version")

    def __init__(self, raw: RawHeaders = ()) -> None:
        dict.__init__(self, reversed(raw))
        self.raw = raw
        self.known: Known | None = None
        self.version: tuple[Any, Version | None] = _UNREAD

    def text(self, name: bytes) -> str | None:
        """Give the first field called `name` (lower case) as text, or None."""
        value = self.get(name)
        return None if value is None else value.decode("latin-1")

    def all(self, name: bytes) -> list[str]:
        """Give every field called `name` (lower case) as text."""
        return [value.decode("latin-1") for key, value in self.raw if key == name]


DEFAULT_SCOPE = "default"
"""The world of a request that names none."""


class Request(NamedTuple):
    """A request as it came: `path` and `query` still percent-encoded, the body as bytes."""

    method: str
    path: str
    query: str = ""
    headers: Headers = Headers()
    body: bytes = b""
    scope: str = DEFAULT_SCOPE
    """The world that the request plays in; worlds share nothing."""
    root: str = ""
    """What stands before the path in the address that the client knows."""


class Chunk(NamedTuple):
    """A part of a body, and when it is due: seconds after the head of the answer."""

    at: float
    data: bytes


class Stream(NamedTuple):
    """A body that leaves in its own time.

    `close` is called exactly once, when all chunks are out or the client is gone, with the number of chunks that
    went out; it gives what is still to be sent to a client that is there. It may wait where the Handler may.
    """

    chunks: Sequence[Chunk]
    close: Callable[[int], bytes]
    keep_alive: float = 0.0
    """Seconds after which a pause is filled with a comment, lest a reader take the connection for dead; 0 never."""
    last: bytes = b""
    """What `close` will give, if all goes well."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, from the judgement of a request to a report in SARIF.

    `where` is a JSON pointer into what was looked at ("/body/name", "/query/page_size", "/response/status");
    `rule` names what was broken; `contract` is a place in a contract, as `<contract>#<pointer>`.
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
        """What makes two findings the same one."""
        return self.rule, self.fault, self.operation, self.where


class Delivery(NamedTuple):
    """How an answer leaves, where that is otherwise than at once and whole; times in seconds."""

    delay: float = 0.0
    """Until its first byte."""
    rate: float = 0.0
    """Bytes of the body a second; 0 is all at once."""
    hold: float = 0.0
    """Silence after the body, before the connection ends."""
    end: Literal["", "close", "reset"] = ""
    """What becomes of the connection after what is there of the body; "" is the usual end."""
    unanswered: bool = False
    """Whether the connection ends before anything is sent."""


class Response(NamedTuple):
    """An answer ready for the wire; `headers` are complete, content-length included where there is no stream."""

    status: int
    headers: RawHeaders
    body: bytes = b""
    stream: Stream | None = None
    delivery: Delivery | None = None
    findings: tuple[Finding, ...] = ()
    """What was wrong, the first of which the headers tell."""
    source: str = "mock"
    """Where it comes from: simulated, canned, documented, generated, or the mock itself."""


Handler: TypeAlias = Callable[[Request], Response]
"""What everything here is, wraps or feeds: a plain synchronous function from request to response."""


SECRETS = frozenset((b"authorization", b"proxy-authorization", b"cookie", b"set-cookie", b"x-api-key", b"api-key"))
"""The header fields whose values are never remembered."""

HIDDEN = b"[redacted]"

MOST_SETS = 500
"""How many sets of fields a table holds; one more, and it begins anew."""

LONGEST_SET = 4_096
"""How many bytes a set of fields that is held has at the most."""


class Known(NamedTuple):
    """What the fields of a request say."""

    size: int
    """Bytes of all names and values."""
    length: int
    """How long the body is said to be; 0 where nothing is said, or no number."""
    key: bytes
    """The key of a bearer; empty where there is none."""
    redacted: RawHeaders
    """The fields without secrets."""


def known(headers: Headers) -> Known:
    """Give what is known of header fields, which is found out when it is first asked for."""
    found = headers.known
    if found is None:
        raw, length = headers.raw, headers.get(b"content-length", b"")
        found = headers.known = Known(
            len(b"".join(map(b"".join, raw))),
            int(length[:20]) if length.isdigit() else 0,
            _key(headers),
            tuple(redacted(raw)),
        )
    return found


class HeaderTable:
    """Gives equal header fields as one and the same `Headers`, as far as they are not long, and not too many."""

    __slots__ = ("_last", "_sets")

    def __init__(self) -> None:
        self._last = Headers()
        self._sets: dict[RawHeaders, Headers] = {(): self._last}

    def __len__(self) -> int:
        return len(self._sets)

    def headers(self, raw: RawHeaders) -> Headers:
        """Give the `Headers` of some fields, names in lower case; what is known of them stands there."""
        fields, last = tuple(raw), self._last
        if fields == last.raw:
            return last
        try:
            found = self._sets.get(fields)
        except TypeError:  # a server that gives each field as a list
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
    """Give the version that a client states, as a pack reads it; it is read once for each set of header fields."""
    if headers.version[0] is not read:
        headers.version = (read, read(headers))
    return headers.version[1]


_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

LONGEST_VALUE = 400
"""How many characters of a text a header field of our own holds."""


def header_value(text: str) -> bytes:
    """Write a text as a header value: printable ASCII stays, all else and % percent-encoded; long ones cut."""
    if len(text) > LONGEST_VALUE:
        text = text[: LONGEST_VALUE - 3] + "..."
    return quote(text, safe=_PRINTABLE, errors="replace").encode()


def same_key(key: bytes, right: bytes) -> bool:
    """Compare keys in a time that tells nothing of the right one."""
    from hmac import compare_digest

    return compare_digest(key, right)


def _key(headers: Headers) -> bytes:
    scheme, _, key = (headers.get(b"authorization") or b"").partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else b""


def redacted(headers: RawHeaders) -> RawHeaders:
    """Give header fields without secrets; the scheme of a key stays."""
    return [field if field[0] not in SECRETS else (field[0], _hidden(field[1])) for field in headers]


def _hidden(value: bytes) -> bytes:
    if value.startswith(b"Bearer "):  # as the official clients write it
        return b"Bearer [redacted]"
    scheme, space, _ = value.partition(b" ")
    return scheme + b" " + HIDDEN if space and scheme.lower() in (b"bearer", b"basic") else HIDDEN


Refused: TypeAlias = tuple[int, str]
"""The status and the reason of a request that was not read to its end."""

LONGEST_TARGET = 16_384
"""Longest path and query that are read, in bytes (RFC 9110 asks for at least 8,000)."""

LONGEST_HEADERS = 131_072
"""Longest header section that is read, in bytes."""


def too_long(path: str, query: str, headers: Headers) -> Refused | None:
    """Refuse a target or headers that are too long."""
    if len(path) + len(query) > LONGEST_TARGET:
        return 414, f"Path and query are longer than {LONGEST_TARGET} bytes."
    if known(headers).size > LONGEST_HEADERS:
        return 431, f"The headers are longer than {LONGEST_HEADERS} bytes."
    return None


def too_big(most: int) -> Refused:
    """Refuse a body that is longer than `most` bytes."""
    return 413, f"The body is longer than {most} bytes; --max-body sets the limit."


HEADER = b"x-mock-scope"
PREFIX = "/scope/"

CONTROL = "/__mock__/"
"""What the control routes begin with."""

OPENAPI = "/openapi.json"
"""Where the contract in force is, which any web site may read."""

BAD_SCOPE = "A scope's name has 1 to 100 of the characters A-Z a-z 0-9 . _ ~ : @ + -"

_NAME = re.compile(r"[A-Za-z0-9._~:@+-]{1,100}")


def placed(request: Request) -> tuple[Request, Finding | None]:
    """Give the request in its scope, its path without the scope's; a Finding where the name cannot be one.

    Where path and header name a scope each, the path counts: it is the address that its sender was given.
    """
    path = request.path
    if path.startswith(PREFIX):
        segment, slash, rest = path[len(PREFIX) :].partition("/")
        where, name, path = "/path", unquote(segment), slash + rest
    elif HEADER in request.headers:
        where, name = "/header/x-mock-scope", request.headers.text(HEADER) or ""
    else:
        return request, None
    if is_scope(name):
        return request._replace(scope=name, path=path), None
    return request, Finding(where, "scope", f"{name!r} names no scope. {BAD_SCOPE}.", "client", received=name)


def is_scope(name: str) -> bool:
    """Say whether a text can name a scope."""
    return _NAME.fullmatch(name) is not None


def is_control(path: str) -> bool:
    """Say whether a path is one of the control routes, at the root or below a scope's."""
    if path.startswith(PREFIX):
        path = "/" + path[len(PREFIX) :].partition("/")[2]
    return path.startswith(CONTROL)
