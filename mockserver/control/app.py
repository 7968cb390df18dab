"""The control routes over HTTP, under `/__mock__/`, and `/openapi.json`."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mockserver.answer.errors import describe
from mockserver.control.access import HEALTH, refused
from mockserver.control.admin import ControlRequest, Reply, Route
from mockserver.engine import Mock
from mockserver.errors import MockserverError, StoreError, UsageError
from mockserver.messages import BAD_SCOPE, DEFAULT_SCOPE, HEADER, OPENAPI, PREFIX, Headers, Json, is_scope
from mockserver.server.asgi import Application, Receive, Scope, Send

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


class Control:
    """The control routes as an ASGI application; Starlette is loaded with the first request."""

    def __init__(self, mock: Mock) -> None:
        self._mock = mock
        self._app: Application | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._app is None:
            self._app = _application(self._mock)
        await self._app(_placed(scope), receive, send)


def _placed(scope: Scope) -> Scope:
    """Rewrite a request for a control route below a scope's path as one at the root, in that scope."""
    path = scope["path"]
    if not path.startswith(PREFIX):
        return scope
    name, _, rest = path[len(PREFIX) :].partition("/")
    return {**scope, "path": "/" + rest, "raw_path": ("/" + rest).encode(), "mockserver.scope": name}


def _application(mock: Mock) -> Application:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse
    from starlette.routing import Route as StarletteRoute

    from mockserver.control.routes import table_of  # what it needs is loaded with the first control request, too

    async def plain(_: "Request", error: Exception) -> "Response":
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


def _endpoint(mock: Mock, routes: Mapping[str, Route]) -> Callable[["Request"], Any]:
    """Make an endpoint of a path's routes; they run in a thread, since a store may wait."""
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException

    async def endpoint(request: "Request") -> "Response":
        path = request.scope["path"]  # that of the request line: the path of request.url may be made up by its Host
        if path not in (HEALTH, OPENAPI):
            if not mock.settings.control:
                raise HTTPException(404, "The control routes are switched off (--no-control).")
            if why := refused(request.scope, remote=mock.settings.control_remote):
                raise HTTPException(403, f"The control routes are refused: {why}.")
        route = routes["GET" if request.method == "HEAD" else request.method]
        scope, named = _scope_of(request)
        content = await _content(request, route.longest)
        asked = ControlRequest(
            mock=mock,
            scope=scope,
            named=named,
            path=dict(request.path_params),
            query=dict(request.query_params),
            value=_decoded(content) if route.reads_json and content else None,
            content=content,
        )
        return _response(await run_in_threadpool(route.handler, asked))

    return endpoint


def _response(reply: Reply) -> "Response":
    from starlette.responses import Response, StreamingResponse

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


def _scope_of(request: "Request") -> tuple[str, bool]:
    """Return the scope that a control request concerns, and whether its path or header names one."""
    from starlette.exceptions import HTTPException

    name = request.scope.get("mockserver.scope") or Headers(request.scope["headers"]).text(HEADER)
    name = request.path_params.get("name", name)
    if name is None:
        return DEFAULT_SCOPE, False
    if not is_scope(name):
        raise HTTPException(400, f"{name!r} names no scope. {BAD_SCOPE}.")
    return str(name), True


async def _content(request: "Request", longest: int) -> bytes:
    """Read a body, up to a limit."""
    from starlette.exceptions import HTTPException

    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > longest:
            raise HTTPException(413, f"The body is longer than {longest} bytes.")
    return b"".join(parts)
