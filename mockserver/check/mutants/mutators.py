"""Ways to spoil a good server for the catalogue of mutants: each makes a Handler out of a Handler."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import NamedTuple, TypeAlias

from mockserver.messages import Delivery, Handler, Headers, Json, RawHeaders, Request, Response

Wrap: TypeAlias = Callable[[Handler], Handler]
"""Makes a Handler that is otherwise than the one that it is given."""

Edit: TypeAlias = Callable[[Json, Request], Json]
"""Makes another body of a body."""

ROUTES: Mapping[str, tuple[str, str]] = {
    "create": ("POST", r"/api/v1/chat"),
    "list": ("GET", r"/api/v1/chat"),
    "retrieve": ("GET", r"/api/v1/chat/[^/]+"),
    "delete": ("DELETE", r"/api/v1/chat/[^/]+"),
    "get_summary": ("GET", r"/api/v1/chat/[^/]+/summary"),
    "set_title": ("POST", r"/api/v1/chat/[^/]+/title"),
    "stream": ("POST", r"/api/v1/chat/[^/]+/messages/stream"),
}


class Mutant(NamedTuple):
    """A server that is otherwise than the mock in exactly one way."""

    name: str
    told: str
    wrap: Wrap
    rule: str = ""
    """The rule that alone sees it; "" where several may."""
    era: str = "2.6"


def named(name: str, told: str, mutant: Mutant, rule: str = "", era: str = "2.6") -> Mutant:
    """Give a mutant its name."""
    return mutant._replace(name=name, told=told, rule=rule, era=era)


def is_call(request: Request, *plays: str) -> bool:
    """Say whether a request is one of these operations; of any, where none is named."""
    return any(
        request.method == ROUTES[play][0] and re.fullmatch(ROUTES[play][1], request.path) for play in plays or ROUTES
    )


def session_of(request: Request) -> str:
    """Give the session id of a path, as it stands there."""
    return request.path.split("/")[4] if request.path.count("/") > 3 else ""


def body_of(request: Request) -> Json:
    """Give the body of a request; {} where it is no object."""
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def is_json(request: Request) -> bool:
    """Say whether a request has a body of JSON, and says so."""
    try:
        json.loads(request.body)
    except (ValueError, RecursionError):
        return False
    return request.headers.get(b"content-type") == b"application/json"


def flat(response: Response) -> Response:
    """Give an answer with its stream told, and kept."""
    if response.stream is None:
        return response
    told = b"".join(chunk.data for chunk in response.stream.chunks)
    return response._replace(body=told + response.stream.close(len(response.stream.chunks)), stream=None)


def value_of(response: Response) -> Json:
    """Give the decoded body of an answer; None where it is no JSON."""
    try:
        return json.loads(response.body)
    except ValueError:
        return None


def with_body(response: Response, body: bytes) -> Response:
    """Give an answer another body, with the length that it has."""
    fields = [field for field in response.headers if field[0] != b"content-length"]
    return response._replace(headers=[*fields, (b"content-length", b"%d" % len(body))], body=body, stream=None)


def with_value(response: Response, value: Json) -> Response:
    """Give an answer another JSON body."""
    return with_body(response, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def with_header(response: Response, name: str, value: str | None) -> Response:
    """Give an answer another header field, or, with None, take it away."""
    fields = [field for field in response.headers if field[0] != name.encode()]
    more: RawHeaders = [] if value is None else [(name.encode(), value.encode("latin-1"))]
    return response._replace(headers=[*fields, *more])


def plain(status: int, value: Json, *headers: tuple[str, str]) -> Response:
    """Make an answer of JSON."""
    fields = [(b"content-type", b"application/json"), *((n.encode(), v.encode()) for n, v in headers)]
    return with_value(Response(status, fields), value)


def is_success(response: Response) -> bool:
    """Say whether an answer took its request."""
    return 200 <= response.status < 300


# -- wraps -----------------------------------------------------------------------------------------------------------


def answers(
    change: Callable[[Response, Request], Response], *plays: str, status: int | None = None, heads: bool = False
) -> Wrap:
    """Change the answers of some operations: those of a status, else the successes; with `heads`, of HEAD as of GET."""

    def wrap(handler: Handler) -> Handler:
        def handle(request: Request) -> Response:
            response = handler(request)
            meant = response.status == status if status is not None else is_success(response)
            asked = request._replace(method="GET") if heads and request.method == "HEAD" else request
            if meant and (is_call(asked, *plays) or (status in (404, 405) and not plays)):
                return change(flat(response), request)
            return response

        return handle

    return wrap


def values(edit: Edit, *plays: str, status: int | None = None) -> Wrap:
    """Change the JSON of the answers of some operations."""
    return answers(
        lambda response, request: with_value(response, edit(value_of(response), request)), *plays, status=status
    )


def fields(*plays: str, **news: Json) -> Wrap:
    """Give the objects that some operations answer with other values in some fields; in a list, to each item."""
    return values(lambda value, _: in_sessions(value, lambda session: {**session, **news}), *plays)


def without(name: str, *plays: str) -> Wrap:
    """Leave a field out of the objects that some operations answer."""

    def edit(value: Json, _: Request) -> Json:
        return in_sessions(value, lambda session: {key: each for key, each in session.items() if key != name})

    return values(edit, *plays)


def in_sessions(value: Json, edit: Callable[[Json], Json]) -> Json:
    """Change each session in a body: of a list its items, else the body itself."""
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        return {**value, "items": [edit(item) for item in value["items"]]}
    return edit(value) if isinstance(value, dict) else value


def instead(make: Callable[[Request], Response | None]) -> Wrap:
    """Answer some requests otherwise, without asking the good server; None leaves a request to it."""

    def wrap(handler: Handler) -> Handler:
        def handle(request: Request) -> Response:
            made = make(request)
            return handler(request) if made is None else made

        return handle

    return wrap


def now_and_then(every: int, change: Callable[[Response], Response], *plays: str) -> Wrap:
    """Change every n-th answer of some operations."""

    def wrap(handler: Handler) -> Handler:
        numbers = count(1)

        def handle(request: Request) -> Response:
            response = handler(request)
            if is_call(request, *plays) and is_success(response) and next(numbers) % every == 0:
                return change(flat(response))
            return response

        return handle

    return wrap


def taken(*plays: str) -> Wrap:
    """Take what is refused: the usual answer for a request that is wrong."""

    def wrap(handler: Handler) -> Handler:
        def handle(request: Request) -> Response:
            response = handler(request)
            if response.status != 422 or not is_call(request, *plays) or (request.body and not is_json(request)):
                return response
            good = {"set_title": {"first_message": "x"}, "stream": {"index_ids": ["a"], "prompt": "x"}}
            body = next((json.dumps(value).encode() for play, value in good.items() if is_call(request, play)), b"")
            kept = [field for field in request.headers.raw if field[0] != b"content-type"]
            headers = Headers([*kept, (b"content-type", b"application/json")] if body else kept)
            return handler(request._replace(body=body, query="", headers=headers))

        return handle

    return wrap


def delivered(delivery: Delivery, *plays: str, when: Callable[[Request], bool] = lambda _: True) -> Wrap:
    """Let answers leave otherwise: late, or broken off."""

    def wrap(handler: Handler) -> Handler:
        def handle(request: Request) -> Response:
            response = handler(request)
            return (
                flat(response)._replace(delivery=delivery) if is_call(request, *plays) and when(request) else response
            )

        return handle

    return wrap


def failing(when: Callable[[Request], bool], status: int = 500) -> Wrap:
    """Fail at some requests."""
    return instead(lambda request: plain(status, {"detail": "Internal Server Error"}) if when(request) else None)


def events(change: Callable[[list[Json]], Sequence[Json | bytes]]) -> Wrap:
    """Change the events of turns; bytes stand as they are."""

    def edit(response: Response, _: Request) -> Response:
        if not response.body.startswith(b"event:"):
            return response
        blocks = response.body.decode().split("\n\n")[:-1]
        told = [json.loads(block.partition("data: ")[2]) for block in blocks]
        return with_body(response, b"".join(map(block_of, change(told))))

    return answers(edit, "stream")


def block_of(event: Json | bytes) -> bytes:
    """Write an event as upstream does; bytes as they are."""
    if isinstance(event, bytes):
        return event
    kind = "delta" if str(event.get("type")).endswith("_delta") else "message"
    return f"event: {kind}\ndata: {json.dumps(event, ensure_ascii=True)}\n\n".encode()
