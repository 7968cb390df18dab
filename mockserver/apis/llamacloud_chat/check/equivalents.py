"""The catalogue of servers that look odd and are right: whoever accuses one of them cries wolf."""

import json
from collections.abc import Callable, Sequence

from msgspec import structs

from mockserver.apis.llamacloud_chat.check.mutators import answers, events, fields, in_sessions, values
from mockserver.check.mutants.mutators import Mutant, Wrap, is_success, value_of, with_body, with_header
from mockserver.messages import Delivery, Handler, Json, Request, Response


def _texts(write: Callable[[Json], str]) -> Wrap:
    """Write every body of JSON in another way."""

    def edit(response: Response, _: Request) -> Response:
        if response.body.startswith((b"{", b"[")):
            return with_body(response, write(json.loads(response.body)).encode())
        return response

    def wrap(handler: Handler) -> Handler:
        ok, wrong = answers(edit)(handler), answers(edit, status=422)
        return wrong(ok)

    return wrap


def _reversed(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _reversed(each) for key, each in reversed(value.items())}
    return [_reversed(each) for each in value] if isinstance(value, list) else value


def _without_nulls(value: Json, _: Request) -> Json:
    return in_sessions(value, lambda session: {key: each for key, each in session.items() if each is not None})


def _renamed_ids() -> Wrap:
    """Give sessions ids of another form, at the border of the server."""

    def wrap(handler: Handler) -> Handler:
        def handle(request: Request) -> Response:
            response = handler(structs.replace(request, path=request.path.replace("/chat/0199-", "/chat/ses-")))
            if response.stream is not None or not response.body:
                return response
            return with_body(response, response.body.replace(b'"ses-', b'"0199-'))

        return handle

    return wrap


def _titled(make: Callable[[str], str]) -> Wrap:
    """Make titles in another way, everywhere alike."""

    def edit(value: Json, _: Request) -> Json:
        def retitled(session: Json) -> Json:
            title = session.get("generated_title")
            return {**session, "generated_title": make(title)} if isinstance(title, str) else session

        return in_sessions(value, retitled)

    return values(edit, "create", "get_summary", "retrieve", "list", "set_title")


def _times(make: Callable[[str], str]) -> Wrap:
    def edit(value: Json, _: Request) -> Json:
        return in_sessions(value, lambda each: {**each, "last_updated_at": make(each["last_updated_at"])})

    return values(edit, "create", "get_summary", "retrieve", "list", "set_title")


def _late(seconds: float) -> Wrap:
    def wrap(handler: Handler) -> Handler:
        return lambda request: structs.replace(handler(request), delivery=Delivery(delay=seconds))

    return wrap


def _refusals(edit: Callable[[Json], Json]) -> Wrap:
    return values(lambda value, _: edit(value), status=422)


def _other_words(value: Json) -> Json:
    return {
        "detail": [{**each, "msg": "Please look at this field once more", "type": "other"} for each in value["detail"]]
    }


def _head_refused(handler: Handler) -> Handler:
    """Take no HEAD."""

    def handle(request: Request) -> Response:
        if request.method != "HEAD":
            return handler(request)
        allowed = [(b"allow", b"GET, POST"), (b"content-type", b"application/json"), (b"content-length", b"0")]
        return Response(405, allowed)

    return handle


def _chunked(handler: Handler) -> Handler:
    """Tell no length."""
    return lambda request: with_header(handler(request), "content-length", None)


def _strict(handler: Handler) -> Handler:
    """Know only the sessions that create has made."""
    made: set[str] = set()

    def handle(request: Request) -> Response:
        parts = request.path.split("/")
        known = len(parts) < 5 or parts[4] in made or not parts[4].isascii()
        response = handler(request)
        if request.path == "/api/v1/chat" and request.method == "POST" and is_success(response):
            made.add(value_of(response)["session_id"])
        if known or not is_success(response):
            return response
        body = b'{"detail":"Session not found"}'
        fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        return Response(404, fields, body)

    return handle


def _long_events(told: list[Json]) -> list[Json | bytes]:
    blocks: list[Json | bytes] = [b": this is a comment\n\n", b"retry: 3000\n\n"]
    return blocks + list(told)


def _crlf(response: Response, _: Request) -> Response:
    return (
        with_body(response, response.body.replace(b"\n", b"\r\n")) if response.body.startswith(b"event:") else response
    )


def _numbered(response: Response, _: Request) -> Response:
    if not response.body.startswith(b"event:"):
        return response
    blocks = response.body.split(b"\n\n")[:-1]
    return with_body(response, b"".join(b"id: %d\n%s\n\n" % pair for pair in enumerate(blocks)))


def _joined(told: list[Json]) -> list[Json]:
    made: list[Json] = []
    for event in told:
        if made and made[-1]["type"] == event["type"] and event["type"].endswith("_delta"):
            made[-1] = {**event, "content": made[-1]["content"] + event["content"]}
        else:
            made.append(event)
    return made


def _lean(event: Json) -> Json:
    return {key: value for key, value in event.items() if key != "image_attachment" or value is not None}


ODD: Sequence[Mutant] = (
    Mutant("keys-reversed", "fields stand in another order", _texts(lambda v: json.dumps(_reversed(v)))),
    Mutant("pretty", "JSON is indented", _texts(lambda v: json.dumps(v, indent=4) + "\n")),
    Mutant("escaped", "JSON is pure ASCII", _texts(lambda v: json.dumps(v, ensure_ascii=True))),
    Mutant("nulls-left-out", "what is null is left out", values(_without_nulls, "create", "get_summary", "list")),
    Mutant(
        "more-fields", "objects have more fields", fields("get_summary", "create", "set_title", owner={"name": "x"})
    ),
    Mutant(
        "more-headers", "answers have more header fields", answers(lambda r, _: with_header(r, "x-request-id", "7"))
    ),
    Mutant(
        "charset-told",
        "the character set is told",
        answers(
            lambda r, _: with_header(r, "content-type", "application/json; charset=utf-8") if r.body else r,
            "get_summary",
        ),
    ),
    Mutant(
        "charset-quoted",
        "it is told in capitals and quotes",
        answers(lambda r, _: with_header(r, "content-type", 'application/json;charset="UTF-8"'), "set_title"),
    ),
    Mutant("late", "every answer is a little late", _late(0.002)),
    Mutant("other-words", "refusals have other words", _refusals(_other_words)),
    Mutant(
        "shorter-refusals", "a refusal names the first place only", _refusals(lambda v: {"detail": v["detail"][:1]})
    ),
    Mutant(
        "404-in-other-words", "a 404 has other words", values(lambda _, __: {"detail": "No such session"}, status=404)
    ),
    Mutant("head-refused", "HEAD is refused with 405", _head_refused),
    Mutant("no-length", "no length is told", _chunked),
    Mutant("strict", "only sessions that create made are known", _strict),
    Mutant("other-ids", "ids have another form", _renamed_ids()),
    Mutant("titles-in-words", "titles are made otherwise", _titled(lambda title: "About: " + title)),
    Mutant("titles-short", "titles are not marked as cut", _titled(lambda title: title.removesuffix("..."))),
    Mutant("times-with-zone", "times tell their zone", _times(lambda time: time + "+00:00")),
    Mutant("times-zulu", "times tell their zone by a letter", _times(lambda time: time[:23] + "Z")),
    Mutant("times-in-seconds", "times are told in whole seconds", _times(lambda time: time[:19])),
    Mutant("comments", "streams have comments and pauses", events(_long_events)),
    Mutant("crlf", "lines of a stream end with two characters", answers(_crlf, "stream")),
    Mutant("numbered", "events have numbers", answers(_numbered, "stream")),
    Mutant(
        "no-pieces", "turns have no pieces", events(lambda told: [e for e in told if not e["type"].endswith("_delta")])
    ),
    Mutant("no-thoughts", "turns think nothing", events(lambda told: [e for e in told if "thinking" not in e["type"]])),
    Mutant("no-tools", "turns call nothing", events(lambda told: [e for e in told if "tool" not in e["type"]])),
    Mutant("one-piece", "a text comes in one piece", events(_joined)),
    Mutant(
        "no-nulls-in-events", "an attachment that is null is left out", events(lambda told: [_lean(e) for e in told])
    ),
)
"""All of them."""
