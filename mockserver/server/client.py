"""Calls an ASGI application in this process, and reads its answer to the end."""

import asyncio
from typing import Any
from urllib.parse import unquote

from mockserver.messages import Request, Response
from mockserver.server.asgi import Application

HOST = "mockserver.test"


async def ask(app: Application, request: Request) -> Response:
    """Send one request and return the complete answer; RuntimeError if the application sends none."""
    sent: list[Any] = []
    bodies = iter((request.body,))

    async def receive() -> Any:
        if (body := next(bodies, None)) is None:
            await asyncio.Event().wait()  # the client stays connected until it has its answer
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    path = request.path
    await app(
        {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": request.query.encode("latin-1"),
            "root_path": "",
            "headers": list(request.headers.raw),
            "client": ("127.0.0.1", 1),
            "server": (HOST, 80),
        },
        receive,
        send,
    )
    if not sent or sent[0]["type"] != "http.response.start":
        raise RuntimeError("the application sent no answer")
    body = b"".join(each.get("body", b"") for each in sent[1:])
    return Response(sent[0]["status"], list(sent[0].get("headers", ())), body)
