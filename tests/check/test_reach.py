"""Paths get values that the server can know, and what was never reached is never reported as passed, in no format."""

import json
import re
from collections.abc import Mapping

import pytest
import yaml
from jsonschema import Draft202012Validator
from junitparser import JUnitXml, Skipped

from mockserver.check import check_server, render
from mockserver.check.provider.command import read_path_value
from mockserver.check.report.formats import FORMATS
from mockserver.check.report.locate import NO_FILES
from mockserver.check.report.model import Report
from mockserver.errors import UsageError
from mockserver.messages import Json, Request
from tests.check.small_servers import Answer, checked, contract_of, last, operation, parameter, server, told
from tests.strategies import ROOT

ID = {"type": "integer", "minimum": 1}
FALLBACKS = (404, 405, 422)


def one_path(schema: Json, **more: Json) -> Json:
    return {
        "/x/{id}": {"get": operation("read", 200, *FALLBACKS, parameters=[parameter("id", "path", schema)])},
        **more,
    }


@pytest.mark.parametrize(
    ("schema", "is_right"),
    [
        (ID, lambda text: text.isdigit() and int(text) > 0),
        ({"type": "string", "format": "uuid"}, lambda text: bool(re.fullmatch(r"[0-9a-fA-F-]{36}", text))),
        ({"type": "string", "enum": ["red", "blue"]}, lambda text: text in ("red", "blue")),
        (
            {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"},
            lambda text: bool(re.fullmatch("[A-Z]{3}-[0-9]{4}", text)),
        ),
        ({"type": "string", "minLength": 20}, lambda text: len(text) >= 20),
    ],
)
def test_a_server_that_fails_every_right_request_is_seen_whatever_its_ids_are(schema: Json, is_right: Json) -> None:
    handler = server(lambda request: (500 if is_right(last(request)) else 422, {}), ("GET", "/x/*"), ("HEAD", "/x/*"))
    report = checked(handler, contract_of(one_path(schema)))
    assert {each.rule for each in report.errors} == {"no-server-error"}


@pytest.mark.parametrize("field", ["id", "thing_id", "uuid"])
def test_an_id_comes_from_what_create_answered(field: str) -> None:
    made: list[str] = []

    def answer(request: Request) -> Answer | None:
        if request.method == "POST":
            made.append(f"t{len(made)}-x")
            return 201, {field: made[-1]}
        return (200, {field: 17}) if last(request) in made else None

    text = {"type": "string"}
    paths = {
        "/things": {"post": operation("create", 201, *FALLBACKS)},
        "/things/{thing_id}": {
            "get": operation("read", 200, *FALLBACKS, parameters=[parameter("thing_id", "path", text)]),
        },
    }
    schema = {"type": "object", "properties": {field: text}}
    paths["/things/{thing_id}"]["get"]["responses"]["200"] = {
        "description": "x",
        "content": {"application/json": {"schema": schema}},
    }
    report = checked(server(answer, ("POST", "/things"), ("GET", "/things/*")), contract_of(paths))
    assert [(each.rule, each.where) for each in report.errors] == [("body-schema", f"/response/body/{field}")]


def test_an_id_comes_from_a_list_if_nothing_can_be_created() -> None:
    def answer(request: Request) -> Answer | None:
        if request.path == "/things":
            return 200, {"total": 1, "items": [{"id": 4711}]}
        return (500, {}) if last(request) == "4711" else None

    paths = one_path(ID)
    paths = {"/things": {"get": operation("list", 200, *FALLBACKS)}, "/things/{id}": paths["/x/{id}"]}
    report = checked(server(answer, ("GET", "/things"), ("GET", "/things/*")), contract_of(paths), read_only=True)
    assert told(report) == ["no-server-error read: the server failed with 500"]


def test_a_value_that_is_told_goes_before_all_others_and_may_be_of_one_operation() -> None:
    asked: dict[str, list[str]] = {"x": [], "y": []}

    def answer(request: Request) -> Answer | None:
        asked[request.path.split("/")[1]].append(last(request))
        return 200, {}

    paths = one_path({"type": "string"})
    paths["/y/{id}"] = {
        "get": operation("other", 200, *FALLBACKS, parameters=[parameter("id", "path", {"type": "string"})])
    }
    values = [read_path_value("id=seven=7"), read_path_value("other.id=eight")]
    checked(server(answer, ("GET", "/x/*"), ("GET", "/y/*")), contract_of(paths), path_values=values)
    assert (asked["x"][0], asked["y"][0]) == ("seven=7", "eight")


@pytest.mark.parametrize("text", ["id", "=7", "id=", "id=.."])
def test_what_is_no_value_of_a_path_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no value of a path"):
        read_path_value(text)


def test_a_parameter_that_no_path_has_is_named() -> None:
    with pytest.raises(UsageError, match="no path has a parameter 'nothing'"):
        check_server(server(lambda _: (200, {})), path_values={"nothing": "1"})


# -- what was never reached ------------------------------------------------------------------------------------------


def half_reached() -> Report:
    paths = {**one_path({"type": "string"}), "/ok": {"get": operation("ok", 200, *FALLBACKS)}}
    handler = server(lambda request: (200, {}) if request.path == "/ok" else None, ("GET", "/ok"), ("GET", "/x/*"))
    return checked(handler, contract_of(paths))


def test_what_was_never_reached_is_in_no_format_reported_as_passed() -> None:
    report = half_reached()
    assert told(report) == []
    assert report.unreached == ("read",)
    assert "ok: body-schema" in report.passed
    assert not [each for each in report.passed if each.startswith("read:")]
    texts = {name: write(report, NO_FILES) for name, write in FORMATS.items()}
    for name, text in texts.items():
        assert "--path-value id=VALUE" in text, name
    assert "nothing wrong in what was reached, 1 not reached" in texts["terminal"]
    assert "✅" not in texts["markdown"]
    data = json.loads(texts["json"])
    Draft202012Validator(yaml.safe_load((ROOT / "schemas/mockserver-report/1.yaml").read_text("utf-8"))).validate(data)
    assert [each["name"] for each in data["skipped"]] == ["read"]
    (suite,) = JUnitXml.fromstring(texts["junit"].encode())
    assert suite.skipped == 1
    assert [case.name for case in suite if any(isinstance(each, Skipped) for each in case.result)] == ["read"]
    (invocation,) = json.loads(texts["sarif"])["runs"][0]["invocations"]
    assert [each["level"] for each in invocation["toolExecutionNotifications"]] == ["warning"]
    assert texts["github"].startswith("::warning title=not reached read::every valid request was answered 404")


def test_a_run_that_reached_nothing_fails() -> None:
    report = checked(
        server(lambda _: (401, {}), ("GET", "/x/*")),
        contract_of(
            one_path(
                ID,
            )
        ),
    )
    assert not report.clean
    contract = contract_of({"/ok": {"get": operation("ok", 200, 401, 404, 405)}})
    report = checked(server(lambda _: (401, {}), ("GET", "/ok")), contract)
    assert [each.rule for each in report.errors] == ["something-reached"]
    assert "answered 401" in report.errors[0].message
    assert report.passed == ()


def test_a_rule_that_had_nothing_to_look_at_is_not_reported_as_passed() -> None:
    passed = half_reached().passed
    assert not {"ok: stream-framing", "ok: key-enforced", "ok: refuses-invalid", "ok: required-headers"} & set(passed)
    assert {"ok: status-declared", "ok: head-as-get", "ok: accepts-valid"} <= set(passed)


def test_an_operation_that_cannot_be_asked_is_told_and_all_others_are_checked() -> None:
    form = {"required": True, "content": {"multipart/form-data": {"schema": {"type": "object"}}}}
    impossible = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(?=b)a$"}}, "required": ["a"]}
    paths: dict[str, Json] = {
        "/ok": {"get": operation("ok", 200, *FALLBACKS)},
        "/form": {"post": {**operation("form", 200), "requestBody": form}},
        "/binary": {
            "get": {"operationId": "binary", "responses": {"200": {"description": "x", "content": {"image/png": {}}}}}
        },
        "/key": {"get": operation("key", 200, security=[{"k": []}])},
        "/no": {"post": operation("no", 200, *FALLBACKS, body=impossible)},
        "/part/{a}.json": {"get": operation("part", 200, parameters=[parameter("a", "path", {"type": "string"})])},
    }
    schemes = {"securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": "X-Key"}}}
    handler = server(lambda _: (200, {"a": 1}), ("GET", "/ok"))
    report = checked(handler, contract_of(paths, schemes))
    assert "ok: body-schema" in report.passed
    why: Mapping[str, str] = {each.name: each.why for each in report.skipped}
    assert why.keys() == {"form", "binary", "key", "no", "part"}
    assert why["no"].startswith("it cannot be asked: ")


def test_required_parameters_are_sent_wherever_they_are() -> None:
    parameters = [
        parameter("a", "query", ID),
        parameter("b", "query", {"type": "string", "enum": ["x"]}),
        parameter("X-Tenant", "header", {"type": "string", "pattern": "^t[0-9]$"}),
        parameter("c", "cookie", {"type": "boolean"}),
    ]
    seen = []

    def answer(request: Request) -> Answer:
        cookie, tenant = request.headers.text(b"cookie"), request.headers.text(b"x-tenant") or ""
        is_right = re.search(r"(^|&)a=[1-9]\d*(&|$)", request.query) and "b=x" in request.query
        if not (is_right and re.fullmatch("t[0-9]", tenant) and cookie in ("c=true", "c=false")):
            return 422, {}
        seen.append(request)
        return 200, {}

    contract = contract_of({"/x": {"get": operation("read", 200, *FALLBACKS, parameters=parameters)}})
    report = checked(server(answer, ("GET", "/x"), ("HEAD", "/x")), contract)
    assert told(report) == []
    assert len(seen) > 20


def test_what_time_or_a_first_problem_left_out_is_not_reported_as_passed() -> None:
    paths = {"/b": {"get": operation("b", 200)}, "/ok": {"get": operation("ok", 200, *FALLBACKS)}}
    handler = server(lambda request: (200 if request.path == "/ok" else 202, {}), ("GET", "/b"), ("GET", "/ok"))
    report = checked(handler, contract_of(paths), at_first=True)
    assert report.unreached == ("ok",)
    assert "it stopped at the first problem" in report.skipped[0].why
    assert "not reached" in render(report)


def test_an_interrupt_leaves_the_report_of_what_came_before() -> None:
    count = 0

    def answer(request: Request) -> Answer:
        nonlocal count
        count += request.path == "/b"
        if count > 3:
            raise KeyboardInterrupt
        return 200, {}

    paths = {"/ok": {"get": operation("ok", 200, *FALLBACKS)}, "/b": {"get": operation("b", 200, *FALLBACKS)}}
    paths["/c"] = {"get": operation("c", 200)}
    report = checked(server(answer, ("GET", "/b"), ("GET", "/ok"), ("HEAD", "/ok")), contract_of(paths))
    assert report.interrupted
    assert "ok: body-schema" in report.passed
    assert report.unreached == ("c",)
    assert "it was interrupted" in report.skipped[0].why
    assert "(interrupted)" in render(report)


def test_values_are_not_asked_of_a_server_that_is_only_read() -> None:
    methods = set()

    def answer(request: Request) -> Answer:
        methods.add(request.method)
        return 200, {"id": 3}

    paths = {"/x": {"post": operation("create", 200, *FALLBACKS)}, **one_path(ID)}
    contract = contract_of(paths)
    checked(server(answer, ("POST", "/x"), ("GET", "/x/*"), ("HEAD", "/x/*")), contract, read_only=True)
    assert methods == {"GET", "HEAD"}
