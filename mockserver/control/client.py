"""Calls the Admin API of a mock in this process, or of another server."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote

from mockserver.control.admin import ControlRequest, ControlResponse
from mockserver.control.routes import table_of
from mockserver.engine import Mock
from mockserver.errors import MockserverError, StartError, StateError, StoreError, StubError
from mockserver.matching import as_json
from mockserver.messages import Json
from mockserver.server.tls import trusted

__tracebackhide__ = True  # a test's own line matters more to pytest than ours


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
    ) -> ControlResponse:
        """Call a route."""
        request = ControlRequest(
            mock=self.mock, scope=self.scope, path=params, query=query or {}, value=value, content=content
        )
        try:
            return table_of(self.mock.api)[method, path].handler(request)
        except MockserverError as error:
            raise error.with_traceback(None) from None


class RemoteAdmin:
    """Calls the routes of another server; a StartError says that it cannot be reached."""

    PATIENCE = 10.0
    """Seconds to wait for an answer."""

    def __init__(self, url: str, scope: str) -> None:
        self.url, self.scope = url.rstrip("/"), scope

    @cached_property
    def _client(self) -> Any:
        import httpx2

        return httpx2.Client(
            base_url=self.url,
            headers={"x-mock-scope": self.scope},
            timeout=self.PATIENCE,
            trust_env=False,
            verify=trusted(self.url),
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
    ) -> ControlResponse:
        """Call a route."""
        import httpx2

        target = path.format(**{name: quote(text, safe="") for name, text in params.items()})
        body: dict[str, Any] = {"content": content} if value is None else {"json": as_json(value)}
        try:
            response = self._client.request(method, target, params=dict(query or {}), **body)
        except httpx2.HTTPError as error:
            raise _unreachable(self.url, str(error) or type(error).__name__) from error
        if response.is_success or response.status_code in (404, 406):
            is_json = response.headers.get("content-type", "").startswith("application/json")
            made = response.json() if is_json and response.content else None
            return ControlResponse(response.status_code, made, (response.content,))
        raise _refusal(response, path)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _unreachable(url: str, why: str) -> MockserverError:
    return StartError("the mock server cannot be reached", where=url, why=why, fix="start it with: mockserver serve")


def _refusal(response: Any, path: str) -> MockserverError:
    """Recreate the exception behind a control route's error."""
    try:
        told = response.json()
        what, more = str(told.pop("detail")), {key: str(told[key]) for key in ("where", "why", "fix") if key in told}
    except (ValueError, KeyError, AttributeError):
        what, more = f"the mock server answered {response.status_code}", {"why": response.text[:200]}
    if response.status_code == 400:
        is_stub = "/stubs" in path or path.endswith("/verify")
        return (StubError if is_stub else StateError)(what, **more)
    return (StoreError if response.status_code == 503 else StartError)(what, **more)


def contract_of(admin: RemoteAdmin) -> Json:
    """Return what a server says that it serves; StartError if it cannot be asked."""
    reply = admin.call("GET", "/__mock__/contract")
    if reply.status == 404:
        raise StartError("the mock server cannot be asked", where=admin.url, fix="start it without --no-control")
    return reply.value
