"""The catalogue of mutants that break HTTP: statuses, header fields, keys, bodies, times."""

from collections.abc import Callable, Sequence

from msgspec import structs

from mockserver.apis.llamacloud_chat.check.mutants_answers import ERRORS, FIELDS, STREAMS
from mockserver.apis.llamacloud_chat.check.mutants_state import STATES
from mockserver.apis.llamacloud_chat.check.mutators import answers, delivered, is_call, now_and_then, session_of, taken
from mockserver.check.mutants.mutators import (
    Mutant,
    Wrap,
    body_of,
    failing,
    instead,
    is_json,
    is_malformed,
    mutants,
    plain,
    with_body,
    with_header,
    with_value,
)
from mockserver.messages import Delivery, Headers, Request, Response


def _status(new: int, *plays: str, status: int | None = None) -> Wrap:
    return answers(lambda response, _: structs.replace(response, status=new), *plays, status=status)


def _refused(play: str, is_wrong: Callable[[Request], bool]) -> Wrap:
    answer = plain(422, {"detail": [{"type": "value_error", "loc": ["body"], "msg": "no", "input": None}]})
    return instead(lambda request: answer if is_call(request, play) and is_wrong(request) else None)


def _fails(play: str, when: Callable[[Request], bool]) -> Wrap:
    return failing(lambda request: is_call(request, play) and when(request))


def _has_ten_indexes(request: Request) -> bool:
    indexes = body_of(request).get("index_ids")
    return isinstance(indexes, list) and len(indexes) == 10


_TURN = {"index_ids": ["a"], "prompt": "x"}
_DOWN = plain(500, {"detail": "x"})
_BAD_GATEWAY = plain(502, {"detail": "x"})

STATUSES: Sequence[Mutant] = (
    *mutants(
        "status-declared",
        ("create-200", "create answers 200", _status(200, "create")),
        ("title-201", "a title answers 201", _status(201, "set_title")),
    ),
    Mutant(
        "refusal-400",
        "a wrong request is refused with 400",
        answers(lambda r, _: structs.replace(with_value(r, {"detail": "wrong"}), status=400), status=422),
        "refusal-declared",
    ),
    *mutants(
        "refuses-invalid",
        ("title-takes-all", "a wrong title request is taken", taken("set_title", body={"first_message": "x"})),
        ("stream-takes-all", "a wrong turn request is taken", taken("stream", body=_TURN)),
        ("create-takes-all", "a wrong create request is taken", taken("create")),
        ("queries-unread", "wrong ids in the query are taken", taken("get_summary", "retrieve")),
        ("list-takes-all", "a wrong page size is taken", taken("list")),
    ),
    *mutants(
        "accepts-valid",
        ("ten-indexes-refused", "create refuses ten indexes, which are allowed", _refused("create", _has_ten_indexes)),
        (
            "full-prompt-refused",
            "a prompt of the greatest length is refused",
            _refused("stream", lambda r: len(str(body_of(r).get("prompt", ""))) == 1_000),
        ),
        (
            "extra-field-refused",
            "a field that the contract does not name is refused",
            _refused("set_title", lambda r: "surprise" in body_of(r)),
        ),
        ("page-size-0-refused", "a page size of 0 is refused", _refused("list", lambda r: "page_size=0" in r.query)),
        ("no-body-refused", "create refuses to have no body", _refused("create", lambda r: not r.body)),
    ),
    *mutants(
        "no-server-error",
        (
            "unicode-500",
            "what is not ASCII makes it fail",
            _fails("set_title", lambda r: is_json(r) and not r.body.isascii()),
        ),
        ("null-500", "null for a list makes it fail", _fails("create", lambda r: b'"index_ids":null' in r.body)),
    ),
    *mutants(
        "",
        ("list-206", "the list answers 206", _status(206, "list")),
        ("refusal-418", "a wrong request is refused with 418", _status(418, status=422)),
        ("refusal-404", "a wrong title request is refused with 404", _status(404, "set_title", status=422)),
        ("list-503", "the list always fails", failing(lambda r: is_call(r, "list"), 503)),
        ("empty-500", "an empty message makes it fail", failing(lambda r: body_of(r).get("first_message") == "")),
        ("question-500", "a question mark makes it fail", _fails("set_title", lambda r: b"?" in r.body)),
        ("project-500", "a project id makes it fail", failing(lambda r: is_call(r) and "project_id=1" in r.query)),
        ("quote-500", "a quote in an id makes it fail", failing(lambda r: is_call(r) and "%22" in r.path)),
        ("deep-500", "deep nesting makes it fail", failing(lambda r: r.body.startswith(b"[[[[[["))),
        ("seventh-500", "every seventh title fails", now_and_then(7, lambda _: _DOWN, "set_title")),
        ("twentieth-502", "every twentieth summary fails", now_and_then(20, lambda _: _BAD_GATEWAY, "get_summary")),
    ),
)


def _header(name: str, value: str | None, *plays: str, status: int | None = None) -> Wrap:
    return answers(lambda response, _: with_header(response, name, value), *plays, status=status, heads=True)


def _typed(kind: str | None, play: str) -> Wrap:
    return _header("content-type", kind, play)


def _head(status: int, kind: bytes) -> Wrap:
    return instead(lambda r: Response(status, [(b"content-type", kind)]) if r.method == "HEAD" else None)


def _body(edit: Callable[[bytes], bytes], *plays: str) -> Wrap:
    return answers(lambda response, _: with_body(response, edit(response.body)), *plays)


HEADERS: Sequence[Mutant] = (
    *mutants(
        "media-type",
        ("html", "JSON is said to be HTML", _typed("text/html", "get_summary")),
        ("untyped", "a body has no content type", _typed(None, "get_summary")),
        ("problem-json", "JSON is said to be of another type of JSON", _typed("application/problem+json", "set_title")),
    ),
    Mutant(
        "latin-1-said",
        "UTF-8 is said to be Latin-1",
        _typed("application/json; charset=iso-8859-1", "set_title"),
        "charset",
    ),
    Mutant(
        "length-short", "the length is less than the body", _header("content-length", "5", "get_summary"), "framing"
    ),
    Mutant("no-challenge", "a 401 does not say how", _header("www-authenticate", None, status=401), "required-headers"),
    *mutants(
        "allow-header",
        ("no-allow", "a 405 does not say Allow", _header("allow", None, status=405)),
        ("wrong-allow", "Allow names the wrong methods", _header("allow", "PATCH", status=405)),
        ("allow-lower", "Allow writes the methods in lower case", _header("allow", "get, post", status=405)),
        ("allow-less", "Allow leaves a method out", _header("allow", "OPTIONS", status=405)),
    ),
    *mutants(
        "method-refused",
        ("405-is-404", "a wrong method is not found", _status(404, status=405)),
        ("405-is-200", "a wrong method is taken", _status(200, status=405)),
    ),
    Mutant(
        "nowhere-200",
        "an unknown path is taken",
        instead(lambda r: plain(200, {}) if r.path.endswith("/unknown/path") else None),
        "unknown-path",
    ),
    *mutants(
        "head-as-get",
        ("head-404", "HEAD has another status than GET", _head(404, b"application/json")),
        ("head-html", "HEAD has another content type than GET", _head(200, b"text/html")),
    ),
    Mutant("deleted-says-so", "a 204 has a body", _body(lambda _: b"deleted", "delete"), "no-body"),
    Mutant(
        "latin-1-sent",
        "a text is sent in Latin-1",
        _body(lambda body: body.decode().encode("latin-1", "replace"), "set_title"),
    ),
)


def _opened(request: Request) -> Request:
    kept = [field for field in request.headers.raw if field[0] != b"authorization"]
    return structs.replace(request, headers=Headers([*kept, (b"authorization", b"Bearer x")]))


def _keys(when: Callable[[bytes | None], bool]) -> Wrap:
    return lambda handler: (
        lambda request: handler(_opened(request) if when(request.headers.get(b"authorization")) else request)
    )


KEYS: Sequence[Mutant] = mutants(
    "key-enforced",
    ("no-key-taken", "no key is needed", _keys(lambda key: key is None)),
    ("empty-key-taken", "an empty key will do", _keys(lambda key: key in (b"", b"Bearer"))),
    ("basic-key-taken", "a key of another scheme will do", _keys(lambda key: (key or b"").startswith(b"Basic"))),
    ("keyless-403", "no key is refused with 403", _status(403, status=401)),
)


def _is_of_another_type(request: Request) -> bool:
    return request.headers.get(b"content-type") not in (None, b"application/json")


def _titled(when: Callable[[Request], bool]) -> Wrap:
    def title(request: Request) -> Response | None:
        if not is_call(request, "set_title") or not when(request):
            return None
        time = "2026-04-22T12:34:41"
        return plain(200, {"session_id": session_of(request), "generated_title": "x", "last_updated_at": time})

    return instead(title)


BODIES: Sequence[Mutant] = (
    *mutants(
        "body-parses",
        ("cut-json", "a body is cut", _body(lambda body: body[:-1], "get_summary")),
        ("empty-json", "a body is empty", _body(lambda _: b"", "set_title")),
        ("twice-said", "a field stands twice", _body(lambda body: b'{"session_id":"x",' + body[1:], "get_summary")),
        ("nan", "a number is NaN", _body(lambda body: body[:-1] + b',"surprise":NaN}', "get_summary")),
        ("trailing", "something follows the JSON", _body(lambda body: body + b"\n}", "list")),
    ),
    Mutant("utf-16", "a body is in UTF-16", _body(lambda body: body.decode().encode("utf-16"), "get_summary")),
    *mutants(
        "malformed-refused",
        ("malformed-taken", "malformed JSON is taken", _titled(is_malformed)),
        ("xml-taken", "a body of another type is taken", _titled(_is_of_another_type)),
    ),
)


HANG, CLOSED = Delivery(delay=3_600.0), Delivery(end="close", unanswered=True)
TIMES: Sequence[Mutant] = (
    *mutants(
        "in-time",
        ("hangs", "the list hangs", delivered(HANG, "list")),
        ("hangs-on-long", "a long message hangs", delivered(HANG, "set_title", when=lambda r: len(r.body) > 4_000)),
        ("hangs-on-malformed", "malformed JSON hangs", delivered(HANG, "set_title", when=is_malformed)),
    ),
    *mutants(
        "",
        ("closes", "a summary closes the connection", delivered(CLOSED, "get_summary")),
        ("resets", "a delete resets the connection", delivered(Delivery(end="reset", unanswered=True), "delete")),
        ("truncates", "a title breaks off", delivered(Delivery(end="close"), "set_title")),
    ),
)

BROKEN: Sequence[Mutant] = (*STATUSES, *HEADERS, *FIELDS, *ERRORS, *KEYS, *BODIES, *TIMES, *STREAMS, *STATES)
"""The mutants that break the contract, each in one way."""
