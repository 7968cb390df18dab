"""The catalogue of servers that look odd and are right: accusing one of them is a false alarm."""

import json
from collections.abc import Callable, Sequence

from msgspec import structs

from mockserver.apis.llamacloud_chat.check.mutators import (
    SESSIONS,
    answers,
    each_event,
    events,
    fields,
    is_call,
    session_of,
    sessions,
    times,
    values,
)
from mockserver.check.mutants.mutators import Mutant, Wrap, is_success, mutants, plain, value_of, with_body, with_header
from mockserver.messages import Delivery, Handler, Json, Request, Response


def _texts(write: Callable[[Json], str]) -> Wrap:
    """Write every body of JSON in another way."""

    def edit(response: Response, _: Request) -> Response:
        value = value_of(response)
        return response if value is None else with_body(response, write(value).encode())

    return lambda handler: answers(edit, status=422)(answers(edit)(handler))


def _reversed(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _reversed(each) for key, each in reversed(value.items())}
    return [_reversed(each) for each in value] if isinstance(value, list) else value


def _without_nulls(value: Json) -> Json:
    return {key: each for key, each in value.items() if each is not None}


def _renamed_ids(handler: Handler) -> Handler:
    """Give sessions ids of another form, at the border of the server."""

    def handle(request: Request) -> Response:
        response = handler(structs.replace(request, path=request.path.replace("/chat/0199-", "/chat/ses-")))
        if response.stream is not None or not response.body:
            return response
        return with_body(response, response.body.replace(b'"ses-', b'"0199-'))

    return handle


def _titled(make: Callable[[str], str]) -> Wrap:
    """Make titles in another way, everywhere alike."""

    def retitled(session: Json) -> Json:
        title = session.get("generated_title")
        return {**session, "generated_title": make(title)} if isinstance(title, str) else session

    return sessions(retitled, *SESSIONS)


def _answered(change: Callable[[Response], Response]) -> Wrap:
    """Change every answer."""
    return lambda handler: lambda request: change(handler(request))


def _refusals(edit: Callable[[list[Json]], list[Json]]) -> Wrap:
    return values(lambda value, _: {"detail": edit(value["detail"])}, status=422)


def _other_words(entries: list[Json]) -> list[Json]:
    return [{**each, "msg": "Please look at this field once more", "type": "other"} for each in entries]


def _head_refused(handler: Handler) -> Handler:
    allowed = [(b"allow", b"GET, POST"), (b"content-type", b"application/json"), (b"content-length", b"0")]
    return lambda request: Response(405, allowed) if request.method == "HEAD" else handler(request)


def _strict(handler: Handler) -> Handler:
    """Know only the sessions that create has made."""
    made = {""}

    def handle(request: Request) -> Response:
        session, response = session_of(request), handler(request)
        if is_call(request, "create") and is_success(response):
            made.add(value_of(response)["session_id"])
        known = session in made or not session.isascii() or not is_success(response)
        return response if known else plain(404, {"detail": "Session not found"})

    return handle


def _stream(edit: Callable[[bytes], bytes]) -> Wrap:
    """Write a stream in another way."""
    return answers(lambda r, _: with_body(r, edit(r.body)) if r.body.startswith(b"event:") else r, "stream")


def _numbered(body: bytes) -> bytes:
    return b"".join(b"id: %d\n%s\n\n" % pair for pair in enumerate(body.split(b"\n\n")[:-1]))


def _joined(turn: list[Json]) -> list[Json]:
    made: list[Json] = []
    for event in turn:
        if made and made[-1]["type"] == event["type"] and event["type"].endswith("_delta"):
            made[-1] = {**event, "content": made[-1]["content"] + event["content"]}
        else:
            made.append(event)
    return made


def _lean(event: Json) -> Json:
    return {key: value for key, value in event.items() if key != "image_attachment" or value is not None}


def _no(text: str) -> Wrap:
    """Leave out the events whose type has a text in it."""
    return each_event(lambda event: None if text in event["type"] else event)


def _typed(kind: str, play: str) -> Wrap:
    return answers(lambda r, _: with_header(r, "content-type", kind) if r.body else r, play)


ODD: Sequence[Mutant] = mutants(
    "",
    ("keys-reversed", "fields stand in another order", _texts(lambda value: json.dumps(_reversed(value)))),
    ("pretty", "JSON is indented", _texts(lambda value: json.dumps(value, indent=4) + "\n")),
    ("escaped", "JSON is pure ASCII", _texts(json.dumps)),
    ("nulls-left-out", "what is null is left out", sessions(_without_nulls, "create", "get_summary", "list")),
    ("more-fields", "objects have more fields", fields("get_summary", "create", "set_title", owner={"name": "x"})),
    ("more-headers", "answers have more header fields", answers(lambda r, _: with_header(r, "x-request-id", "7"))),
    ("charset-told", "the character set is told", _typed("application/json; charset=utf-8", "get_summary")),
    ("charset-quoted", "it is told in capitals and quotes", _typed('application/json;charset="UTF-8"', "set_title")),
    ("late", "every answer is a little late", _answered(lambda r: structs.replace(r, delivery=Delivery(delay=0.002)))),
    ("other-words", "refusals have other words", _refusals(_other_words)),
    ("shorter-refusals", "a refusal names the first place only", _refusals(lambda entries: entries[:1])),
    ("404-in-other-words", "a 404 has other words", values(lambda _, __: {"detail": "No such session"}, status=404)),
    ("head-refused", "HEAD is refused with 405", _head_refused),
    ("no-length", "no length is told", _answered(lambda r: with_header(r, "content-length", None))),
    ("strict", "only sessions that create made are known", _strict),
    ("other-ids", "ids have another form", _renamed_ids),
    ("titles-in-words", "titles are made otherwise", _titled(lambda title: "About: " + title)),
    ("titles-short", "titles are not marked as cut", _titled(lambda title: title.removesuffix("..."))),
    ("times-with-zone", "times tell their zone", times(lambda time: time + "+00:00")),
    ("times-zulu", "times tell their zone by a letter", times(lambda time: time[:23] + "Z")),
    ("times-in-seconds", "times are told in whole seconds", times(lambda time: time[:19])),
    ("comments", "streams have comments and pauses", events(lambda turn: [b": why\n\n", b"retry: 3000\n\n", *turn])),
    ("crlf", "lines of a stream end with two characters", _stream(lambda body: body.replace(b"\n", b"\r\n"))),
    ("numbered", "events have numbers", _stream(_numbered)),
    ("no-pieces", "turns have no pieces", _no("_delta")),
    ("no-thoughts", "turns think nothing", _no("thinking")),
    ("no-tools", "turns call nothing", _no("tool")),
    ("one-piece", "a text comes in one piece", events(_joined)),
    ("no-nulls-in-events", "an attachment that is null is left out", each_event(_lean)),
)
"""All of them."""
