"""What is said and set about the mock itself: `/__mock__/health`, its scopes, its state, and `/openapi.json`."""

import json
from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING

from mockserver.app import Application, Receive, Scope, Send
from mockserver.engine import Mock, told
from mockserver.errors import StoreError, UsageError
from mockserver.exchange import Json
from mockserver.scopes import BAD_SCOPE, is_scope
from mockserver.state import dump_state

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route


LONGEST = 4_096
"""Longest body of a control request, in bytes."""


class Control:
    """The control routes as an ASGI application; Starlette is loaded when the first request comes."""

    def __init__(self, mock: Mock) -> None:
        self._mock = mock
        self._app: Application | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._app is None:
            self._app = _routes(self._mock)
        await self._app(scope, receive, send)


def _routes(mock: Mock) -> Application:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route

    def openapi(request: "Request") -> "Response":
        try:
            return JSONResponse(mock.document(request.query_params.get("contract")))
        except UsageError as error:
            return JSONResponse({"detail": f"{error.what}; {error.mend}"}, 404)

    def state(_: "Request") -> "Response":
        lines = dump_state(mock.store)
        head = next(lines)  # a store that cannot be reached is told before the answer begins
        return StreamingResponse(chain((head,), lines), media_type="application/x-ndjson")

    async def plain(_: "Request", error: Exception) -> "Response":
        if not isinstance(error, HTTPException):
            raise error
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)

    async def unkept(_: "Request", error: Exception) -> "Response":
        text = told(error) if isinstance(error, StoreError) else str(error)
        return JSONResponse({"detail": text}, 503, {"x-mock-fault": "store"})

    routes = [
        Route("/__mock__/health", _json(lambda _: health(mock))),
        Route("/__mock__/state", state),
        Route("/__mock__/reset", _json(lambda _: reset(mock)), methods=["POST"]),
        Route("/__mock__/scopes", _json(lambda _: {"scopes": scopes(mock)})),
        *_scope_routes(mock),
        Route("/openapi.json", openapi),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: plain, StoreError: unkept})


def _scope_routes(mock: Mock) -> "list[Route]":
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    def named(request: "Request") -> str:
        name = str(request.path_params["name"])
        if not is_scope(name):
            raise HTTPException(400, f"{name!r} names no scope. {BAD_SCOPE}.")
        return name

    def show(request: "Request") -> "Response":
        return JSONResponse(scope(mock, named(request)))

    def drop(request: "Request") -> "Response":
        mock.store.drop(named(request))
        return Response(status_code=204)

    def clear(request: "Request") -> "Response":
        return JSONResponse(clear_scope(mock, named(request)))

    async def give(request: "Request") -> "Response":
        name, seed = named(request), _seed(await _text(request))
        if seed is None:
            raise HTTPException(400, 'A scope takes {"seed": <whole number of at most 63 bits>}.')
        await run_in_threadpool(mock.store.set_seed, name, seed)
        return JSONResponse(await run_in_threadpool(scope, mock, name))

    from starlette.concurrency import run_in_threadpool

    path = "/__mock__/scopes/{name}"
    return [
        Route(path, show),
        Route(path, drop, methods=["DELETE"]),
        Route(path, give, methods=["PUT"]),
        Route(path + "/reset", clear, methods=["POST"]),
    ]


async def _text(request: "Request") -> bytes:
    """Read a body, up to a limit."""
    from starlette.exceptions import HTTPException

    text = b""
    async for part in request.stream():
        text += part
        if len(text) > LONGEST:
            raise HTTPException(413, f"The body is longer than {LONGEST} bytes.")
    return text


def _seed(text: bytes) -> int | None:
    """Read the seed of a scope; None where there is none."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    seed = body.get("seed") if isinstance(body, dict) and body.keys() == {"seed"} else None
    return seed if isinstance(seed, int) and not isinstance(seed, bool) and abs(seed) < 2**63 else None


def _json(give: "Callable[[Request], Json]") -> "Callable[[Request], Response]":
    """Make an endpoint, which Starlette runs in a thread, out of a function that gives a value."""
    from starlette.responses import JSONResponse

    def endpoint(request: "Request") -> "Response":
        return JSONResponse(give(request))

    return endpoint


def health(mock: Mock) -> Json:
    """Say what is served, and how much is kept; StoreError where the store cannot be reached."""
    served = mock.served
    return {
        "status": "ok",
        "contracts": [contract.name for contract in served.contracts],
        "operations": sorted({each.id for contract in served.contracts for each in contract.operations}),
        "answers": mock.settings.answers,
        "seed": mock.seed,
        "store": mock.store.url,
        "sessions": len(mock.store),
    }


def scopes(mock: Mock) -> Json:
    """Name the scopes, with the number of sessions in each."""
    return [{"name": name, "sessions": count} for name, count in sorted(mock.store.scopes().items())]


def scope(mock: Mock, name: str) -> Json:
    """Describe a scope: its sessions, and its seed."""
    own = mock.store.seed(name)
    return {
        "name": name,
        "sessions": mock.store.scopes().get(name, 0),
        "seed": mock.seed if own is None else own,
    }


def clear_scope(mock: Mock, name: str) -> Json:
    """Forget all that a scope keeps, but not the seed it was given."""
    own = mock.store.seed(name)
    mock.store.drop(name)
    if own is not None:
        mock.store.set_seed(name, own)
    return scope(mock, name)


def reset(mock: Mock) -> Json:
    """Forget all scopes."""
    names = list(mock.store.scopes())
    for name in names:
        mock.store.drop(name)
    return {"dropped": sorted(names)}
