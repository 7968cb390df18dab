"""Ways to spoil what a good server keeps, for the catalogue of mutants."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from threading import Lock
from time import sleep
from typing import TypeAlias

from msgspec import structs

from mockserver.check.mutants.mutators import (
    Wrap,
    body_of,
    flat,
    is_json,
    is_success,
    plain,
    value_of,
    with_body,
    with_value,
)
from mockserver.messages import Delivery, Handler, Headers, Json, Request, Response

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


def is_call(request: Request, *plays: str) -> bool:
    """Say whether a request is one of these operations; of any, where none is named."""
    return any(
        request.method == ROUTES[play][0] and re.fullmatch(ROUTES[play][1], request.path) for play in plays or ROUTES
    )


def session_of(request: Request) -> str:
    """Give the session id of a path, as it stands there."""
    return request.path.split("/")[4] if request.path.count("/") > 3 else ""


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
            return handler(structs.replace(request, body=body, query="", headers=headers))

        return handle

    return wrap


def delivered(delivery: Delivery, *plays: str, when: Callable[[Request], bool] = lambda _: True) -> Wrap:
    """Let answers leave otherwise: late, or broken off."""

    def wrap(handler: Handler) -> Handler:
        def handle(request: Request) -> Response:
            response = handler(request)
            return (
                structs.replace(flat(response), delivery=delivery)
                if is_call(request, *plays) and when(request)
                else response
            )

        return handle

    return wrap


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


TIME = "2026-04-22T12:34:41.342245"


def unkept(*plays: str) -> Wrap:
    """Answer some operations as always, and forget what they wrote."""

    def wrap(handler: Handler) -> Handler:
        def handle(request: Request) -> Response:
            if not is_call(request, *plays):
                return handler(request)
            return handler(structs.replace(request, scope="elsewhere"))

        return handle

    return wrap


def stale(*plays: str) -> Wrap:
    """Let some operations tell each session as they told it first."""

    def wrap(handler: Handler) -> Handler:
        first: dict[tuple[str, str], Response] = {}

        def handle(request: Request) -> Response:
            response = handler(request)
            if is_call(request, *plays) and is_success(response):
                return first.setdefault((request.method, request.path), response)
            return response

        return handle

    return wrap


def also(after: Callable[[Handler, Request, Response], None], *plays: str) -> Wrap:
    """Do something else after some operations."""

    def wrap(handler: Handler) -> Handler:
        def handle(request: Request) -> Response:
            response = flat(handler(request))
            if is_call(request, *plays) and is_success(response):
                after(handler, request, response)
            return response

        return handle

    return wrap


def ask(handler: Handler, like: Request, method: str, path: str, body: Json = None) -> Response:
    """Ask the good server something else, as the same caller."""
    data = b"" if body is None else json.dumps(body).encode()
    kept = [field for field in like.headers.raw if field[0] != b"content-type"]
    headers = Headers([*kept, (b"content-type", b"application/json")])
    return flat(handler(structs.replace(like, method=method, path=path, query="", body=data, headers=headers)))


def undead(*plays: str) -> Wrap:
    """Let some operations answer for deleted sessions as they did before."""

    def wrap(handler: Handler) -> Handler:
        before: dict[tuple[str, str], Response] = {}

        def handle(request: Request) -> Response:
            response = flat(handler(request))
            key = (request.method, request.path)
            if not is_call(request, *plays):
                return response
            if is_success(response):
                before[key] = response
                return response
            return before.get(key, response) if response.status == 404 else response

        return handle

    return wrap


def delete_answers_again() -> Wrap:
    """Answer every delete with 204."""
    return answers(
        lambda response, _: Response(204, [f for f in response.headers if b"content" not in f[0]]), "delete", status=404
    )


def deleted_titled() -> Wrap:
    """Give deleted sessions a title."""

    def make(_: Response, request: Request) -> Response:
        value = {"session_id": session_of(request), "generated_title": "x", "last_updated_at": TIME}
        return plain(200, {**value, "job_metadata": None, "index_ids": None})

    return answers(make, "set_title", status=404)


def repeated_ids(every: int) -> Wrap:
    """Give every n-th new session the id of the one before."""

    def wrap(handler: Handler) -> Handler:
        numbers, last = count(1), [""]

        def handle(request: Request) -> Response:
            response = handler(request)
            if is_call(request, "create") and is_success(response):
                value = value_of(response)
                if next(numbers) % every == 0 and last[0]:
                    return with_value(response, {**value, "session_id": last[0]})
                last[0] = value["session_id"]
            return response

        return handle

    return wrap


def repeated_in_a_row(most: int) -> Wrap:
    """Give the id of the one before to the n-th session that is created in a row, with nothing asked for."""

    def wrap(handler: Handler) -> Handler:
        row, last = [0], [""]

        def handle(request: Request) -> Response:
            response = handler(request)
            if not is_call(request, "create") or request.query or body_of(request) or not is_success(response):
                row[0] = 0
                return response
            row[0] += 1
            value = value_of(response)
            if row[0] % most == 0:
                return with_value(response, {**value, "session_id": last[0]})
            last[0] = value["session_id"]
            return response

        return handle

    return wrap


def without_project(request: Request) -> Request:
    """Take the project out of a query, where it is a right one."""
    kept = [each for each in request.query.split("&") if not re.fullmatch(r"project_id=182bd5e5-[0-9a-f-]{27}", each)]
    return structs.replace(request, query="&".join(kept))


def turned_around(request: Request) -> Request:
    """Turn the order of the indexes around."""
    body = body_of(request)
    if not isinstance(body.get("index_ids"), list):
        return request
    return structs.replace(request, body=json.dumps({**body, "index_ids": body["index_ids"][::-1]}).encode())


def without_indexes(request: Request) -> Request:
    """Take the indexes out of a body."""
    body = {key: value for key, value in body_of(request).items() if key != "index_ids"}
    return structs.replace(request, body=json.dumps(body).encode())


def before(change: Callable[[Request], Request], *plays: str) -> Wrap:
    """Change requests before the good server has them."""

    def wrap(handler: Handler) -> Handler:
        return lambda request: handler(change(request) if is_call(request, *plays) and fine(request) else request)

    return wrap


def fine(request: Request) -> bool:
    """Say whether a request may be right, so that a wrong one is still refused."""
    body = body_of(request)
    texts = [body[name] for name in ("first_message", "prompt") if name in body]
    lists = [body[name] for name in ("index_ids",) if body.get(name) is not None]
    right = all(isinstance(each, str) and len(each) <= 1_000 for each in texts)
    return right and all(
        isinstance(each, list) and all(isinstance(i, str) for i in each) and len(each) <= 10 for each in lists
    )


def clipped(request: Request) -> Request:
    """Let a message lose its letters beyond ASCII."""
    body = body_of(request)
    message = body.get("first_message")
    if not isinstance(message, str):
        return request
    return structs.replace(
        request, body=json.dumps({**body, "first_message": message.encode("ascii", "ignore").decode()}).encode()
    )


def mixed_under_load() -> Wrap:
    """Tell the title of the call before, where another one has begun meanwhile."""

    def wrap(handler: Handler) -> Handler:
        lock, running, last = Lock(), [0], [""]

        def handle(request: Request) -> Response:
            if not is_call(request, "set_title"):
                return handler(request)
            with lock:
                running[0] += 1
                crowded = running[0] > 1
            try:
                breathe()
                response = handler(request)
            finally:
                with lock:
                    running[0] -= 1
            if not is_success(response):
                return response
            value = value_of(response)
            title, last[0] = last[0], value["generated_title"]
            return with_value(response, {**value, "generated_title": title}) if crowded and title else response

        return handle

    return wrap


def breathe() -> None:
    """Let other threads begin."""
    sleep(0.002)


def counted_readings(every: int) -> Wrap:
    """Let every n-th reading tell another time."""

    def wrap(handler: Handler) -> Handler:
        numbers = count(1)

        def handle(request: Request) -> Response:
            response = handler(request)
            if is_call(request, "get_summary") and is_success(response) and next(numbers) % every == 0:
                return with_value(response, {**value_of(response), "last_updated_at": TIME})
            return response

        return handle

    return wrap


def limited(most: int) -> Wrap:
    """Refuse the same title of one session after so many."""

    def wrap(handler: Handler) -> Handler:
        seen: dict[str, int] = {}

        def handle(request: Request) -> Response:
            if is_call(request, "set_title") and not request.query:
                key = request.path + request.body.decode("latin-1")
                seen[key] = seen.get(key, 0) + 1
                if seen[key] > most:
                    return plain(429, {"detail": "Too many"})
            return handler(request)

        return handle

    return wrap


def history(edit: Callable[[list[Json]], list[Json]]) -> Wrap:
    """Change the history."""
    return values(lambda value, _: {**value, "events": edit(value["events"])}, "retrieve")


def title_once() -> Wrap:
    """Let a session keep its first title."""

    def wrap(handler: Handler) -> Handler:
        first: dict[str, str] = {}

        def handle(request: Request) -> Response:
            response = flat(handler(request))
            if not is_call(request, "get_summary", "retrieve", "list") or not is_success(response):
                return response

            def kept(session: Json) -> Json:
                title = session.get("generated_title")
                if title is None or session["session_id"] not in first:
                    if title is not None:
                        first[session["session_id"]] = title
                    return session
                return {**session, "generated_title": first[session["session_id"]]}

            return with_value(response, in_sessions(value_of(response), kept))

        return handle

    return wrap


def title_resets(handler: Handler, request: Request, _: Response) -> None:
    """Delete another session: the one that was listed last."""
    listed = value_of(ask(handler, request, "GET", "/api/v1/chat"))["items"]
    if listed:
        ask(handler, request, "DELETE", f"/api/v1/chat/{listed[0]['session_id']}")


def next_title(handler: Handler, request: Request, _: Response) -> None:
    """Title the neighbour, too."""
    for item in value_of(ask(handler, request, "GET", "/api/v1/chat"))["items"][1:3]:
        path = f"/api/v1/chat/{item['session_id']}/title"
        ask(handler, request, "POST", path, {"first_message": "not meant"})


def reads_write(handler: Handler, request: Request, _: Response) -> None:
    """Let a reading count as an update."""
    title = value_of(ask(handler, request, "GET", request.path))["generated_title"]
    if title:
        ask(handler, request, "POST", f"/api/v1/chat/{session_of(request)}/title", {"first_message": title[:-3]})


def first_stop(told: list[Json]) -> int:
    """Give the place after the first stop of a history."""
    return next((index + 1 for index, event in enumerate(told) if event["type"] == "stop"), len(told))


def bound(request: Request) -> Request:
    """Let a turn be on the indexes of its session, whatever it asks for."""
    body = body_of(request)
    if body.get("index_ids") != ["idx-check-2"]:
        return request
    return structs.replace(request, body=json.dumps({**body, "index_ids": ["idx-check-1"]}).encode())


def one_turn() -> Wrap:
    """Refuse the second turn of a session that was refused one."""

    def wrap(handler: Handler) -> Handler:
        locked: set[str] = set()

        def handle(request: Request) -> Response:
            if is_call(request, "stream") and request.path in locked:
                return plain(400, {"detail": "The index set of this session is locked"})
            response = handler(request)
            if is_call(request, "stream") and response.status == 400:
                locked.add(request.path)
            return response

        return handle

    return wrap


def retitled() -> Wrap:
    """Let readers tell a title of the last turn."""

    def wrap(handler: Handler) -> Handler:
        last: dict[str, str] = {}

        def handle(request: Request) -> Response:
            response = flat(handler(request))
            if is_call(request, "stream") and is_success(response):
                last[session_of(request)] = str(body_of(request)["prompt"])[:50] + "..."
            if not is_call(request, "get_summary", "retrieve", "list") or not is_success(response):
                return response

            def told(session: Json) -> Json:
                return {**session, "generated_title": last.get(session["session_id"], session["generated_title"])}

            return with_value(response, in_sessions(value_of(response), told))

        return handle

    return wrap


def paged(change: Callable[[Json, Request], Json]) -> Wrap:
    """Change the pages of the list."""
    return values(change, "list")


def is_paging(request: Request) -> bool:
    """Say whether pages of two are asked for."""
    return "page_size=2" in request.query


def own_pages(pages: Callable[[list[Json]], list[list[Json]]]) -> Wrap:
    """Cut the list of a query into pages of one's own, where pages of two are asked for."""

    def wrap(handler: Handler) -> Handler:
        def handle(request: Request) -> Response:
            if not is_call(request, "list") or not is_paging(request):
                return handler(request)
            parts = dict(part.partition("=")[::2] for part in request.query.split("&"))
            rest = "&".join(f"{k}={v}" for k, v in parts.items() if k not in ("page_size", "page_token"))
            response = handler(structs.replace(request, query=rest + ("&" if rest else "") + "page_size=1000"))
            if not is_success(response):
                return response
            made = pages(value_of(response)["items"])
            at = int(parts.get("page_token", "0")) if parts.get("page_token", "0").isdigit() else 0
            value: Json = {"items": made[at] if at < len(made) else []}
            if at + 1 < len(made):
                value["next_page_token"] = str(at + 1)
            return with_value(response, value)

        return handle

    return wrap


def twos(items: list[Json]) -> list[list[Json]]:
    """Cut a list into pages of two."""
    return [items[at : at + 2] for at in range(0, max(len(items), 1), 2)]
