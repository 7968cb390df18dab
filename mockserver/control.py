"""What is said about the mock itself: `/__mock__/health` and `/openapi.json`."""

from mockserver.app import Application, Receive, Scope, Send
from mockserver.engine import Mock
from mockserver.errors import MockserverError


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
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def health(_: Request) -> Response:
        served = mock.served
        return JSONResponse(
            {
                "status": "ok",
                "contracts": [contract.name for contract in served.contracts],
                "operations": sorted({each.id for contract in served.contracts for each in contract.operations}),
                "answers": mock.settings.answers,
                "seed": mock.seed,
                "sessions": len(mock.store),
            }
        )

    async def openapi(request: Request) -> Response:
        asked = request.query_params.get("contract")
        try:
            return JSONResponse(mock.document(asked))
        except MockserverError as error:
            return JSONResponse({"detail": f"{error.what}; {error.mend}"}, status_code=404)

    async def plain(_: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)

    routes = [Route("/__mock__/health", health), Route("/openapi.json", openapi)]
    return Starlette(routes=routes, exception_handlers={HTTPException: plain})
