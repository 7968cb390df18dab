"""Whatever a document declares is asked for and judged: every style, media type and key, links; our mock passes."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mockserver.api import Call
from mockserver.check import check_server, drift
from mockserver.check.coverage.targets import places_of
from mockserver.check.coverage.visit import CoveredExchange, visitor_of
from mockserver.check.provider.cases import Case, expectation_of, request_of
from mockserver.check.provider.credentials import credentials
from mockserver.check.provider.protocol import protocol_cases
from mockserver.check.provider.writing import field_of, pairs_of, segment_of
from mockserver.check.report.model import Report
from mockserver.check.report.reproduce import reproduction
from mockserver.contract.openapi import Contract, Operation, Parameter
from mockserver.contract.router import Router
from mockserver.engine import Mock
from mockserver.errors import ContractError
from mockserver.messages import Headers, Json, Request
from mockserver.request.decode import StrictValidator
from mockserver.request.security import KeyGuard
from mockserver.settings import Settings
from tests.check.small_servers import Answer, checked, contract_of, operation, parameter, server, told, value_of
from tests.real_documents import OAS_EXAMPLES, installed

LIST: Json = {"type": "array", "items": {"type": "integer"}, "minItems": 2}
OBJECT: Json = {
    "type": "object",
    "properties": {"role": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["role", "age"],
}
VALUES: Sequence[tuple[Json, Json]] = [({"type": "integer"}, 7), (LIST, [1, 2]), (OBJECT, {"role": "a b", "age": 3})]
STYLES = {
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "path": ("simple", "label", "matrix"),
    "header": ("simple",),
    "cookie": ("form",),
}
UNDEFINED = [("spaceDelimited", "object"), ("pipeDelimited", "object"), ("deepObject", "array")]
"""What OpenAPI gives no meaning."""


def one(declared: Json) -> Contract:
    path = "/x/{v}" if declared["in"] == "path" else "/x"
    return contract_of({path: {"get": operation("op", 200, parameters=[declared])}})


def case_of(asked: Operation, value: Json) -> Case:
    declared: Parameter = asked.parameters[0]
    if declared.location == "path":
        return Case("x", asked, {"v": segment_of(declared, value)})
    if declared.location == "header":
        return Case("x", asked, {}, headers=[("v", field_of(declared, value))])
    pairs = pairs_of(declared, value)
    if declared.location == "cookie":
        return Case("x", asked, {}, headers=[("cookie", "; ".join(f"{name}={text}" for name, text in pairs))])
    return Case("x", asked, {}, pairs)


def read_back(contract: Contract, value: Json) -> Call:
    """Write, route and decode a request, as a client and a server do."""
    [asked] = contract.operations
    request = request_of(case_of(asked, value), None)
    match = Router([contract]).match(request.method, request.path, Headers())
    call = StrictValidator(asked).validate(request, match.path)
    assert isinstance(call, Call), call
    return call


@pytest.mark.parametrize("explode", [True, False])
@pytest.mark.parametrize(("place", "style"), [(place, each) for place, styles in STYLES.items() for each in styles])
@pytest.mark.parametrize(("schema", "value"), VALUES)
def test_a_parameter_is_written_as_it_is_read(
    place: str, style: str, schema: Json, value: Json, *, explode: bool
) -> None:
    if (style, schema["type"]) in UNDEFINED or (style == "deepObject" and schema["type"] != "object"):
        return
    contract = one({**parameter("v", place, schema), "style": style, "explode": explode})
    call = read_back(contract, value)
    if place in ("path", "query"):
        assert {"path": call.path, "query": call.query}[place]["v"] == value
    assert expectation_of(case_of(contract.operations[0], value)).expected == "valid"


def test_a_parameter_of_a_media_type_is_written_in_it() -> None:
    declared = {
        "name": "v",
        "in": "query",
        "required": True,
        "content": {"application/json": {"schema": OBJECT}},
    }
    value = {"role": "a&b", "age": 3}
    assert read_back(one(declared), value).query == {"v": value}


FIELDS: Json = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": LIST, "home": OBJECT},
    "required": ["name", "tags", "home"],
}
BODIES: Sequence[tuple[str, Json, Json]] = [
    ("application/vnd.x+json", OBJECT, {"role": "é", "age": 3}),
    ("application/x-www-form-urlencoded", FIELDS, {"name": "a&b", "tags": [1, 2], "home": {"role": "r", "age": 3}}),
    ("multipart/form-data", FIELDS, {"name": "é", "tags": [1, 2], "home": {"role": "r", "age": 3}}),
    ("application/xml", OBJECT, {"role": "<a>", "age": 3}),
    ("text/plain", {"type": "integer"}, 7),
    ("application/x-ndjson", {"type": "array", "items": OBJECT}, [{"role": "a", "age": 1}, {"role": "b", "age": 2}]),
]


@pytest.mark.parametrize(("media", "schema", "value"), BODIES)
def test_a_body_is_written_as_it_is_read(media: str, schema: Json, value: Json) -> None:
    node = operation("op", 200)
    node["requestBody"] = {"required": True, "content": {media: {"schema": schema}}}
    [asked] = contract_of({"/x": {"post": node}}).operations
    case = Case("x", asked, {}, body=value)
    call = StrictValidator(asked).validate(request_of(case, None), {})
    assert isinstance(call, Call)
    assert call.body == value
    assert expectation_of(case).expected == "valid"


def test_a_part_is_written_with_the_header_fields_that_it_must_have() -> None:
    needed = {"X-Size": {"required": True, "schema": {"type": "integer", "minimum": 3}}}
    node = operation("op", 200)
    told = {"schema": FIELDS, "encoding": {"name": {"headers": needed}}}
    node["requestBody"] = {"required": True, "content": {"multipart/form-data": told}}
    [asked] = contract_of({"/x": {"post": node}}).operations
    case = Case("x", asked, {}, body={"name": "n", "tags": [1, 2], "home": {"role": "r", "age": 3}})
    assert expectation_of(case).expected == "valid"


SCHEMES: Json = {
    "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "session"},
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "oauth2": {"type": "oauth2", "flows": {}},
    "openIdConnect": {"type": "openIdConnect", "openIdConnectUrl": "https://x.test/"},
}


@pytest.mark.parametrize("names", [*([name] for name in SCHEMES), ["header", "query", "basic"]])
def test_a_key_is_sent_as_its_scheme_says_and_left_out_of_requests_that_must_be_refused(names: list[str]) -> None:
    paths = {"/x": {"get": operation("op", 200, security=[{key: [] for key in names}])}}
    contract = contract_of(paths, {"securitySchemes": SCHEMES})
    [asked] = contract.operations
    guard = KeyGuard(asked, b"secret")
    assert guard.refused(request_of(Case("x", asked, {}), "secret")) is None
    made = list(protocol_cases(contract, asked, {}, "secret", is_known_key=True, first_of_path=False))
    kinds = {kind for kind, _, _ in made}
    assert {"no key", "wrong key"} <= kinds
    assert all(guard.refused(request) is not None for kind, request, _ in made if kind in ("no key", "wrong key"))


def test_keys_that_cannot_be_sent_together_are_told() -> None:
    paths = {"/x": {"get": operation("op", 200, security=[{"basic": [], "bearer": []}])}}
    [asked] = contract_of(paths, {"securitySchemes": SCHEMES}).operations
    with pytest.raises(ContractError, match="cannot be sent together"):
        credentials(asked, "secret")


def always(answer: Answer) -> Callable[[Request], Answer]:
    return lambda _: answer


def answering(media: str, schema: Json, *, headers: Json = None) -> Json:
    reply = {"description": "x", "content": {media: {"schema": schema}}, "headers": headers or {}}
    return {"/x": {"get": {"operationId": "op", "responses": {"200": reply, "405": {"description": "x"}}}}}


@pytest.mark.parametrize(
    ("media", "schema", "right", "wrong"),
    [
        ("application/xml", OBJECT, b"<x><role>a</role><age>3</age></x>", b"<x><role>a</role></x>"),
        ("application/xml", OBJECT, b"<x><role>a</role><age>3</age></x>", b"<x><role>"),
        ("text/plain", {"type": "integer"}, b"7", b"seven"),
        ("text/plain", {"type": "string", "maxLength": 3}, b"abc", b"abcd"),
        ("application/x-www-form-urlencoded", OBJECT, b"role=a&age=3", b"role=a"),
        ("application/x-ndjson", {"type": "array", "items": OBJECT}, b'{"role":"a","age":1}\n', b'{"role":"a"}\n'),
        ("image/*", {"type": "string", "format": "binary"}, b"\x89PNG", None),
    ],
)
def test_an_answer_of_any_media_type_is_judged(media: str, schema: Json, right: bytes, wrong: bytes | None) -> None:
    sent = media.replace("*", "png")
    for body in (right, wrong):
        if body is None:
            continue
        answer: Answer = (200, body, {"content-type": sent})
        handler = server(always(answer), ("GET", "/x"), ("HEAD", "/x"))
        rules = {each.rule for each in checked(handler, contract_of(answering(media, schema))).errors}
        assert rules == (set() if body is right else {"body-schema"})


@pytest.mark.parametrize(("text", "is_right"), [("1,2", True), ("1,x", False)])
def test_a_declared_header_is_judged_though_it_may_be_left_out(text: str, *, is_right: bool) -> None:
    contract = contract_of(answering("application/json", {}, headers={"X-Ids": {"schema": LIST}}))
    handler = server(lambda _: (200, {}, {"x-ids": text}), ("GET", "/x"), ("HEAD", "/x"))
    assert {each.rule for each in checked(handler, contract).errors} == (set() if is_right else {"required-headers"})


def test_a_body_is_sent_in_each_media_type_that_is_declared() -> None:
    node = operation("op", 200, 400, 415)
    node["requestBody"] = {
        "required": True,
        "content": {key: {"schema": OBJECT} for key in ("application/json", "application/xml", "text/csv")},
    }
    handler = server(lambda r: (200 if "json" in (r.headers.text(b"content-type") or "") else 415, {}), ("POST", "/x"))
    found = told(checked(handler, contract_of({"/x": {"post": node}})))
    assert any("the usual as application/xml" in each and "accepts-valid" in each for each in found)


def test_values_of_a_path_are_those_that_links_name() -> None:
    link = {"operationId": "read", "parameters": {"code": "$response.body#/made/ref"}}
    create = operation("create", 201)
    create["responses"]["201"]["links"] = {"it": link}
    paths = {
        "/orders": {"put": create},
        "/find/{code}": {"get": operation("read", 200, 404, parameters=[parameter("code", "path", {})])},
    }
    asked: list[str] = []

    def answer(request: Request) -> Answer | None:
        if request.method == "PUT":
            return 201, {"made": {"ref": "r-17"}}
        asked.append(request.path)
        return (200, {}) if request.path == "/find/r-17" else None

    handler = server(answer, ("PUT", "/orders"), ("GET", "/find/*"), ("HEAD", "/find/*"))
    report = checked(handler, contract_of(paths))
    assert (asked[0], told(report)) == ("/find/r-17", [])


PROBLEM: Json = {"description": "x", "content": {"application/problem+json": {"schema": {"type": "object"}}}}


@pytest.mark.parametrize("status", ["400", "422", "4XX", "default"])
def test_a_wrong_request_may_be_refused_in_any_declared_form(status: str) -> None:
    node = operation("op", 200, 405, body={"type": "object", "required": ["n"]})
    node["responses"][status] = PROBLEM

    def answer(request: Request) -> Answer:
        code = 409 if status == "default" else 400 if status == "4XX" else int(status)
        value = value_of(request)
        is_right = isinstance(value, dict) and "n" in value
        return (200, {}) if is_right else (code, {"title": "x"}, {"content-type": "application/problem+json"})

    assert told(checked(server(answer, ("POST", "/x")), contract_of({"/x": {"post": node}}))) == []


def test_what_a_contract_lacks_at_several_operations_is_told_once() -> None:
    body = {"type": "object", "required": ["n"]}
    paths = {f"/{name}": {"post": operation(name, 200, body=body)} for name in "abc"}

    def answer(request: Request) -> Answer:
        return (200 if b'"n"' in request.body else 422), {}

    report = checked(server(answer, *(("POST", each) for each in paths)), contract_of(paths))
    lacking = [each for each in report.findings if "no refusal at all" in each.message]
    assert [(each.operation, each.level) for each in lacking] == [("", "warning")]
    assert "3 operations" in lacking[0].message


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("application/x-www-form-urlencoded", b"role=a&age=3"),
        ("application/xml", b"<x><role>a</role><age>3</age></x>"),
        ("multipart/form-data", b'--b\r\nContent-Disposition: form-data; name="role"\r\n\r\na\r\n--b--\r\n'),
    ],
)
def test_coverage_reads_bodies_of_every_media_type(media: str, body: bytes) -> None:
    node = operation("op", 200)
    node["requestBody"] = {"content": {media: {"schema": OBJECT}}}
    assert ("request", "field-present", "role") in touched({"/x": {"post": node}}, f"{media}; boundary=b", body)
    assert ("request", "field-present", "role") not in touched({"/x": {"post": node}}, media, b"\xff\0")


@pytest.mark.parametrize(
    ("more", "query"),
    [({"style": "deepObject"}, "v[role]=a&v[age]=3"), ({"explode": False}, "v=role,a,age,3"), ({}, "role=a&age=3")],
)
def test_coverage_reads_parameters_of_every_style(more: Json, query: str) -> None:
    declared = {**parameter("v", "query", OBJECT), **more}
    found = touched({"/x": {"get": operation("op", 200, parameters=[declared])}}, query=query)
    assert {("parameter", "parameter-sent", "0"), ("parameter", "field-present", "role")} <= found
    assert ("parameter", "violation", "required") in touched(
        {"/x": {"get": operation("op", 200, parameters=[declared])}}, query="other[x]=1" if more else ""
    )


def test_coverage_leaves_out_what_a_document_does_not_declare() -> None:
    declared = {"name": "v", "in": "query", "content": {"application/json": {}}}
    paths: Json = {"/x": {"get": {"parameters": [declared]}}}
    assert touched(paths, query="v=1") == {("", "operation", "get"), ("parameter", "parameter-sent", "0")}
    [contract] = [contract_of(paths)]
    assert len(places_of(contract, contract.operations[0])) == 3


def touched(paths: Json, media: str = "", body: bytes = b"", query: str = "") -> set[tuple[str, str, str]]:
    """Return what one request exercises: the side, the kind, and the last part of the place."""
    contract = contract_of(paths)
    [asked] = contract.operations
    headers = Headers([(b"content-type", media.encode())] if media else [])
    exchange = CoveredExchange(asked.method, "/x", query, headers, body, 200, Headers(), b"")
    found = visitor_of(contract).touched(asked, {}, exchange)
    return {(each.side, each.kind, each.pointer.rpartition("/")[2]) for each in found}


def self_checked(path: Path, examples: int) -> Report:
    mock = Mock(Settings(contract=str(path), api="none", journal_size=0))
    return check_server(mock.handle, contract=str(path), api="none", examples=examples)


UNASKED = {
    "http-status-codes": "1xx ends no request",
    "security-multiple": "two keys in one field",
    "discriminators": "nothing satisfies the schema",
    "schema-types": "nothing satisfies the schema",
    "circular-request-bodies": "nothing satisfies the schema",
    "polymorphism": "nothing satisfies the schema",
    "schema-validation": "nothing satisfies the schema",
}
"""The documents with operations that cannot be asked, and why."""

FEW = (
    "2.0/json/petstore-simple",
    "3.0/json/file-uploads",
    "3.0/json/form-data",
    "3.0/json/link-example",
    "3.0/json/response-multiple-mediatypes",
    "3.0/json/schema-visibility",
    "3.0/json/security-multiple",
    "3.0/json/server-path-level",
    "3.1/json/security",
    "3.1/json/webhooks",
)


@pytest.mark.parametrize("name", FEW)
def test_the_mock_of_a_published_document_passes(name: str) -> None:
    judge(installed(OAS_EXAMPLES) / f"{name}.json", 1)


@pytest.mark.thorough("seventy documents take a minute; others check ten of them")
def test_the_mocks_of_all_small_published_documents_pass() -> None:
    paths = sorted(installed(OAS_EXAMPLES).glob("[23].*/json/**/*.json"))
    small = [path for path in paths if path.stat().st_size < 100_000]
    assert len(small) >= 60
    for path in small:
        judge(path, 100)


def judge(path: Path, examples: int) -> None:
    """What is left are warnings of refusals that the document does not declare, and what cannot be asked at all."""
    report = self_checked(path, examples)
    assert told(report) == []
    assert {each.rule for each in report.findings} <= {"status-declared"}
    unasked = [each.why for each in report.skipped if "it cannot be asked" in each.why]
    assert [each.why for each in report.skipped if each.why not in unasked] == []
    assert bool(unasked) <= (path.stem in UNASKED), unasked


def test_a_problem_is_written_out_once_however_often_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else time and memory would grow with the square of the cases."""
    written: list[Request] = []

    def counted(*arguments: Any) -> Any:
        written.extend(arguments[1])
        return reproduction(*arguments)

    monkeypatch.setattr("mockserver.check.provider.run.reproduction", counted)
    report = self_checked(installed(OAS_EXAMPLES) / "2.0/json/petstore-simple.json", 60)
    seen = sum(each.count for each in report.findings)
    assert seen > 5 * len(written) > 0


ITEM: Json = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def note_api(version: str) -> Json:
    """Describe one API in one of three versions of OpenAPI."""
    text: Json = {"type": "string", "nullable": True} if version == "3.0.3" else {"type": ["string", "null"]}
    limit: Json = {"minimum": 0, "exclusiveMinimum": True} if version != "3.1.0" else {"exclusiveMinimum": 0}
    item = {**ITEM, "properties": {**ITEM["properties"], **({"note": text} if version != "2.0" else {})}}
    info, limited = {"title": "t", "version": "1"}, {"type": "integer", **limit}
    if version == "2.0":
        post = {
            "consumes": ["application/json"],
            "produces": ["application/json"],
            "parameters": [
                {"name": "limit", "in": "query", **limited},
                {"name": "it", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Item"}},
            ],
            "responses": {"200": {"description": "x", "schema": {"$ref": "#/definitions/Item"}}},
        }
        return {"swagger": "2.0", "info": info, "definitions": {"Item": item}, "paths": {"/x": {"post": post}}}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}
    post = {
        "parameters": [{"name": "limit", "in": "query", "schema": limited}],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": {"description": "x", "content": content}},
    }
    return {
        "openapi": version,
        "info": info,
        "components": {"schemas": {"Item": item}},
        "paths": {"/x": {"post": post}},
    }


@pytest.mark.parametrize(("before", "after"), [("3.0.3", "3.1.0"), ("2.0", "3.1.0"), ("2.0", "3.0.3")])
def test_an_api_that_moves_to_another_version_of_openapi_has_not_changed(
    before: str, after: str, tmp_path: Path
) -> None:
    files = []
    for version in (before, after):
        document = note_api(version)
        if before == "2.0" and version != "2.0":
            del document["components"]["schemas"]["Item"]["properties"]["note"]
        files.append(tmp_path / f"{version}.json")
        files[-1].write_text(json.dumps(document), "utf-8")
    assert [each.message for each in drift(str(files[0]), str(files[1]), api="none").findings] == []


def test_a_change_is_placed_in_the_file_in_which_it_was_made(tmp_path: Path) -> None:
    for folder, kind in (("a", "string"), ("b", "integer")):
        (tmp_path / folder).mkdir()
        document = note_api("3.1.0")
        document["components"]["schemas"]["Item"] = {"$ref": "parts.json#/Item"}
        (tmp_path / folder / "api.json").write_text(json.dumps(document), "utf-8")
        parts = {"Item": {"type": "object", "properties": {"name": {"type": kind}}}}
        (tmp_path / folder / "parts.json").write_text(json.dumps(parts), "utf-8")
    report = drift(str(tmp_path / "a" / "api.json"), str(tmp_path / "b" / "api.json"), api="none")
    assert {each.contract for each in report.findings} == {"parts.json#/Item/properties/name/type"}


def path_item(kind: str) -> Json:
    """Describe what a path holds: its parameter, a usual method, and one of its own."""
    reply = {"description": "", "content": {"application/json": {"schema": {"type": kind}}}}
    usual = {"operationId": "usual", "responses": {"200": reply}}
    own = {"operationId": "own", "responses": {"200": reply}}
    return {
        "parameters": [parameter("id", "path", {"type": kind})],
        "get": usual,
        "additionalOperations": {"COPY": own},
    }


@pytest.mark.parametrize("kind", ["string", "integer"])
@pytest.mark.parametrize("reference", ["#/components/pathItems/It", "item.json"])
def test_a_path_may_refer_to_what_it_holds(tmp_path: Path, reference: str, kind: str) -> None:
    head = {"openapi": "3.2.0", "info": {"title": "t", "version": "1"}}
    shared = {"components": {"pathItems": {"It": path_item(kind)}}}
    documents = {
        "before.json": {**head, "paths": {"/x/{id}": path_item("string")}},
        "after.json": {**head, "paths": {"/x/{id}": {"$ref": reference}}, **shared},
        "item.json": path_item(kind),
    }
    for name, document in documents.items():
        (tmp_path / name).write_text(json.dumps(document), "utf-8")
    report = drift(str(tmp_path / "before.json"), str(tmp_path / "after.json"), api="none")
    found = {(each.operation, each.where) for each in report.findings}
    changed = {(name, "/response/200/body") for name in ("usual", "own")} | {("usual, own", "/request/path/id")}
    assert found == (changed if kind == "integer" else set())
