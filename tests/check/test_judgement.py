"""The check accuses no server that is right, sees those that are wrong, and tells one cause once."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mockserver.check.provider.boundaries import path_texts
from mockserver.check.provider.protocol import WRONG_KEY
from mockserver.messages import Handler, Json, Request
from tests.check.small_servers import (
    Answer,
    checked,
    contract_of,
    last,
    operation,
    parameter,
    server,
    told,
    value_of,
)

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TEXT = {"type": "string"}
FALLBACKS = (404, 405, 422)
BEARER = {"securitySchemes": {"b": {"type": "http", "scheme": "bearer"}}}


def takes_number(request: Request) -> bool:
    value = value_of(request)
    return isinstance(value, dict) and isinstance(value.get("n"), int) and not isinstance(value["n"], bool)


def posted(body: Json, *statuses: int | str, **more: Json) -> Json:
    return {"/x": {"post": operation("op", *statuses, body=body, **more)}}


def with_body_type(paths: Json, *types: str) -> Json:
    content = paths["/x"]["post"]["requestBody"]["content"]
    schema = content.pop("application/json")
    content |= dict.fromkeys(types, schema)
    return paths


def got(*statuses: int | str, **more: Any) -> Json:
    return {"/x": {"get": operation("op", *statuses, **more)}}


def read(answer: Callable[[Request], Answer | None]) -> Handler:
    return server(answer, ("GET", "/x"), ("HEAD", "/x"))


def post(answer: Callable[[Request], Answer | None]) -> Handler:
    return server(answer, ("POST", "/x"))


# -- no false alarms -------------------------------------------------------------------------------------------------


def refused_in_two_ways(request: Request) -> Answer:
    if value_of(request) is None:
        return 400, {}
    return (200 if takes_number(request) else 422), {}


def of_vendor_type(request: Request) -> Answer:
    is_right = request.headers.text(b"content-type") == "application/vnd.api+json"
    return refused_in_two_ways(request) if is_right else (415, {})


def of_forms_too(request: Request) -> Answer:
    if request.headers.text(b"content-type") != "application/x-www-form-urlencoded":
        return refused_in_two_ways(request)
    return (200 if re.fullmatch(rb"n=-?[0-9]+", request.body) else 400), {}


def made_by_the_server(request: Request) -> Answer:
    value = value_of(request)
    is_right = isinstance(value, dict) and isinstance(value.get("name"), str)
    if not is_right or not isinstance(value.get("password", ""), str):
        return 422, {}
    return 200, {"id": "i1", "name": value["name"]}


def validated_before_it_is_authenticated(request: Request) -> Answer:
    if "q=" not in request.query:
        return 422, {}
    is_right = request.headers.text(b"authorization") == "Bearer secret"
    return (200, {}) if is_right else (401, {}, {"www-authenticate": "Bearer"})


def with_a_list_of_challenges(request: Request) -> Answer:
    is_right = request.headers.text(b"authorization") == "Bearer secret"
    return (200, {}) if is_right else (401, {}, {"www-authenticate": 'Basic realm="x", Bearer realm="x"'})


def sometimes(status: int, every: int) -> Callable[[Request], Answer]:
    count = 0

    def answer(_: Request) -> Answer:
        nonlocal count
        count += 1
        return (status if count % every == 0 else 200), {}

    return answer


SECRET_IN = {
    "type": "object",
    "properties": {"id": {**TEXT, "readOnly": True}, "name": TEXT, "password": {**TEXT, "writeOnly": True}},
    "required": ["id", "name"],
}
SECRET_OUT = {**SECRET_IN, "required": ["id", "name", "password"]}
REFERRED = {"allOf": [{"$ref": "#/components/schemas/In"}], "required": ["id", "name"]}


def answering(schema: Json, paths: Json) -> Json:
    (item,) = paths.values()
    (described,) = item.values()
    described["responses"]["200"] = {"description": "x", "content": {"application/json": {"schema": schema}}}
    return paths


def placed_elsewhere(request: Request) -> Answer:
    is_right = request.query.partition("shop=")[2].lstrip("-").isdigit()
    return (200, {}) if is_right else (422, {"detail": [{"loc": ["Paris"], "msg": "m", "type": "t"}]})


SHOP = parameter("shop", "query", {"type": "integer"})
PLACES = {
    "type": "object",
    "properties": {
        "detail": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "msg", "type"],
                "properties": {"loc": {"type": "array"}, "msg": TEXT, "type": TEXT},
            },
        }
    },
}
PLACED: Json = got(200, 404, 405, parameters=[SHOP])
PLACED["/x"]["get"]["responses"]["422"] = {"description": "x", "content": {"application/json": {"schema": PLACES}}}

WITHOUT_CONTENT: Json = got(200, 405)
WITHOUT_CONTENT["/x"]["get"]["responses"]["404"] = {"description": "not there"}

RIGHT: Mapping[str, tuple[Json, Handler]] = {
    "400 and 422 are declared": (posted(NUMBER, 200, 400, *FALLBACKS), post(refused_in_two_ways)),
    "only 4XX is declared": (posted(NUMBER, 200, "4XX"), post(refused_in_two_ways)),
    "an invalid request is refused with a declared 403": (
        posted(NUMBER, 200, 403, *FALLBACKS),
        post(lambda r: (200 if takes_number(r) else 422 if value_of(r) is None else 403, {})),
    ),
    "HEAD is not served": (got(200, *FALLBACKS), server(lambda _: (200, {}), ("GET", "/x"))),
    "HEAD and PATCH are known nowhere": (
        got(200, *FALLBACKS),
        lambda r: read(lambda _: (501 if r.method != "GET" else 200, {}))(r),
    ),
    "JSON of a vendor": (
        with_body_type(posted(NUMBER, 200, 400, 415, *FALLBACKS), "application/vnd.api+json"),
        post(of_vendor_type),
    ),
    "a form is taken beside JSON": (
        with_body_type(posted(NUMBER, 200, 400, *FALLBACKS), "application/json", "application/x-www-form-urlencoded"),
        post(of_forms_too),
    ),
    "a list of challenges": (got(200, 401, 404, 405, security=[{"b": []}]), read(with_a_list_of_challenges)),
    "authentication after validation": (
        got(200, 401, *FALLBACKS, security=[{"b": []}], parameters=[parameter("q", "query", TEXT)]),
        read(validated_before_it_is_authenticated),
    ),
    "a declared 429": (got(200, 429, *FALLBACKS), read(sometimes(429, 3))),
    "a declared 403": (got(200, 403, *FALLBACKS), read(sometimes(403, 3))),
    "a declared 404": (got(200, *FALLBACKS), read(sometimes(404, 3))),
    "a declared 303": (got(200, 303, *FALLBACKS), read(sometimes(303, 3))),
    "a refusal in a declared range": (got(200, "4XX"), read(sometimes(409, 3))),
    "a readOnly field is required": (
        answering(SECRET_OUT, posted(SECRET_IN, 200, *FALLBACKS)),
        post(made_by_the_server),
    ),
    "a readOnly field is required by a part": (
        answering(REFERRED, posted(REFERRED, 200, *FALLBACKS)),
        post(made_by_the_server),
    ),
    "no content is declared, and there is some": (WITHOUT_CONTENT, read(lambda _: (200, {}))),
    "the places of a refusal are others": (PLACED, read(placed_elsewhere)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_no_server_is_accused_because(name: str) -> None:
    paths, handler = RIGHT[name]
    contract = contract_of(paths, {**BEARER, "schemas": {"In": SECRET_IN}})
    report = checked(handler, contract, examples=40, key="secret", is_known_key=True)
    assert told(report) == []
    assert report.unreached == ()


def in_a_branch(request: Request) -> Answer:
    """Refuse as FastAPI does for a member of a union: the place names the member."""
    is_object = isinstance(value_of(request), dict)
    loc = ["body", "Number", "n"] if is_object else ["body"]
    return (200, {}) if takes_number(request) else (422, {"detail": [{"loc": loc, "msg": "m", "type": "t"}]})


def test_the_place_of_a_refusal_may_name_the_branches_of_unions_on_its_way() -> None:
    paths = posted(NUMBER, 200, *FALLBACKS)
    paths["/x"]["post"]["responses"]["422"]["content"] = {"application/json": {"schema": PLACES}}
    report = checked(post(in_a_branch), contract_of(paths))
    assert "op: refusal-place" in report.passed
    assert [each for each in report.findings if each.rule == "refusal-place"] == []


def test_an_encoded_slash_may_split_a_path_before_it_comes_to_its_operation() -> None:
    paths = {"/x/{id}": {"get": operation("op", 200, 405, 422, parameters=[parameter("id", "path", TEXT)])}}
    split = server(lambda _: (200, {}), ("GET", "/x/*"), ("HEAD", "/x/*"))
    nowhere = split(Request("GET", "/nowhere"))
    report = checked(lambda r: nowhere if "%2F" in r.path else split(r), contract_of(paths))
    assert told(report) == []


# -- what must be seen -----------------------------------------------------------------------------------------------


def test_a_server_that_takes_any_key_is_seen_where_the_right_one_is_known() -> None:
    def answer(request: Request) -> Answer:
        is_key = (request.headers.text(b"authorization") or "").startswith("Bearer ")
        return (200, {}) if is_key else (401, {}, {"www-authenticate": "Bearer"})

    contract = contract_of(got(200, 401, 404, 405, security=[{"b": []}]), BEARER)
    report = checked(read(answer), contract, key="secret", is_known_key=True)
    assert told(report) == ["key-enforced op: a request with a wrong key was not refused"]
    assert WRONG_KEY.decode() in str(report.errors[0].reproduction)
    assert told(checked(read(answer), contract)) == []


def test_a_refusal_for_want_of_a_key_is_seen_where_none_is_asked_for() -> None:
    contract = contract_of(posted(NUMBER, 200, *FALLBACKS))
    report = checked(post(lambda r: (200 if takes_number(r) else 401, {})), contract)
    assert {each.rule for each in report.errors} >= {"status-declared"}


@pytest.mark.parametrize("place", ["body", "query"])
def test_nul_is_sent(place: str) -> None:
    if place == "body":
        body = {"type": "object", "properties": {"s": TEXT}, "required": ["s"]}
        paths = posted(body, 200, *FALLBACKS)

        def answer(request: Request) -> Answer:
            value = value_of(request)
            is_right = isinstance(value, dict) and isinstance(value.get("s"), str)
            return (422 if not is_right else 500 if "\0" in value["s"] else 200), {}

        handler = post(answer)
    else:
        paths = got(200, *FALLBACKS, parameters=[parameter("s", "query", TEXT, required=False)])
        handler = read(lambda request: (500 if "%00" in request.query else 200, {}))
    report = checked(handler, contract_of(paths), examples=1)
    assert [each.rule for each in report.errors] == ["no-server-error"]


def test_a_byte_order_mark_before_an_answer_is_seen_and_one_before_a_request_may_fail_no_server() -> None:
    report = checked(read(lambda _: (200, b"\xef\xbb\xbf{}")), contract_of(got(200, *FALLBACKS)))
    assert told(report) == ["body-parses op: the body begins with a byte order mark"]
    marked = post(lambda r: (500, {}) if r.body.startswith(b"\xef\xbb\xbf") else refused_in_two_ways(r))
    report = checked(marked, contract_of(posted(NUMBER, 200, 400, *FALLBACKS)))
    assert [each.rule for each in report.errors] == ["no-server-error"]


def test_a_body_that_says_a_field_twice_is_seen() -> None:
    report = checked(read(lambda _: (200, b'{"a": 1, "b": {"c": 1, "c": 2}}')), contract_of(got(200, *FALLBACKS)))
    assert told(report) == ["body-parses op: the body is no JSON: a field stands twice: 'c'"]


def test_a_field_that_is_missing_one_time_in_ten_is_seen() -> None:
    count = 0

    def answer(_: Request) -> Answer:
        nonlocal count
        count += 1
        return 200, {} if count % 10 == 0 else {"n": 1}

    report = checked(read(answer), contract_of(answering(NUMBER, got(200, *FALLBACKS))), examples=1)
    assert [(each.rule, each.where) for each in report.errors] == [("body-schema", "/response/body/n")]


INTEGER = {"type": "integer"}
LIMITS: list[tuple[Json, Callable[[Any], bool]]] = [
    ({"type": "string", "maxLength": 10}, lambda v: isinstance(v, str) and len(v) <= 11),
    (
        {"type": "string", "pattern": "^[A-Z]+$", "maxLength": 10},
        lambda v: isinstance(v, str) and v.isascii() and v.isalpha() and v.isupper() and len(v) <= 11,
    ),
    ({"type": "integer", "maximum": 100, "multipleOf": 5}, lambda v: isinstance(v, int) and v % 5 == 0 and v <= 105),
    ({"type": "integer", "exclusiveMinimum": 3}, lambda v: isinstance(v, int) and v >= 3),
    (
        {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "maxItems": 4},
        lambda v: isinstance(v, list) and all(each in ("a", "b") for each in v) and len(v) <= 5,
    ),
    (
        {"type": "array", "items": {"type": "integer"}, "maxItems": 4, "uniqueItems": True},
        lambda v: (
            isinstance(v, list)
            and all(isinstance(each, int) and not isinstance(each, bool) for each in v)
            and len(set(v)) == len(v) <= 5
        ),
    ),
    (
        {"type": "object", "properties": {"a": INTEGER}, "required": ["a"], "maxProperties": 3},
        lambda v: (
            isinstance(v, dict)
            and all(isinstance(each, int) and not isinstance(each, bool) for each in v.values())
            and 1 <= len(v) <= 4
        ),
    ),
]


@pytest.mark.parametrize(("schema", "takes"), LIMITS, ids=[json.dumps(schema) for schema, _ in LIMITS])
def test_a_limit_that_is_off_by_one_is_seen_with_its_constraint(schema: Json, takes: Callable[[Any], bool]) -> None:
    def answer(request: Request) -> Answer:
        value = value_of(request)
        is_right = isinstance(value, dict) and not isinstance(value.get("v"), bool | None) and takes(value["v"])
        return (200 if is_right else 422), {}

    body = {"type": "object", "properties": {"v": schema}, "required": ["v"]}
    report = checked(post(answer), contract_of(posted(body, 200, *FALLBACKS)), examples=1)
    (problem,) = [each for each in report.errors if each.rule == "refuses-invalid"]
    assert problem.where.startswith("/request/body/v")
    assert "body v" in problem.message


@pytest.mark.parametrize("is_example", [True, False])
def test_a_server_may_answer_with_an_example_whatever_it_is_asked(is_example: bool) -> None:
    chosen = [parameter("id", "path", {"enum": ["canned"]})]
    get = operation("op", 200, *FALLBACKS, parameters=chosen)
    example = {"id": "CANNED" if is_example else "other"}
    get["responses"]["200"] = {"description": "", "content": {"application/json": {"example": example}}}
    fixed = server(lambda _: (200, {"id": "CANNED"}), ("GET", "/x/*"), ("HEAD", "/x/*"))
    report = checked(fixed, contract_of({"/x/{id}": {"get": get}}), examples=1, state=False)
    assert ("echoes-path" in {each.rule for each in report.errors}) is not is_example


@pytest.mark.parametrize(
    "change", [str.lower, str.upper, str.strip, lambda text: text[:32], lambda text: text.replace("+", " ")]
)
@pytest.mark.parametrize("state", [True, False])
def test_an_id_that_a_server_changes_is_seen_with_and_without_state(change: Callable[[str], str], state: bool) -> None:
    paths = {"/x/{id}": {"get": operation("op", 200, *FALLBACKS, parameters=[parameter("id", "path", TEXT)])}}
    handler = server(lambda r: (200, {"id": change(last(r))}), ("GET", "/x/*"), ("HEAD", "/x/*"))
    report = checked(handler, contract_of(paths), examples=1, state=state)
    assert {each.rule for each in report.errors} == {"echoes-path"}
    fixed = server(lambda _: (200, {"id": "canned"}), ("GET", "/x/*"), ("HEAD", "/x/*"))
    assert bool(told(checked(fixed, contract_of(paths), examples=1, state=state))) is state


# -- one cause is one problem ----------------------------------------------------------------------------------------


def test_a_missing_operation_is_told_once() -> None:
    paths = {"/there": {"get": operation("there", 200, *FALLBACKS)}, **posted(NUMBER, 200, 400, 422)}
    report = checked(server(lambda _: (200, {}), ("GET", "/there"), ("HEAD", "/there")), contract_of(paths))
    (problem,) = report.errors
    assert (problem.rule, problem.operation) == ("operation-served", "op")
    assert problem.message == "POST /x is not there: every valid request was answered 404"
    assert problem.reproduction is not None


def test_a_missing_field_is_told_once_whatever_its_index_and_two_are_told_twice() -> None:
    item = {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["a", "b"]}
    contract = contract_of(answering({"type": "array", "items": item}, got(200, *FALLBACKS)))
    report = checked(read(lambda _: (200, [{"b": "x"}] * 5)), contract)
    assert [each.where for each in report.errors] == ["/response/body/0/a"]
    report = checked(read(lambda _: (200, [{}] * 5)), contract)
    assert [each.where for each in report.errors] == ["/response/body/0/a", "/response/body/0/b"]


def test_what_is_wrong_of_a_path_or_everywhere_is_told_once() -> None:
    paths: Json = {
        "/x": {"get": operation("a", 200, *FALLBACKS), "post": operation("b", 200, *FALLBACKS)},
        "/y": {"get": operation("c", 200, *FALLBACKS)},
    }
    good = server(lambda _: (200, {}), ("GET", "/x"), ("POST", "/x"), ("HEAD", "/x"), ("GET", "/y"), ("HEAD", "/y"))

    def without(*bad: str) -> Handler:
        def handle(request: Request) -> Any:
            made = good(request)
            if made.status != 405 or request.path not in bad:
                return made
            return type(made)(405, [field for field in made.headers if field[0] != b"allow"], made.body)

        return handle

    (one,) = checked(without("/x"), contract_of(paths)).errors
    assert (one.rule, one.operation) == ("allow-header", "a")
    (everywhere,) = checked(without("/x", "/y"), contract_of(paths)).errors
    assert (everywhere.rule, everywhere.operation) == ("allow-header", "")
    assert everywhere.message.endswith("at each of 2 operations")


def test_a_refused_request_is_named_by_its_parameter_and_what_is_special_about_it() -> None:
    size = parameter("size", "query", {"type": "integer", "maximum": 100}, required=False)
    handler = read(lambda r: (422 if "size=100" in r.query.split("&") else 200, {}))
    report = checked(handler, contract_of(got(200, *FALLBACKS, parameters=[size])), examples=1)
    messages = {each.rule: each.message for each in report.errors}
    assert messages["accepts-valid"] == "a valid request was refused with 422 (size: 100 (maximum 100))"
    assert messages["refuses-invalid"].startswith("an invalid request was taken: query size: ")


def test_no_dot_segment_is_sent_for_a_value_of_the_path_since_it_means_another_path() -> None:
    schema = {"type": "string", "enum": ["a", ".", "..", "..."]}
    paths = {"/x/{id}": {"get": operation("op", 200, *FALLBACKS, parameters=[parameter("id", "path", schema)])}}
    (found,) = contract_of(paths).operations[0].parameters
    texts = path_texts(found, "a")
    assert {"a", "..."} <= set(texts)
    assert {"", ".", ".."}.isdisjoint(texts)
