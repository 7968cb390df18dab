"""The control routes over HTTP, under `/__mock__/`, and `/openapi.json`, by Starlette."""

import asyncio
import json
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route as StarletteRoute

from mockserver.answer.errors import describe
from mockserver.api import load
from mockserver.control.access import HEALTH, cookie_of, refused, unproven
from mockserver.control.admin import ControlRequest, ControlResponse, Feed, Route
from mockserver.control.routes import table_of
from mockserver.delivery import RAW_SEND, lasting
from mockserver.engine import Mock
from mockserver.errors import MockserverError, StoreError, UsageError, install_command
from mockserver.messages import BAD_SCOPE, CONTROL, DEFAULT_SCOPE, HEADER, OPENAPI, Headers, Json, is_scope, same_key
from mockserver.server.asgi import Application, Receive, Scope, Send
from mockserver.settings import Settings, words_of

AGENTS = "/__mock__/mcp"
"""Where coding agents are served."""

KEEP_ALIVE = 15.0
"""Seconds of silence after which a feed sends a comment, so that a client that has left is noticed."""


def control_app(mock: Mock) -> Application:
    """Make the ASGI application of a mock's control routes."""

    async def plain(_: Request, error: Exception) -> Response:
        if isinstance(error, StoreError):
            return JSONResponse({"detail": describe(error)}, 503, {"x-mock-fault": "store"})
        if isinstance(error, MockserverError):
            parts = {"detail": error.what, "where": error.where, "why": error.why, "fix": error.fix}
            return JSONResponse({name: text for name, text in parts.items() if text}, 400)
        if not isinstance(error, HTTPException):
            raise error
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)

    by_path: dict[str, dict[str, Route]] = {}
    for route in table_of(mock.api).values():
        by_path.setdefault(route.path, {})[route.method] = route
    routes = [StarletteRoute(path, _endpoint(mock, each), methods=list(each)) for path, each in by_path.items()]
    routes.append(StarletteRoute(AGENTS, _Agents(mock), methods=["POST"]))
    return Starlette(routes=routes, exception_handlers={HTTPException: plain, MockserverError: plain})


def _endpoint(mock: Mock, routes: Mapping[str, Route]) -> Callable[[Request], Any]:
    """Make an endpoint of a path's routes; they run in a thread, since a store may wait."""

    settings = mock.settings

    async def endpoint(request: Request) -> Response:
        path = request.scope["path"]  # that of the request line: the path of request.url may be made up by its Host
        why = _refused(request, settings)
        if path not in (HEALTH, OPENAPI):
            if not settings.control:
                raise HTTPException(404, "The control routes are switched off (--no-control).")
            if why:
                raise HTTPException(403, f"The control routes are refused: {why}.")
        route = routes["GET" if request.method == "HEAD" else request.method]
        if route.for_page:
            token = settings.control_token
            if path == CONTROL and token and same_key(request.query_params.get("token", "").encode(), token.encode()):
                return _let_in(token)
            if why := unproven(request.scope, token):
                raise HTTPException(403, f"The page is refused: {why}.")
        scope, named = _scope_of(request)
        content = await _content(request, route.longest, settings.body_timeout)
        asked = ControlRequest(
            mock=mock,
            scope=scope,
            named=named,
            path=dict(request.path_params),
            query=dict(request.query_params),
            value=_decoded(content) if route.reads_json and content else None,
            content=content,
            address=_address(request.scope["scheme"], request.scope.get("server")),
        )
        reply = await run_in_threadpool(route.handler, asked)
        if path == HEALTH and why:  # strangers need not know where the records are
            reply = reply._replace(value={**reply.value, "store": mock.store.url.partition("://")[0] + "://"})
        return _response(reply)

    return endpoint


def _refused(request: Request, settings: Settings) -> str:
    hosts = {name.lower() for name in words_of(settings.control_hosts)}
    return refused(request.scope, remote=settings.control_remote, hosts=hosts)


class _Agents:
    """Serves coding agents; who may ask is decided as for the page."""

    def __init__(self, mock: Mock) -> None:
        self._mock = mock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request, mock = Request(scope), self._mock
        if not mock.settings.control:
            raise HTTPException(404, "The control routes are switched off (--no-control).")
        if why := _refused(request, mock.settings) or unproven(scope, mock.settings.control_token):
            raise HTTPException(403, f"Agents are refused: {why}.")
        try:
            make = await run_in_threadpool(load, "mockserver.agents.server:http_app")
        except ModuleNotFoundError as error:
            raise HTTPException(501, f"{error.name} is not installed: {install_command('mcp')}") from error
        name, _ = _scope_of(request)
        await make(mock, name, _address(scope["scheme"], scope.get("server")))(scope, receive, send)


def _address(scheme: str, server: tuple[str, int | None] | None) -> str:
    """Return the base URL of the socket that a request came to."""
    if server is None or server[1] is None:
        return ""
    host, port = server
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _let_in(token: str) -> Response:
    """Keep the token of an address in a cookie, which no script reads, and lead to the address without it."""
    response = RedirectResponse(".", 303, {"cache-control": "no-store", "referrer-policy": "no-referrer"})
    response.set_cookie(*cookie_of(token), path=CONTROL, httponly=True, samesite="strict")
    return response


class _EventStream(Response):
    """Sends the batches of a feed until the client leaves or the server stops."""

    media_type = "text/event-stream"

    def __init__(self, feed: Feed) -> None:
        super().__init__(headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what there is, then what comes."""
        gone = asyncio.ensure_future(_gone(receive))
        goes_on = lasting(scope[RAW_SEND])
        silent = 0.0
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while not gone.done() and goes_on():
                batch = await run_in_threadpool(self._feed.batch)
                silent = 0.0 if batch else silent + self._feed.pause
                if batch or silent >= KEEP_ALIVE:
                    silent = 0.0
                    await send({"type": "http.response.body", "body": batch or b":\n\n", "more_body": True})
                await asyncio.wait((gone,), timeout=self._feed.pause)
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()


class _PartsResponse(StreamingResponse):
    """Sends the parts of a body; what makes them is closed at the end, and at once when the client leaves."""

    def __init__(self, content: Iterable[bytes], status: int, headers: Mapping[str, str], media: str) -> None:
        super().__init__(content, status, headers, media)
        self._parts = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if isinstance(self._parts, Generator):
                self._parts.close()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _response(reply: ControlResponse) -> Response:
    if reply.feed is not None:
        return _EventStream(reply.feed)
    if reply.content is not None:
        return _PartsResponse(reply.content, reply.status, reply.headers, reply.media)
    if reply.status == 204:
        return Response(status_code=204)
    # Escapes can write what UTF-8 cannot: half a surrogate pair in a stub, say.
    return Response(json.dumps(reply.value, separators=(",", ":")), reply.status, media_type=reply.media)


def _decoded(content: bytes) -> Json:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError("the body is not JSON", why=str(error)) from error


def _scope_of(request: Request) -> tuple[str, bool]:
    """Return the scope that a control request concerns, and whether its path or header names one."""
    name = request.scope.get("mockserver.scope") or Headers(request.scope["headers"]).text(HEADER)
    name = request.path_params.get("name", name)
    if name is None:
        return DEFAULT_SCOPE, False
    if not is_scope(name):
        raise HTTPException(400, f"{name!r} names no scope. {BAD_SCOPE}.")
    return str(name), True


async def _content(request: Request, longest: int, patience: float) -> bytes:
    """Read a body, up to a limit; each part of it must arrive within `patience` seconds."""
    parts, size, stream = [], 0, aiter(request.stream())
    try:
        while (part := await asyncio.wait_for(anext(stream, None), patience)) is not None:
            parts.append(part)
            size += len(part)
            if size > longest:
                raise HTTPException(413, f"The body is longer than {longest} bytes.")
    except TimeoutError:
        raise HTTPException(408, "The body did not arrive in time.", {"connection": "close"}) from None
    return b"".join(parts)
