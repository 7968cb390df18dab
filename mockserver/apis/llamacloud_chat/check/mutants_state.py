"""The catalogue of mutants that break state and meaning: each answers in the right form, and not the truth."""

import json
import re
from collections.abc import Callable, Sequence
from threading import Lock
from time import sleep

from msgspec import structs

from mockserver.apis.llamacloud_chat.check.driver import READERS
from mockserver.apis.llamacloud_chat.check.mutators import (
    SESSIONS,
    Remembered,
    answers,
    around,
    before,
    fields,
    in_sessions,
    is_call,
    now_and_then,
    remembering,
    session_of,
    sessions,
    times,
    values,
    with_json,
)
from mockserver.check.mutants.mutators import (
    Mutant,
    Wrap,
    body_of,
    flat,
    instead,
    is_success,
    mutants,
    plain,
    value_of,
    with_value,
)
from mockserver.messages import Handler, Json, Request, Response

TIME = "2026-04-22T12:34:41.342245"


def unkept(*plays: str) -> Wrap:
    """Answer some operations as always, and forget what they wrote."""
    return before(lambda request: structs.replace(request, scope="elsewhere"), *plays)


def stale(*plays: str) -> Wrap:
    """Make some operations return each session as they returned it first."""
    return remembering(lambda response, request, first: first.setdefault(request.path, response), *plays)


def also(act: Callable[[Callable[..., Json], Request], None], *plays: str) -> Wrap:
    """Do something else after some operations, with a function that calls the good server as the same caller."""

    def step(handler: Handler, request: Request, _: Remembered) -> Response:
        def ask(method: str, path: str, body: Json = None) -> Json:
            return value_of(flat(handler(structs.replace(with_json(request, body), method=method, path=path))))

        response = flat(handler(request))
        if is_success(response):
            act(ask, request)
        return response

    return around(step, *plays)


def _delete_another(ask: Callable[..., Json], _: Request) -> None:
    """Delete another session: the one that was listed last."""
    for item in ask("GET", "/api/v1/chat")["items"][:1]:
        ask("DELETE", f"/api/v1/chat/{item['session_id']}")


def _title_neighbours(ask: Callable[..., Json], _: Request) -> None:
    for item in ask("GET", "/api/v1/chat")["items"][1:3]:
        ask("POST", f"/api/v1/chat/{item['session_id']}/title", {"first_message": "not meant"})


def _update_by_reading(ask: Callable[..., Json], request: Request) -> None:
    title = ask("GET", request.path)["generated_title"]
    if title:
        ask("POST", f"/api/v1/chat/{session_of(request)}/title", {"first_message": title[:-3]})


def undead(play: str) -> Wrap:
    """Make an operation answer for deleted sessions as it did before."""

    def step(handler: Handler, request: Request, known: Remembered) -> Response:
        response = flat(handler(request))
        if is_success(response):
            known[request.path] = response
        return known.get(request.path, response) if response.status == 404 else response

    return around(step, play)


def _deleted_again(response: Response, _: Request) -> Response:
    return Response(204, [field for field in response.headers if b"content" not in field[0]])


def _deleted_titled(_: Response, request: Request) -> Response:
    value = {"session_id": session_of(request), "generated_title": "x", "last_updated_at": TIME}
    return plain(200, {**value, "job_metadata": None, "index_ids": None})


def repeated_ids(every: int, *, in_a_row: bool = False) -> Wrap:
    """Return the id of the one before for every n-th new session; of those in a row, if only bare creates count."""

    def step(handler: Handler, request: Request, memory: Remembered) -> Response:
        response = handler(request)
        if in_a_row and (not is_call(request, "create") or request.query or body_of(request)):
            memory["made"] = 0
        elif is_call(request, "create") and is_success(response):
            value = value_of(response)
            memory["made"] = memory.get("made", 0) + 1
            if memory["made"] % every == 0:
                return with_value(response, {**value, "session_id": memory["last"]})
            memory["last"] = value["session_id"]
        return response

    return around(step)


def _without_project(request: Request) -> Request:
    """Take the project out of a query, where it is a valid one."""
    kept = [each for each in request.query.split("&") if not re.fullmatch(r"project_id=182bd5e5-[0-9a-f-]{27}", each)]
    return structs.replace(request, query="&".join(kept))


def sent(edit: Callable[[Json], Json], *plays: str) -> Wrap:
    """Change the bodies of requests before the good server gets them, but for those that it must refuse."""

    def change(request: Request) -> Request:
        body = body_of(request)
        made = edit(body) if _is_fine(body) else body
        return request if made == body else structs.replace(request, body=json.dumps(made).encode())

    return before(change, *plays)


def _is_fine(body: Json) -> bool:
    """Return whether a body may be valid, so that a wrong one is still refused."""
    texts = [body[name] for name in ("first_message", "prompt") if name in body]
    items = [] if body.get("index_ids") is None else body["index_ids"]
    return all(isinstance(each, str) and len(each) <= 1_000 for each in texts) and (
        isinstance(items, list) and len(items) <= 10 and all(isinstance(each, str) for each in items)
    )


def _reversed_indexes(body: Json) -> Json:
    return {**body, "index_ids": body["index_ids"][::-1]} if body.get("index_ids") else body


def _unbound(body: Json) -> Json:
    return {key: value for key, value in body.items() if key != "index_ids"}


def _clipped(body: Json) -> Json:
    """Take the letters beyond ASCII out of a message."""
    message = body.get("first_message")
    return {**body, "first_message": message.encode("ascii", "ignore").decode()} if message else body


def _bound(body: Json) -> Json:
    """Make a turn be on the indexes of its session, whatever it asks for."""
    return {**body, "index_ids": ["idx-check-1"]} if body.get("index_ids") == ["idx-check-2"] else body


def mixed_under_load() -> Wrap:
    """Return the title of the call before, where another one has begun meanwhile."""
    lock = Lock()

    def step(handler: Handler, request: Request, memory: Remembered) -> Response:
        with lock:
            memory["running"] = memory.get("running", 0) + 1
            crowded = memory["running"] > 1
        sleep(0.002)  # other threads begin
        response = handler(request)
        with lock:
            memory["running"] -= 1
        if not is_success(response):
            return response
        value = value_of(response)
        title, memory["last"] = memory.get("last"), value["generated_title"]
        return with_value(response, {**value, "generated_title": title}) if crowded and title else response

    return around(step, "set_title")


def limited(most: int) -> Wrap:
    """Refuse the same title of one session after so many."""

    def step(handler: Handler, request: Request, seen: Remembered) -> Response:
        key = (request.path, request.query, request.body)
        seen[key] = seen.get(key, 0) + 1
        return plain(429, {"detail": "Too many"}) if seen[key] > most else handler(request)

    return around(step, "set_title")


def history(edit: Callable[[list[Json]], list[Json]]) -> Wrap:
    """Change the history."""
    return values(lambda value, _: {**value, "events": edit(value["events"])}, "retrieve")


def history_without(kind: str) -> Wrap:
    """Leave the events of a type out of the history."""
    return history(lambda turn: [event for event in turn if event["type"] != kind])


def _first_turn(turn: list[Json]) -> list[Json]:
    return turn[: next((index + 1 for index, event in enumerate(turn) if event["type"] == "stop"), len(turn))]


def title_once() -> Wrap:
    """Make a session keep its first title."""

    def change(response: Response, _: Request, first: Remembered) -> Response:
        def kept(session: Json) -> Json:
            title = session.get("generated_title")
            return {**session, "generated_title": title and first.setdefault(session["session_id"], title)}

        return with_value(response, in_sessions(value_of(response), kept))

    return remembering(change, *READERS)


def one_turn() -> Wrap:
    """Refuse the second turn of a session that was refused one."""

    def step(handler: Handler, request: Request, refused: Remembered) -> Response:
        response = refused.get(request.path) or handler(request)
        if response.status == 400:
            refused[request.path] = response
        return response

    return around(step, "stream")


def retitled() -> Wrap:
    """Make readers return a title of the last turn."""

    def change(response: Response, request: Request, last: Remembered) -> Response:
        if is_call(request, "stream"):
            last[session_of(request)] = str(body_of(request)["prompt"])[:50] + "..."
            return response

        def made(session: Json) -> Json:
            return {**session, "generated_title": last.get(session["session_id"], session["generated_title"])}

        return with_value(response, in_sessions(value_of(response), made))

    return remembering(change, "stream", *READERS)


def own_pages(pages: Callable[[list[Json]], list[list[Json]]]) -> Wrap:
    """Cut the list of a query into other pages, where pages of two are asked for."""

    def step(handler: Handler, request: Request, _: Remembered) -> Response:
        if not _is_paging(request):
            return handler(request)
        parts = dict(part.partition("=")[::2] for part in request.query.split("&"))
        token = parts.pop("page_token", "")
        query = "&".join(f"{name}={value}" for name, value in {**parts, "page_size": "1000"}.items())
        response = handler(structs.replace(request, query=query))
        if not is_success(response):
            return response
        made, at = pages(value_of(response)["items"]), int(token) if token.isdigit() else 0
        more = {"next_page_token": str(at + 1)} if at + 1 < len(made) else {}
        return with_value(response, {"items": made[at] if at < len(made) else [], **more})

    return around(step, "list")


def _is_paging(request: Request) -> bool:
    return "page_size=2" in request.query


def twos(items: list[Json]) -> list[list[Json]]:
    """Cut a list into pages of two."""
    return [items[at : at + 2] for at in range(0, max(len(items), 1), 2)]


def _other_run(session: Json) -> Json:
    run = session["job_metadata"]
    return {**session, "job_metadata": run and {**run, "total_output_tokens": 7}}


STATES: Sequence[Mutant] = (
    Mutant(
        "create-otherwise",
        "create tells another time than is kept",
        fields("create", last_updated_at="2020-01-01T00:00:00.000000"),
        "created-is-found",
    ),
    Mutant(
        "create-reorders",
        "create turns the order of the indexes around",
        sent(_reversed_indexes, "create"),
        "created-as-asked",
    ),
    Mutant(
        "access-ignored",
        "create ignores the shared access",
        fields("create", shared_access="read_only"),
        "access-as-asked",
        "2.17",
    ),
    Mutant("sixth-id-again", "the sixth id in a row is the one before", repeated_ids(6, in_a_row=True), "ids-are-new"),
    *mutants(
        "title-is-kept",
        ("list-untitled", "the list has no titles", fields("list", generated_title=None)),
        ("detail-untitled", "the detail has no title", fields("retrieve", generated_title=None)),
        ("title-once", "a second title is not kept", title_once()),
    ),
    Mutant("letters-lost", "a title loses what is not ASCII", sent(_clipped, "set_title"), "title-follows-message"),
    Mutant(
        "title-unbinds",
        "a title call tells no indexes",
        fields("set_title", index_ids=None),
        "title-changes-only-the-title",
    ),
    *mutants(
        "time-moves",
        ("time-still", "the time never moves", times(lambda _: TIME)),
        ("time-in-words", "the time is no time", times(lambda time: "at " + time)),
    ),
    *mutants(
        "deleted-is-gone",
        ("undead-detail", "the detail of a deleted session is told", undead("retrieve")),
        ("undead-summary", "the summary of a deleted session is told", undead("get_summary")),
        ("delete-again", "a session is deleted again and again", answers(_deleted_again, "delete", status=404)),
        ("deleted-titled", "a deleted session gets a title", answers(_deleted_titled, "set_title", status=404)),
    ),
    Mutant(
        "delete-takes-two", "delete takes another session with it", also(_delete_another, "delete"), "others-untouched"
    ),
    *mutants(
        "run-reported",
        ("run-untold", "a run is never told", fields(*READERS, job_metadata=None)),
        ("run-otherwise", "a run is told with other tokens", sessions(_other_run, *READERS)),
    ),
    *mutants(
        "history-is-kept",
        ("user-unheard", "the history has not what the user said", history_without("user_input")),
        ("last-turn-lost", "the history has only the first turn", history(_first_turn)),
        ("history-reversed", "the history is backwards", history(lambda turn: turn[::-1])),
        (
            "text-otherwise",
            "the history has another text",
            history(lambda turn: [e | {"content": e["content"] + "."} if e["type"] == "text" else e for e in turn]),
        ),
        ("stops-lost", "the history has no stops", history_without("stop")),
    ),
    *mutants(
        "indexes-are-locked",
        ("unlocked", "a turn on other indexes is taken", sent(_bound, "stream")),
        ("locked-out", "no second turn is taken", one_turn()),
    ),
    *mutants(
        "first-turn-titles",
        ("last-turn-titles", "every turn gives a title", retitled()),
        ("untitled-turn", "the first turn gives no title", fields(*READERS, generated_title=None)),
        version="2.17",
    ),
    *mutants(
        "pages-are-complete",
        ("page-lost", "a session is on no page", own_pages(lambda items: [page[:1] for page in twos(items)])),
        ("page-twice", "a session is on two pages", own_pages(lambda items: [items[:2], *twos(items[1:])])),
        ("page-long", "a page is longer than was asked for", own_pages(lambda items: [items])),
        ("page-empty", "the last page is empty", own_pages(lambda items: [*twos(items), []])),
        (
            "page-endless",
            "every page has a token",
            values(lambda v, r: {**v, "next_page_token": "again"} if _is_paging(r) else v, "list"),
        ),
    ),
    Mutant(
        "oldest-first",
        "the list begins with the oldest",
        values(lambda v, r: v if r.query else {**v, "items": v["items"][::-1]}, "list"),
        "newest-first",
    ),
    Mutant(
        "projects-mixed", "the list of a project has all sessions", before(_without_project, "list"), "project-filters"
    ),
    Mutant(
        "reading-differs",
        "every 23rd summary tells another time",
        now_and_then(23, lambda r: with_value(r, value_of(r) | {"last_updated_at": TIME}), "get_summary"),
        "repeats-are-equal",
    ),
    Mutant("tired", "a session takes twenty titles and no more", limited(20), "repeats-succeed"),
    Mutant("mixes", "calls at once get each other's titles", mixed_under_load(), "concurrent-is-kept"),
    Mutant(
        "long-refused",
        "a long message is refused, which has no limit",
        instead(lambda r: plain(413, {"detail": "long"}) if is_call(r, "set_title") and len(r.body) > 15_000 else None),
        "long-text-is-taken",
    ),
    *mutants(
        "",
        ("forgets-created", "what create makes is not kept", unkept("create")),
        ("unlisted", "a new session is not in the list", values(lambda v, _: {"items": v["items"][1:]}, "list")),
        ("create-unbound", "create loses the indexes", sent(_unbound, "create")),
        ("create-titled", "a new session has a title", fields(*SESSIONS[:4], generated_title="New chat")),
        ("third-id-again", "every third id is the one before", repeated_ids(3)),
        ("title-unkept", "a title is not kept", unkept("set_title")),
        ("summary-stale", "a summary is never renewed", stale("get_summary")),
        (
            "canned-title",
            "every message gets the same title",
            fields("set_title", *READERS, generated_title="New chat..."),
        ),
        ("no-title-made", "a title call makes no title", fields("set_title", generated_title=None)),
        ("reading-writes", "a reading moves the time", also(_update_by_reading, "get_summary")),
        ("delete-does-nothing", "delete deletes nothing", unkept("delete")),
        ("title-takes-two", "a title goes to the neighbours, too", also(_title_neighbours, "set_title")),
    ),
)
