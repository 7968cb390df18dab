"""What the mock is measured against, and the calls in process: runs in the environments that are measured.

The file is copied there as `benchmark_reference`. `main` serves, on the port that is the last argument:
`plain`, `same ROUTES.json`, `bare ANSWER.json` or `connexion DOCUMENT.json`. `in-process ROUNDS CALLS` times calls.
"""

import asyncio
import importlib
import json
import logging
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, TypeAlias

import uvicorn

Message: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Callable[[], Awaitable[Message]], Send], Any]

BACKLOG = 2048


def plain() -> Application:
    """Make an app that reads the JSON of a title request and answers in the same form, without any validation."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def set_title(request: Request) -> JSONResponse:
        body = await request.json()
        return JSONResponse(
            {
                "session_id": request.path_params["session_id"],
                "generated_title": body["first_message"][:50] + "...",
                "last_updated_at": "2026-04-22T12:34:41.342245",
                "job_metadata": None,
                "index_ids": None,
            }
        )

    return Starlette(routes=[Route("/api/v1/chat/{session_id}/title", set_title, methods=["POST"])])


def same(routes: Iterable[Mapping[str, Any]]) -> Application:
    """Make an app that always returns the same bytes: for each route its `body`, or its `events` as a stream.

    A route also has `method`, `path`, `status` and `type`; the JSON of a POST is read, and nothing is validated.
    """
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    def made(route: Mapping[str, Any]) -> Route:
        status, media_type, body = route["status"], route["type"], route.get("body", "").encode()

        async def each_event() -> AsyncIterator[str]:
            for event in route["events"]:
                yield event

        async def endpoint(request: Request) -> Response:
            if request.method == "POST":
                await request.json()
            if "events" in route:
                return StreamingResponse(each_event(), status, media_type=media_type)
            return Response(body, status, media_type=media_type)

        return Route(route["path"], endpoint, methods=[route["method"]])

    return Starlette(routes=[made(each) for each in routes])


def bare(body: bytes) -> Application:
    """Make a callable that answers everything with the same bytes and reads nothing."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    rest = {"type": "http.response.body", "body": body}

    async def app(_scope: Any, _receive: Any, send: Send) -> None:
        await send(start)
        await send(rest)

    return app


def configured(app: Application) -> uvicorn.Config:
    """Configure uvicorn as the mock does; a test compares the two."""
    return uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=3,
    )


def serve(app: Application, port: int) -> None:
    """Serve an app by uvicorn, on a socket that is made as the mock's."""
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(BACKLOG)
    uvicorn.Server(configured(app)).run(sockets=[listener])


def serve_connexion(document: str, port: int) -> None:
    """Serve a document by connexion's mock, without its reloader and without a line for each request."""
    connexion, resolver = importlib.import_module("connexion"), importlib.import_module("connexion.mock")
    logging.disable(logging.ERROR)
    app = connexion.AsyncApp("benchmark")
    app.add_api(document, resolver=resolver.MockResolver(mock_all=True))
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="critical", ws="none")


def any_key(_token: str) -> Mapping[str, str]:
    """Accept any key, as the mock does; connexion asks for such a function."""
    return {"sub": "anybody"}


async def in_process(rounds: int, calls: int) -> Mapping[str, list[float]]:
    """Time title calls, by turns: our transport to the mock, and httpx's own to plain Starlette; µs a call."""
    import httpx

    from mockserver.testing import open_mock

    message = "How do I rotate the keys of an index without any downtime?"
    call: dict[str, Any] = {"url": "/api/v1/chat/ses-abc123/title", "json": {"first_message": message}}
    headers = {"authorization": "Bearer any-key"}
    app: Any = plain()
    theirs = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mockserver.test", headers=headers)
    with open_mock() as mock:
        clients = {"mock": mock.async_http_client(headers=headers), "plain": theirs}
        found: dict[str, list[float]] = {name: [] for name in clients}
        for number in range(rounds + 1):
            for name in list(clients)[:: -1 if number % 2 else 1]:
                began = time.perf_counter()
                for _ in range(calls):
                    answer = await clients[name].post(**call)
                spent = (time.perf_counter() - began) / calls * 1e6
                if answer.json()["generated_title"] != message[:50] + "...":
                    sys.exit(f"{name} answered {answer.status_code} {answer.text}")
                if number:  # the first round is a warm-up
                    found[name].append(spent)
    return found


def main() -> None:
    """Do what the arguments say."""
    kind, *rest = sys.argv[1:]
    if kind == "in-process":
        print(json.dumps(asyncio.run(in_process(*map(int, rest)))))
    elif kind == "connexion":
        serve_connexion(rest[0], int(rest[1]))
    else:
        given = Path(rest[0]).read_bytes() if len(rest) > 1 else b""
        app = plain() if kind == "plain" else same(json.loads(given)) if kind == "same" else bare(given)
        serve(app, int(rest[-1]))
