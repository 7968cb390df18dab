"""The Admin API: control requests, replies and routes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeAlias

from mockserver.engine import Mock
from mockserver.messages import Json

LONGEST = 1_048_576
"""Longest body of a control request, in bytes."""

LONGEST_STATE = 268_435_456
"""Longest state that is restored, in bytes."""


class ControlResponse(NamedTuple):
    """What a control route answers: a JSON value, or content of another media type."""

    status: int = 200
    value: Json = None
    content: Iterable[bytes] | None = None
    """The parts of a body that is not JSON."""
    media: str = "application/json"
    headers: Mapping[str, str] = MappingProxyType({})
    feed: "Feed | None" = None
    """What is sent as it comes, until the client leaves."""


class Feed(Protocol):
    """Something that happens, in batches."""

    @property
    def pause(self) -> float:
        """Seconds between two batches."""

    def batch(self) -> bytes:
        """Return what happened since the last batch; b"" if nothing did."""


NOTHING = ControlResponse(204)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    """One control request: the mock, the scope that it concerns, and its content."""

    mock: Mock
    scope: str
    named: bool = True
    """Whether the request names its scope."""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    value: Json = None
    """The body, decoded; in process it may hold functions."""
    content: bytes = b""
    """The body as bytes, for routes that do not read JSON."""
    address: str = ""
    """The base URL at which this server was reached on its own machine; "" in process."""


ControlHandler: TypeAlias = Callable[[ControlRequest], ControlResponse]
"""Answers a control request, or raises a MockserverError that says what is wrong with it."""


class Route(NamedTuple):
    """A control route: its method, its path with parameters in braces, and its handler."""

    method: str
    path: str
    handler: ControlHandler
    longest: int = LONGEST
    """The longest body, in bytes."""
    reads_json: bool = True
    for_page: bool = False
    """Whether only the page uses it: from another machine it needs the token that the start printed."""


class Admin(Protocol):
    """Calls the control routes of a mock, for one scope."""

    scope: str

    def call(
        self,
        method: str,
        path: str,
        value: Json = None,
        *,
        content: bytes = b"",
        query: Mapping[str, str] | None = None,
        **params: str,
    ) -> ControlResponse:
        """Call a route by its method and the path of the table; `params` fill the path.

        A MockserverError says why a call was refused; a StartError, that the server cannot be reached.
        """
