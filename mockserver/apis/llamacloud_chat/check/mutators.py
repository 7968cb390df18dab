"""Ways to spoil what a good server answers, for the catalogue of mutants."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from msgspec import structs

from mockserver.apis.llamacloud_chat.check.driver import ROUTES
from mockserver.check.mutants.mutators import Wrap, flat, is_json, is_success, value_of, with_body, with_value
from mockserver.messages import Delivery, Handler, Headers, Json, Request, Response
from mockserver.sse import StreamStyle, parse

Remembered: TypeAlias = dict[Any, Any]

Answerer: TypeAlias = Callable[[Handler, Request, Remembered], Response]
"""Answers a request with the help of the good server and of what this server remembers, which is empty at first."""

SESSIONS = ("create", "get_summary", "retrieve", "list", "set_title")
"""The operations that answer with sessions."""

_PATTERNS = [(method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), play) for (method, path), play in ROUTES.items()]

STYLE = StreamStyle(event_name="message", names_by_suffix=(("_delta", "delta"),))
"""How the chat writes its events. Source: docs/upstream.md, "Stream"."""


def is_call(request: Request, *plays: str) -> bool:
    """Return whether a request is one of these operations; of any, where none is named."""
    return any(
        request.method == method and pattern.fullmatch(request.path)
        for method, pattern, play in _PATTERNS
        if not plays or play in plays
    )


def session_of(request: Request) -> str:
    """Return the session id of a path, as it stands there."""
    return request.path.split("/")[4] if request.path.count("/") > 3 else ""


def around(step: Answerer, *plays: str) -> Wrap:
    """Answer some operations with a step."""

    def wrap(handler: Handler) -> Handler:
        memory: dict[Any, Any] = {}
        return lambda request: step(handler, request, memory) if is_call(request, *plays) else handler(request)

    return wrap


def remembering(change: Callable[[Response, Request, Remembered], Response], *plays: str) -> Wrap:
    """Change the successes of some operations by what the server remembers."""

    def step(handler: Handler, request: Request, memory: Remembered) -> Response:
        response = flat(handler(request))
        return change(response, request, memory) if is_success(response) else response

    return around(step, *plays)


def before(change: Callable[[Request], Request], *plays: str) -> Wrap:
    """Change requests before the good server gets them."""
    return around(lambda handler, request, _: handler(change(request)), *plays)


def answers(
    change: Callable[[Response, Request], Response], *plays: str, status: int | None = None, heads: bool = False
) -> Wrap:
    """Change the answers of some operations: those of a status, else the successes; with `heads`, of HEAD as of GET."""

    def wrap(handler: Handler) -> Handler:
        def handle(request: Request) -> Response:
            response = handler(request)
            meant = response.status == status if status is not None else is_success(response)
            asked = structs.replace(request, method="GET") if heads and request.method == "HEAD" else request
            if meant and (is_call(asked, *plays) or (status in (404, 405) and not plays)):
                return change(flat(response), request)
            return response

        return handle

    return wrap


def values(edit: Callable[[Json, Request], Json], *plays: str, status: int | None = None) -> Wrap:
    """Change the JSON of the answers of some operations."""
    return answers(
        lambda response, request: with_value(response, edit(value_of(response), request)), *plays, status=status
    )


def sessions(edit: Callable[[Json], Json], *plays: str) -> Wrap:
    """Change each session that some operations answer."""
    return values(lambda value, _: in_sessions(value, edit), *plays)


def fields(*plays: str, **news: Json) -> Wrap:
    """Change some fields of the sessions that some operations answer."""
    return sessions(lambda session: {**session, **news}, *plays)


def without(name: str, *plays: str) -> Wrap:
    """Leave a field out of the sessions that some operations answer."""
    return sessions(lambda session: {key: each for key, each in session.items() if key != name}, *plays)


def times(make: Callable[[str], str]) -> Wrap:
    """Write the time of each session in another way."""
    return sessions(lambda session: {**session, "last_updated_at": make(session["last_updated_at"])}, *SESSIONS)


def in_sessions(value: Json, edit: Callable[[Json], Json]) -> Json:
    """Change each session in a body: of a list its items, else the body itself."""
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        return {**value, "items": [edit(item) for item in value["items"]]}
    return edit(value) if isinstance(value, dict) else value


def now_and_then(every: int, change: Callable[[Response], Response], *plays: str) -> Wrap:
    """Change every n-th success of some operations."""

    def counted(response: Response, _: Request, memory: Remembered) -> Response:
        memory["count"] = memory.get("count", 0) + 1
        return response if memory["count"] % every else change(response)

    return remembering(counted, *plays)


def with_json(request: Request, body: Json) -> Request:
    """Return a request with a body of JSON and no query; None is no body."""
    data = b"" if body is None else json.dumps(body).encode()
    kept = [field for field in request.headers.raw if field[0] != b"content-type"]
    headers = Headers([*kept, (b"content-type", b"application/json")])
    return structs.replace(request, query="", body=data, headers=headers)


def taken(*plays: str, body: Json = None) -> Wrap:
    """Take what some operations refuse: answer a wrong request as one with this body and no query."""

    def step(handler: Handler, request: Request, _: Remembered) -> Response:
        response = handler(request)
        if response.status != 422 or (request.body and not is_json(request)):
            return response
        return handler(with_json(request, body))

    return around(step, *plays)


def delivered(delivery: Delivery, *plays: str, when: Callable[[Request], bool] = lambda _: True) -> Wrap:
    """Make answers leave in another way: late, or cut."""

    def step(handler: Handler, request: Request, _: Remembered) -> Response:
        response = handler(request)
        return structs.replace(flat(response), delivery=delivery) if when(request) else response

    return around(step, *plays)


def events(change: Callable[[list[Json]], Sequence[Json | bytes]]) -> Wrap:
    """Change the events of turns; bytes stand as they are."""

    def edit(response: Response, _: Request) -> Response:
        found = [event.data for event in parse(response.body)[0]]
        return with_body(response, b"".join(map(block_of, change(found)))) if found else response

    return answers(edit, "stream")


def each_event(change: Callable[[Json], Json | bytes]) -> Wrap:
    """Change each event of a turn; None leaves it out."""
    return events(lambda turn: [made for made in map(change, turn) if made is not None])


def block_of(event: Json | bytes) -> bytes:
    """Write an event as upstream does; bytes as they are."""
    return event if isinstance(event, bytes) else STYLE.text(event).encode()
