"""The catalogue of mutants that break HTTP: statuses, header fields, keys, bodies, times."""

import json
from collections.abc import Sequence

from msgspec import structs

from mockserver.apis.llamacloud_chat.check.mutants_answers import ERRORS, FIELDS, STREAMS
from mockserver.apis.llamacloud_chat.check.mutants_state import STATES
from mockserver.apis.llamacloud_chat.check.mutators import answers, delivered, is_call, now_and_then, taken
from mockserver.check.mutants.mutators import (
    Mutant,
    body_of,
    failing,
    instead,
    is_json,
    named,
    plain,
    with_body,
    with_header,
    with_value,
)
from mockserver.messages import Delivery, Headers, Json, Request, Response


def _status(new: int, *plays: str, status: int | None = None) -> "Mutant":  # a name is given by replacing it
    return Mutant("", "", answers(lambda response, _: structs.replace(response, status=new), *plays, status=status))


def _refused(request: Request, play: str, wrong: bool) -> Response | None:
    entry = {"type": "value_error", "loc": ["body"], "msg": "no", "input": None}
    return plain(422, {"detail": [entry]}) if wrong and is_call(request, play) else None


STATUSES: Sequence[Mutant] = (
    named("create-200", "create answers 200", _status(200, "create"), "status-declared"),
    named("title-201", "a title answers 201", _status(201, "set_title"), "status-declared"),
    named("list-206", "the list answers 206", _status(206, "list")),
    Mutant(
        "refusal-400",
        "a wrong request is refused with 400",
        answers(lambda r, _: structs.replace(with_value(r, {"detail": "wrong"}), status=400), status=422),
        "refusal-declared",
    ),
    named("refusal-418", "a wrong request is refused with 418", _status(418, status=422)),
    named("refusal-404", "a wrong title request is refused with 404", _status(404, "set_title", status=422)),
    Mutant("title-takes-all", "a wrong title request is taken", taken("set_title"), "refuses-invalid"),
    Mutant("stream-takes-all", "a wrong turn request is taken", taken("stream"), "refuses-invalid"),
    Mutant("create-takes-all", "a wrong create request is taken", taken("create"), "refuses-invalid"),
    Mutant("queries-unread", "wrong ids in the query are taken", taken("get_summary", "retrieve"), "refuses-invalid"),
    Mutant("list-takes-all", "a wrong page size is taken", taken("list"), "refuses-invalid"),
    Mutant(
        "ten-indexes-refused",
        "create refuses ten indexes, which are allowed",
        instead(
            lambda r: _refused(
                r, "create", isinstance(body_of(r).get("index_ids"), list) and len(body_of(r)["index_ids"]) == 10
            )
        ),
        "accepts-valid",
    ),
    Mutant(
        "full-prompt-refused",
        "a prompt of the greatest length is refused",
        instead(lambda r: _refused(r, "stream", len(str(body_of(r).get("prompt", ""))) == 1_000)),
        "accepts-valid",
    ),
    Mutant(
        "extra-field-refused",
        "a field that the contract does not name is refused",
        instead(lambda r: _refused(r, "set_title", "surprise" in body_of(r))),
        "accepts-valid",
    ),
    Mutant(
        "page-size-0-refused",
        "a page size of 0 is refused",
        instead(lambda r: _refused(r, "list", "page_size=0" in r.query)),
        "accepts-valid",
    ),
    Mutant(
        "no-body-refused",
        "create refuses to have no body",
        instead(lambda r: _refused(r, "create", not r.body)),
        "accepts-valid",
    ),
    Mutant("list-503", "the list always fails", failing(lambda r: is_call(r, "list"), 503)),
    Mutant(
        "unicode-500",
        "what is not ASCII makes it fail",
        failing(lambda r: not r.body.isascii() and is_call(r, "set_title") and is_json(r)),
        "no-server-error",
    ),
    Mutant(
        "null-500",
        "null for a list makes it fail",
        failing(lambda r: is_call(r, "create") and b'"index_ids":null' in r.body),
        "no-server-error",
    ),
    Mutant("empty-500", "an empty message makes it fail", failing(lambda r: body_of(r).get("first_message") == "")),
    Mutant(
        "question-500", "a question mark makes it fail", failing(lambda r: is_call(r, "set_title") and b"?" in r.body)
    ),
    Mutant("project-500", "a project id makes it fail", failing(lambda r: is_call(r) and "project_id=1" in r.query)),
    Mutant("quote-500", "a quote in an id makes it fail", failing(lambda r: is_call(r) and "%22" in r.path)),
    Mutant("deep-500", "deep nesting makes it fail", failing(lambda r: r.body.startswith(b"[[[[[["), 500)),
    Mutant(
        "seventh-500",
        "every seventh title fails",
        now_and_then(7, lambda _: plain(500, {"detail": "x"}), "set_title"),
    ),
    Mutant(
        "twentieth-502",
        "every twentieth summary fails",
        now_and_then(20, lambda _: plain(502, {"detail": "x"}), "get_summary"),
    ),
)


def _header(name: str, value: str | None, *plays: str, status: int | None = None) -> Mutant:
    def change(response: Response, _: Request) -> Response:
        return with_header(response, name, value)

    return Mutant("", "", answers(change, *plays, status=status, heads=True))


HEADERS: Sequence[Mutant] = (
    named("html", "JSON is said to be HTML", _header("content-type", "text/html", "get_summary"), "media-type"),
    named("untyped", "a body has no content type", _header("content-type", None, "get_summary"), "media-type"),
    named(
        "problem-json",
        "JSON is said to be of another type of JSON",
        _header("content-type", "application/problem+json", "set_title"),
        "media-type",
    ),
    named(
        "latin-1-said",
        "UTF-8 is said to be Latin-1",
        _header("content-type", "application/json; charset=iso-8859-1", "set_title"),
        "charset",
    ),
    Mutant(
        "latin-1-sent",
        "a text is sent in Latin-1",
        answers(lambda r, _: with_body(r, r.body.decode().encode("latin-1", "replace")), "set_title"),
    ),
    named("length-short", "the length is less than the body", _header("content-length", "5", "get_summary"), "framing"),
    named("no-challenge", "a 401 does not say how", _header("www-authenticate", None, status=401), "required-headers"),
    named("no-allow", "a 405 does not say Allow", _header("allow", None, status=405), "allow-told"),
    named("wrong-allow", "Allow names the wrong methods", _header("allow", "PATCH", status=405), "allow-told"),
    named(
        "allow-lower", "Allow writes the methods in lower case", _header("allow", "get, post", status=405), "allow-told"
    ),
    named("allow-less", "Allow leaves a method out", _header("allow", "OPTIONS", status=405), "allow-told"),
    named("405-is-404", "a wrong method is not found", _status(404, status=405), "method-refused"),
    named("405-is-200", "a wrong method is taken", _status(200, status=405), "method-refused"),
    Mutant(
        "nowhere-200",
        "an unknown path is taken",
        instead(lambda r: plain(200, {}) if r.path.endswith("/unknown/path") else None),
        "unknown-path",
    ),
    Mutant(
        "head-404",
        "HEAD has another status than GET",
        instead(lambda r: Response(404, [(b"content-type", b"application/json")]) if r.method == "HEAD" else None),
        "head-as-get",
    ),
    Mutant(
        "head-html",
        "HEAD has another content type than GET",
        instead(
            lambda r: Response(200, [(b"content-type", b"text/html")]) if r.method == "HEAD" else None,
        ),
        "head-as-get",
    ),
    Mutant(
        "deleted-says-so",
        "a 204 has a body",
        answers(lambda r, _: with_body(r, b"deleted"), "delete"),
        "no-body",
    ),
)


def _opened(request: Request) -> Request:
    kept = [field for field in request.headers.raw if field[0] != b"authorization"]
    return structs.replace(request, headers=Headers([*kept, (b"authorization", b"Bearer x")]))


def _keys(when: "Json") -> Mutant:
    def wrap(handler: "Json") -> "Json":
        return lambda request: handler(_opened(request) if when(request.headers.get(b"authorization")) else request)

    return Mutant("", "", wrap)


KEYS: Sequence[Mutant] = (
    named("no-key-taken", "no key is needed", _keys(lambda key: key is None), "key-enforced"),
    named("empty-key-taken", "an empty key will do", _keys(lambda key: key in (b"", b"Bearer")), "key-enforced"),
    named(
        "basic-key-taken",
        "a key of another scheme will do",
        _keys(lambda key: (key or b"").startswith(b"Basic")),
        "key-enforced",
    ),
    named("keyless-403", "no key is refused with 403", _status(403, status=401), "key-enforced"),
)


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _as_json(request: Request) -> Response | None:
    kind = request.headers.get(b"content-type")
    if not is_call(request, "set_title") or kind in (None, b"application/json"):
        return None
    return _title(request)


def _title(request: Request) -> Response:
    title = {"session_id": request.path.split("/")[4], "generated_title": "x", "last_updated_at": "2026-04-22T12:34:41"}
    return plain(200, title)


BODIES: Sequence[Mutant] = (
    Mutant("cut-json", "a body is cut", answers(lambda r, _: with_body(r, r.body[:-1]), "get_summary"), "body-parses"),
    Mutant("empty-json", "a body is empty", answers(lambda r, _: with_body(r, b""), "set_title"), "body-parses"),
    Mutant(
        "twice-said",
        "a field stands twice",
        answers(lambda r, _: with_body(r, b'{"session_id":"x",' + r.body[1:]), "get_summary"),
        "body-parses",
    ),
    Mutant(
        "nan",
        "a number is NaN",
        answers(lambda r, _: with_body(r, r.body[:-1] + b',"surprise":NaN}'), "get_summary"),
        "body-parses",
    ),
    Mutant(
        "trailing",
        "something follows the JSON",
        answers(lambda r, _: with_body(r, r.body + b"\n}"), "list"),
        "body-parses",
    ),
    Mutant(
        "utf-16",
        "a body is in UTF-16",
        answers(lambda r, _: with_body(r, r.body.decode().encode("utf-16")), "get_summary"),
    ),
    Mutant(
        "malformed-taken",
        "malformed JSON is taken",
        instead(lambda r: _title(r) if is_call(r, "set_title") and r.body and not _is_json(r.body) else None),
        "malformed-refused",
    ),
    Mutant(
        "xml-taken",
        "a body of another type is taken",
        instead(lambda r: _as_json(r)),
        "malformed-refused",
    ),
)


HANG = Delivery(delay=3_600.0)


TIMES: Sequence[Mutant] = (
    Mutant("hangs", "the list hangs", delivered(HANG, "list"), "in-time"),
    Mutant(
        "hangs-on-long",
        "a long message hangs",
        delivered(HANG, "set_title", when=lambda r: len(r.body) > 4_000),
        "in-time",
    ),
    Mutant(
        "hangs-on-malformed",
        "malformed JSON hangs",
        delivered(HANG, "set_title", when=lambda r: bool(r.body) and not _is_json(r.body)),
        "in-time",
    ),
    Mutant(
        "closes", "a summary closes the connection", delivered(Delivery(end="close", unanswered=True), "get_summary")
    ),
    Mutant("resets", "a delete resets the connection", delivered(Delivery(end="reset", unanswered=True), "delete")),
    Mutant("truncates", "a title breaks off", delivered(Delivery(end="close"), "set_title")),
)

BROKEN: Sequence[Mutant] = (*STATUSES, *HEADERS, *FIELDS, *ERRORS, *KEYS, *BODIES, *TIMES, *STREAMS, *STATES)
"""The mutants that break the contract, each in one way."""
