"""The oracle of refused requests: the published parameters and models as a FastAPI application, called in process.

Upstream is such an application, so this one says what upstream would say of a request (docs/upstream.md, "Validation
errors"). It is version 2.17 with the title call of version 2.6, as the mock serves both. It asks for no key: where
upstream checks keys cannot be seen from outside, and the mock's own order (path and method, then key, then request) is
a claim of the tests. Its answers are made of what it was sent, since a text that no UTF-8 can hold fails only on its
way out.
"""

# ruff: noqa: ARG001  # what an operation declares is checked, not used

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote
from uuid import UUID

from fastapi import Cookie, FastAPI
from pydantic import BaseModel, Field

Message: TypeAlias = MutableMapping[str, Any]
Application: TypeAlias = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
SessionCookie: TypeAlias = Annotated[str | None, Cookie()]


class SessionCreate(BaseModel):
    index_ids: Annotated[list[str], Field(max_length=10)] | None = None
    shared_access: Literal["query", "read_only"] | None = None


class GenerateTitleParams(BaseModel):
    first_message: str


class ChatParams(BaseModel):
    index_ids: Annotated[list[str], Field(min_length=1)]
    prompt: Annotated[str, Field(max_length=1000)]
    require_all_indexes: bool = False


oracle = FastAPI(openapi_url=None)


@oracle.post("/api/v1/chat", status_code=201)
async def create(
    project_id: UUID | None = None,
    organization_id: UUID | None = None,
    session: SessionCookie = None,
    body: SessionCreate | None = None,
) -> Any:
    return body


@oracle.get("/api/v1/chat")
async def list_sessions(
    project_id: UUID | None = None,
    organization_id: UUID | None = None,
    page_size: Annotated[int, Field(ge=0)] | None = None,
    page_token: str | None = None,
    session: SessionCookie = None,
) -> Any:
    return page_token


@oracle.get("/api/v1/chat/{session_id}")
async def retrieve(
    session_id: str,
    project_id: UUID | None = None,
    organization_id: UUID | None = None,
    session: SessionCookie = None,
) -> Any:
    return session_id


@oracle.delete("/api/v1/chat/{session_id}", status_code=204)
async def delete(
    session_id: str,
    project_id: UUID | None = None,
    organization_id: UUID | None = None,
    session: SessionCookie = None,
) -> None:
    return None


@oracle.get("/api/v1/chat/{session_id}/summary")
async def get_summary(
    session_id: str,
    project_id: UUID | None = None,
    organization_id: UUID | None = None,
    session: SessionCookie = None,
) -> Any:
    return session_id


@oracle.post("/api/v1/chat/{session_id}/title")
async def set_title(
    session_id: str,
    body: GenerateTitleParams,
    project_id: UUID | None = None,
    organization_id: UUID | None = None,
    session: SessionCookie = None,
) -> Any:
    return body


@oracle.post("/api/v1/chat/{session_id}/messages/stream")
async def stream(
    session_id: str,
    body: ChatParams,
    project_id: UUID | None = None,
    organization_id: UUID | None = None,
    session: SessionCookie = None,
) -> Any:
    return body


class Answer(NamedTuple):
    """What an application sent: the status, the header fields in their order, the body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def value(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """Give the one field of a name, None if there is none."""
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} is sent {len(values)} times"
        return values[0] if values else None


def call(
    app: Application,
    method: str,
    path: str,
    *,
    query: str = "",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Answer:
    """Send one request to an ASGI application in process; an exception that follows its 500 is let go."""
    return asyncio.run(_call(app, _scope(method, path, query, headers), body))


def _scope(method: str, path: str, query: str, headers: Iterable[tuple[str, str]]) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 12345),
        "root_path": "",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }


async def _call(app: Application, scope: Message, body: bytes) -> Answer:
    sent: list[Message] = []
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()  # the caller stays to the end
        return waiting.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        await app(scope, receive, send)
    except Exception:
        if not sent or sent[0]["status"] < 500:
            raise
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent[0]["headers"]]
    return Answer(sent[0]["status"], fields, b"".join(message.get("body", b"") for message in sent[1:]))
