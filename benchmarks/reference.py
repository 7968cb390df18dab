"""What the mock is measured against: a plain Starlette app and a bare ASGI callable, on the same uvicorn.

The file is copied into the environment that is measured and started there as `benchmark_reference`, so that its
bytecode is kept between starts like that of any installed package.
"""

import asyncio
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import uvicorn

Message: TypeAlias = MutableMapping[str, Any]
Application: TypeAlias = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Any
]

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


def streaming(events: Sequence[str], rate: float) -> Application:
    """Make an app that tells the same events to everybody: at once, or `rate` a second, the first at once."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def told() -> AsyncIterator[str]:
        clock = asyncio.get_running_loop().time
        started = clock()
        for index, event in enumerate(events):
            pause = started + index / rate - clock() if rate else 0.0
            if pause > 0:
                await asyncio.sleep(pause)
            yield event

    async def stream(request: Request) -> StreamingResponse:
        await request.json()
        return StreamingResponse(told(), media_type="text/event-stream")

    return Starlette(routes=[Route("/api/v1/chat/{session_id}/messages/stream", stream, methods=["POST"])])


def bare(body: bytes) -> Application:
    """Make a callable that answers everything with the same bytes and reads nothing."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    rest = {"type": "http.response.body", "body": body}

    async def app(_scope: Any, _receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        await send(start)
        await send(rest)

    return app


def configured(app: Application) -> uvicorn.Config:
    """Configure uvicorn as `mockserver.server.uvicorn.make_server` does; where they differ, nothing is measured."""
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


def main() -> None:
    """Serve: `plain <port>`, `bare <port> <body>`, or `streaming <port> <file of events> <events a second>`."""
    kind, port, *rest = sys.argv[1:]
    if kind == "streaming":
        app = streaming(json.loads(Path(rest[0]).read_text("utf-8")), float(rest[1]))
    else:
        app = bare(rest[0].encode()) if kind == "bare" else plain()
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(port)))
    listener.listen(BACKLOG)
    uvicorn.Server(configured(app)).run(sockets=[listener])
