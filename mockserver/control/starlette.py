"""The control routes over HTTP, under `/__mock__/`, and `/openapi.json`, by Starlette."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route as StarletteRoute

from mockserver.answer.errors import describe
from mockserver.control.access import HEALTH, refused
from mockserver.control.admin import ControlRequest, ControlResponse, Route
from mockserver.control.routes import table_of
from mockserver.engine import Mock
from mockserver.errors import MockserverError, StoreError, UsageError
from mockserver.messages import BAD_SCOPE, DEFAULT_SCOPE, HEADER, OPENAPI, Headers, Json, is_scope
from mockserver.server.asgi import Application
from mockserver.settings import words_of


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
    return Starlette(routes=routes, exception_handlers={HTTPException: plain, MockserverError: plain})


def _endpoint(mock: Mock, routes: Mapping[str, Route]) -> Callable[[Request], Any]:
    """Make an endpoint of a path's routes; they run in a thread, since a store may wait."""

    settings = mock.settings
    hosts = {name.lower() for name in words_of(settings.control_hosts)}

    async def endpoint(request: Request) -> Response:
        path = request.scope["path"]  # that of the request line: the path of request.url may be made up by its Host
        why = refused(request.scope, remote=settings.control_remote, hosts=hosts)
        if path not in (HEALTH, OPENAPI):
            if not settings.control:
                raise HTTPException(404, "The control routes are switched off (--no-control).")
            if why:
                raise HTTPException(403, f"The control routes are refused: {why}.")
        route = routes["GET" if request.method == "HEAD" else request.method]
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
        )
        reply = await run_in_threadpool(route.handler, asked)
        if path == HEALTH and why:  # strangers need not know where the records are
            reply = reply._replace(value={**reply.value, "store": mock.store.url.partition("://")[0] + "://"})
        return _response(reply)

    return endpoint


def _response(reply: ControlResponse) -> Response:
    if reply.content is not None:
        return StreamingResponse(reply.content, reply.status, media_type=reply.media)
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
