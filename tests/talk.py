"""Requests as the tests make them, straight to a Handler, and answers as a client has them."""

import json
from typing import Any

from msgspec import structs

from mockserver.messages import Handler, Headers, Json, Request, Response

TITLE = "/api/v1/chat/ses-abc123/title"
MESSAGE = "What were the main findings in Q3?"
KEY = "Bearer any-key"


def ask(
    handler: Handler,
    method: str,
    path: str,
    body: Json | bytes | None = None,
    *,
    query: str = "",
    **headers: str | None,
) -> Response:
    """Send one request; header names are written with underscores, None leaves one out."""
    fields: dict[str, str | None] = {"authorization": KEY}
    if body is not None:
        fields["content-type"] = "application/json"
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in fields.items() if value is not None]
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return handler(Request(method, path, query, Headers(raw), data))


def whole(response: Response) -> Response:
    """Give an answer as a client has it that stays to its end: a stream is told and closed, and is the body."""
    if response.stream is None:
        return response
    told = b"".join(chunk.data for chunk in response.stream.chunks)
    return structs.replace(response, body=told + response.stream.close(len(response.stream.chunks)), stream=None)


def events(body: bytes) -> list[Json]:
    """Give the events of a stream, read as its readers do that split lines as Unicode does."""
    return [json.loads(line.removeprefix("data: ")) for line in body.decode().splitlines() if line.startswith("data: ")]


def value(response: Response) -> Any:
    """Give the decoded body of an answer."""
    return json.loads(response.body)


def header(response: Response, name: str) -> str | None:
    """Give a header field of an answer, None if it is not there."""
    return Headers(response.headers).text(name.encode())
