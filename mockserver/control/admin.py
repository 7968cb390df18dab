"""The Admin API: a table of routes, called in this process, served over HTTP, or called on another server."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeAlias
from urllib.parse import quote

from mockserver.engine import Mock
from mockserver.errors import MockserverError, StartError, StateError, StoreError, StubError
from mockserver.matching import as_json
from mockserver.messages import Json

LONGEST = 1_048_576
"""Longest body of a control request, in bytes."""

LONGEST_STATE = 268_435_456
"""Longest state that is restored, in bytes."""


class Reply(NamedTuple):
    """What a control route answers: a JSON value, or content of another media type."""

    status: int = 200
    value: Json = None
    content: Iterable[bytes] | None = None
    """The parts of a body that is not JSON."""
    media: str = "application/json"


NOTHING = Reply(204)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    """One control request: the mock, the scope that it is about, and what it brings."""

    mock: Mock
    scope: str
    named: bool = True
    """Whether the request names its scope."""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    value: Json = None
    """The body, decoded; in process it may hold functions."""
    content: bytes = b""
    """The body as bytes, for a route that reads no JSON."""


ControlHandler: TypeAlias = Callable[[ControlRequest], Reply]
"""Answers a control request; a MockserverError says what is wrong with it."""


class Route(NamedTuple):
    """A control route: its method, its path with parameters in braces, what answers it."""

    method: str
    path: str
    handler: ControlHandler
    longest: int = LONGEST
    """How many bytes a body may have."""
    reads_json: bool = True


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
    ) -> Reply:
        """Call a route by its method and the path of the table; `params` fill the path.

        A MockserverError says why a call was refused; StartError where the server cannot be reached.
        """


class LocalAdmin:
    """Calls the routes of a mock in this process."""

    def __init__(self, mock: Mock, scope: str) -> None:
        self.mock, self.scope = mock, scope

    def call(
        self,
        method: str,
        path: str,
        value: Json = None,
        *,
        content: bytes = b"",
        query: Mapping[str, str] | None = None,
        **params: str,
    ) -> Reply:
        """Call a route."""
        from mockserver.control.routes import table_of

        request = ControlRequest(
            mock=self.mock, scope=self.scope, path=params, query=query or {}, value=value, content=content
        )
        return table_of(self.mock.api)[method, path].handler(request)


class RemoteAdmin:
    """Calls the routes of a server that runs elsewhere; a StartError says where it cannot be reached."""

    PATIENCE = 10.0
    """Seconds to wait for an answer."""

    def __init__(self, url: str, scope: str) -> None:
        self.url, self.scope = url.rstrip("/"), scope

    @cached_property
    def _client(self) -> Any:
        import httpx

        return httpx.Client(
            base_url=self.url,
            headers={"x-mock-scope": self.scope},
            timeout=self.PATIENCE,
            trust_env=False,
            verify=not self.url.startswith("http:"),  # to read certificates takes a hundred times as long as all else
        )

    def call(
        self,
        method: str,
        path: str,
        value: Json = None,
        *,
        content: bytes = b"",
        query: Mapping[str, str] | None = None,
        **params: str,
    ) -> Reply:
        """Call a route."""
        import httpx

        target = path.format(**{name: quote(text, safe="") for name, text in params.items()})
        body: dict[str, Any] = {"content": content} if value is None else {"json": as_json(value)}
        try:
            response = self._client.request(method, target, params=dict(query or {}), **body)
        except httpx.HTTPError as error:
            raise _unreachable(self.url, str(error) or type(error).__name__) from error
        if response.is_success or response.status_code in (404, 406):
            is_json = response.headers.get("content-type", "").startswith("application/json")
            made = response.json() if is_json and response.content else None
            return Reply(response.status_code, made, (response.content,))
        raise _refusal(response, path)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


def _unreachable(url: str, why: str) -> MockserverError:
    return StartError("the mock server cannot be reached", where=url, why=why, mend="start it with: mockserver serve")


def _refusal(response: Any, path: str) -> MockserverError:
    """Give what a control route refused as the exception that it was there."""
    try:
        told = response.json()
        what, more = str(told.pop("detail")), {key: str(told[key]) for key in ("where", "why", "mend") if key in told}
    except (ValueError, KeyError, AttributeError):
        what, more = f"the mock server answered {response.status_code}", {"why": response.text[:200]}
    if response.status_code == 400:
        is_stub = "/stubs" in path or path.endswith("/verify")
        return (StubError if is_stub else StateError)(what, **more)
    return (StoreError if response.status_code == 503 else StartError)(what, **more)


def contract_of(admin: RemoteAdmin) -> Json:
    """Give what a server says that it serves; a StartError where it cannot be asked."""
    reply = admin.call("GET", "/__mock__/contract")
    if reply.status == 404:
        raise StartError("the mock server cannot be asked", where=admin.url, mend="start it without --no-control")
    return reply.value
