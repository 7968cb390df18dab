"""The values that travel: requests, responses, and what was found wrong with them.

What is made anew for each request is a named tuple, which is as frozen as a dataclass and made in a third of the time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

Json: TypeAlias = Any
"""A decoded JSON value: None, bool, int, float, str, list or dict with str keys."""

RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Header fields as on the wire, names in lower case, in the order sent."""

Blame: TypeAlias = Literal["client", "contract", "plan", "store", "mock"]
"""Whose fault a finding is: the caller's, the contract document's, a planned answer's, the store's, or our own."""


class Headers(dict[bytes, bytes]):
    """Header fields of a message, names in lower case; of equal names the first counts, as in Starlette.

    Not to be changed once made. `raw` holds the fields as they came, all of them, in order;
    `known` what was found out of them (`mockserver.fields`), or None.
    """

    __slots__ = ("known", "raw")

    def __init__(self, raw: RawHeaders = ()) -> None:
        dict.__init__(self, reversed(raw))
        self.raw = raw
        self.known: Any = None

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


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a message.

    `where` is a JSON pointer into the message ("/body/first_message", "/query/project_id", "/header/prefer");
    `rule` names what was broken; `contract` is a place in the contract document.
    """

    where: str
    rule: str
    message: str
    fault: Blame
    expected: Json = None
    received: Json = None
    contract: str = ""


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
