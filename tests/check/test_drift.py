"""What has changed from one contract to another: of its calls, their parts, and the eras as upstream tells them."""

import copy
import re
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.answer.generate import generate
from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.check.changes.operations import Description, drift
from mockserver.check.changes.rules import RULES, ContractChange, Severity, verdict
from mockserver.contract.resolved import Views
from mockserver.contract.schema import Schema
from mockserver.contract.tree import lookup
from mockserver.errors import ContractError
from mockserver.messages import Json
from tests.drifts import (
    ANSWER,
    BODY,
    GONE,
    changes,
    document,
    drawn_components,
    drawn_documents,
    drawn_pairs,
    edited,
    mirror,
    mirrored,
    renamed,
    stands,
)
from tests.strategies import Judge, contract_of

STRING = {"type": "string"}
PLACE = "/paths/~1a~1{id}/post"
REPLY = f"{PLACE}/responses/200"

BASE: Json = {
    "openapi": "3.1.0",
    "info": {"title": "own", "version": "1"},
    "servers": [{"url": "https://one.example"}],
    "security": [{"Key": []}],
    "paths": {
        "/a/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": STRING}],
            "post": {
                "operationId": "make",
                "summary": "Make.",
                "parameters": [
                    {"name": "q", "in": "query", "schema": STRING},
                    {"name": "needed", "in": "query", "required": True, "schema": STRING},
                    {"name": "X-Trace", "in": "header", "schema": STRING},
                    {"name": "session", "in": "cookie", "schema": STRING},
                    {"$ref": "#/components/parameters/Shared"},
                    {"name": "whole", "in": "query", "content": {"application/json": {"schema": STRING}}},
                ],
                "requestBody": {
                    "content": {"application/json": {"schema": STRING}, "text/plain": {"schema": STRING}},
                },
                "responses": {
                    "200": {
                        "description": "Made.",
                        "headers": {
                            "X-Always": {"required": True, "schema": STRING},
                            "X-Maybe": {"schema": STRING},
                        },
                        "content": {
                            "application/json": {"schema": STRING, "examples": {"one": {"value": "x"}}},
                            "text/event-stream": {"x-item-schema": STRING},
                        },
                    },
                    "204": {"description": "Nothing."},
                    "404": {"$ref": "#/components/responses/Missing"},
                },
            },
            "get": {"operationId": "look", "responses": {"200": {"description": ""}}},
        }
    },
    "components": {
        "parameters": {"Shared": {"name": "shared", "in": "query", "schema": STRING}},
        "responses": {"Missing": {"description": "", "content": {"application/json": {"schema": STRING}}}},
        "securitySchemes": {
            "Key": {"type": "http", "scheme": "bearer"},
            "Cookie": {"type": "apiKey", "in": "cookie", "name": "session"},
            "Header": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "Scoped": {
                "type": "oauth2",
                "flows": {"implicit": {"authorizationUrl": "https://one.example/in", "scopes": {"r": "read"}}},
            },
        },
    },
}


class Planted(NamedTuple):
    """Edits of BASE, and the one change that they make."""

    edits: tuple[tuple[str, Json], ...]
    rule: str
    severity: Severity
    where: str = ""
    before: tuple[tuple[str, Json], ...] = ()
    """Edits that both documents have."""


COOKIE = "/components/securitySchemes/Cookie"
FLOWS = "/components/securitySchemes/Scoped/flows"
SCOPED: tuple[tuple[str, Json], ...] = ((f"{PLACE}/security", [{"Scoped": ["r"]}]),)


def one(pointer: str, value: Json, rule: str, severity: Severity, where: str = "") -> Planted:
    return Planted(((pointer, value),), rule, severity, where)


def query(name: str, **more: Any) -> Json:
    return {"name": name, "in": "query", "schema": STRING, **more}


PLANTED: dict[str, Planted] = {
    "an operation": one(
        "/paths/~1b", {"get": {"responses": {"200": {"description": ""}}}}, "operation-added", "harmless"
    ),
    "a method": one("/paths/~1a~1{id}/put", {"responses": {}}, "operation-added", "harmless"),
    "an operation less": one("/paths/~1a~1{id}/get", GONE, "operation-withdrawn", "breaking"),
    "its name": one(f"{PLACE}/operationId", "build", "operation-renamed", "risky"),
    "its deprecation": one(f"{PLACE}/deprecated", True, "deprecated", "harmless"),
    "its summary": one(f"{PLACE}/summary", "Build.", "description-changed", "harmless"),
    "its description": one(f"{PLACE}/description", "Build.", "description-changed", "harmless"),
    "its tags": one(f"{PLACE}/tags", ["new"], "description-changed", "harmless"),
    "a server": one("/servers/-", {"url": "https://two.example"}, "server-added", "harmless"),
    "a server of its own": one(
        f"{PLACE}/servers", [{"url": "https://one.example"}, {"url": "/x"}], "server-added", "harmless"
    ),
    "a key less": one(f"{PLACE}/security", [], "security-loosened", "harmless"),
    "a key or none": one(f"{PLACE}/security", [{"Key": []}, {}], "security-loosened", "harmless"),
    "another way in": one(f"{PLACE}/security", [{"Key": []}, {"Cookie": []}], "security-loosened", "harmless"),
    "two keys": one(f"{PLACE}/security", [{"Key": [], "Cookie": []}], "security-tightened", "breaking"),
    "another key": one(f"{PLACE}/security", [{"Cookie": []}], "security-changed", "breaking"),
    "another scheme": one("/components/securitySchemes/Key/scheme", "basic", "security-changed", "breaking"),
    "the name of a cookie with a key": Planted(
        ((f"{COOKIE}/name", "Session"),),
        "security-changed",
        "breaking",
        before=((f"{PLACE}/security", [{"Cookie": []}]),),
    ),
    "a hint at a token": one(
        "/components/securitySchemes/Key/bearerFormat", "JWT", "security-note-changed", "harmless"
    ),
    "the text of a scope": Planted(
        ((f"{FLOWS}/implicit/scopes/r", "may read"),), "security-note-changed", "harmless", before=SCOPED
    ),
    "a scope on offer": Planted(
        ((f"{FLOWS}/implicit/scopes/w", "write"),), "security-note-changed", "harmless", before=SCOPED
    ),
    "a scope that a call needs": Planted(
        ((f"{PLACE}/security", [{"Scoped": ["r", "w"]}]),), "security-tightened", "breaking", before=SCOPED
    ),
    "an address of tokens": Planted(
        ((f"{FLOWS}/implicit/authorizationUrl", "/in"),), "security-address-changed", "risky", before=SCOPED
    ),
    "a flow": Planted(
        ((f"{FLOWS}/password", {"tokenUrl": "/t", "scopes": {}}),), "security-flow-added", "harmless", before=SCOPED
    ),
    "a flow less": Planted(((f"{FLOWS}/implicit", GONE),), "security-flow-withdrawn", "breaking", before=SCOPED),
    "a parameter": one(f"{PLACE}/parameters/-", query("new"), "parameter-added", "harmless", "/request/query/new"),
    "a parameter of the path": one(
        "/paths/~1a~1{id}/get/parameters", [query("new")], "parameter-added", "harmless", "/request/query/new"
    ),
    "a required parameter": one(
        f"{PLACE}/parameters/-",
        query("new", required=True),
        "required-parameter-added",
        "breaking",
        "/request/query/new",
    ),
    "a parameter less": one(f"{PLACE}/parameters/0", GONE, "parameter-withdrawn", "risky", "/request/query/q"),
    "a required parameter less": one(
        f"{PLACE}/parameters/1", GONE, "required-parameter-withdrawn", "risky", "/request/query/needed"
    ),
    "a header less": one(f"{PLACE}/parameters/2", GONE, "parameter-withdrawn", "risky", "/request/header/X-Trace"),
    "a cookie less": one(f"{PLACE}/parameters/3", GONE, "parameter-withdrawn", "risky", "/request/cookie/session"),
    "a parameter required": one(
        f"{PLACE}/parameters/0/required", True, "parameter-required", "breaking", "/request/query/q"
    ),
    "a parameter optional": one(f"{PLACE}/parameters/1/required", GONE, "parameter-optional", "harmless"),
    "a parameter's type": one(
        f"{PLACE}/parameters/2/schema", {"type": "integer"}, "type-narrowed", "breaking", "/request/header/X-Trace"
    ),
    "a shared parameter's limit": one(
        "/components/parameters/Shared/schema", {"type": "string", "maxLength": 3}, "limit-tightened", "breaking"
    ),
    "a parameter's style": one(f"{PLACE}/parameters/0/style", "pipeDelimited", "parameter-style-changed", "breaking"),
    "a parameter's explode": one(f"{PLACE}/parameters/0/explode", False, "parameter-style-changed", "harmless"),
    "a parameter's deprecation": one(f"{PLACE}/parameters/0/deprecated", True, "deprecated", "harmless"),
    "a parameter's description": one(f"{PLACE}/parameters/0/description", "x", "description-changed", "harmless"),
    "a parameter's example": one(f"{PLACE}/parameters/0/example", "x", "example-changed", "harmless"),
    "the content of a parameter": one(
        f"{PLACE}/parameters/5/content/application~1json/schema/maxLength",
        3,
        "limit-tightened",
        "breaking",
        "/request/query/whole",
    ),
    "the name of a parameter of the path": Planted(
        (
            ("/paths/~1a~1{key}", edited(BASE, ("/paths/~1a~1{id}/parameters/0/name", "key"))["paths"]["/a/{id}"]),
            ("/paths/~1a~1{id}", GONE),
            ("/paths/~1a~1{key}/get", GONE),
        ),
        "parameter-renamed",
        "harmless",
        "/request/path/key",
    ),
    "a body": one("/paths/~1a~1{id}/get/requestBody", {"content": {}}, "body-added", "harmless", "/request/body"),
    "a required body": one(
        "/paths/~1a~1{id}/get/requestBody", {"content": {}, "required": True}, "body-added", "breaking", "/request/body"
    ),
    "a body less": one(f"{PLACE}/requestBody", GONE, "body-withdrawn", "risky", "/request/body"),
    "the body required": one(f"{PLACE}/requestBody/required", True, "body-required", "breaking", "/request/body"),
    "the body's description": one(f"{PLACE}/requestBody/description", "x", "description-changed", "harmless"),
    "a media type of the body": one(
        f"{PLACE}/requestBody/content/application~1xml", {}, "media-type-added", "harmless", "/request/body"
    ),
    "a media type of the body less": one(
        f"{PLACE}/requestBody/content/text~1plain", GONE, "media-type-withdrawn", "breaking", "/request/body"
    ),
    "the encoding of the body": one(
        f"{PLACE}/requestBody/content/text~1plain/encoding", {"a": {}}, "content-changed", "risky", "/request/body"
    ),
    "the schema of the body": one(
        f"{PLACE}/requestBody/content/text~1plain/schema", {"type": "integer"}, "type-changed", "breaking"
    ),
    "no schema of the body": one(
        f"{PLACE}/requestBody/content/text~1plain/schema", GONE, "type-widened", "harmless", "/request/body"
    ),
    "a status": one(f"{PLACE}/responses/202", {"description": ""}, "status-added", "risky", "/response/202"),
    "a status of an error": one(
        f"{PLACE}/responses/409", {"description": ""}, "status-added", "harmless", "/response/409"
    ),
    "a range of errors": one(
        f"{PLACE}/responses/5XX", {"description": ""}, "status-added", "harmless", "/response/5XX"
    ),
    "a status less": one(f"{PLACE}/responses/204", GONE, "status-withdrawn", "breaking", "/response/204"),
    "a status of an error less": one(f"{PLACE}/responses/404", GONE, "status-withdrawn", "harmless", "/response/404"),
    "a status by its range": Planted(
        ((f"{PLACE}/responses/4XX", {"$ref": "#/components/responses/Missing"}), (f"{PLACE}/responses/404", GONE)),
        "status-added",
        "harmless",
        "/response/4XX",
    ),
    "the description of an answer": one(
        f"{REPLY}/description", "x", "description-changed", "harmless", "/response/200"
    ),
    "a body of an answer": one(
        f"{PLACE}/responses/204/content", {"text/plain": {}}, "body-added", "harmless", "/response/204/body"
    ),
    "a body of an answer less": one(f"{REPLY}/content", GONE, "body-withdrawn", "breaking", "/response/200/body"),
    "a media type of an answer": one(
        f"{REPLY}/content/text~1plain", {}, "media-type-added", "risky", "/response/200/body"
    ),
    "a media type of an answer less": one(
        f"{REPLY}/content/text~1event-stream", GONE, "media-type-withdrawn", "breaking", "/response/200/body"
    ),
    "the schema of an answer": one(
        f"{REPLY}/content/application~1json/schema",
        {"type": "integer"},
        "type-changed",
        "breaking",
        "/response/200/body",
    ),
    "the schema of an event": one(
        f"{REPLY}/content/text~1event-stream/x-item-schema",
        {"type": ["string", "null"]},
        "null-added",
        "breaking",
        "/response/200/body/*",
    ),
    "no schema of an event": one(
        f"{REPLY}/content/text~1event-stream/x-item-schema", GONE, "type-widened", "breaking", "/response/200/body/*"
    ),
    "the schema of an error": one(
        "/components/responses/Missing/content/application~1json/schema/maxLength", 3, "limit-tightened", "harmless"
    ),
    "an example of an answer": one(
        f"{REPLY}/content/application~1json/examples/two", {"value": "y"}, "example-changed", "harmless"
    ),
    "a header": one(
        f"{REPLY}/headers/X-New", {"schema": STRING}, "header-added", "harmless", "/response/200/headers/x-new"
    ),
    "a header of an answer less": one(f"{REPLY}/headers/X-Maybe", GONE, "header-withdrawn", "risky"),
    "a sure header less": one(f"{REPLY}/headers/X-Always", GONE, "header-withdrawn", "breaking"),
    "a header sure": one(f"{REPLY}/headers/X-Maybe/required", True, "header-required", "harmless"),
    "a header unsure": one(f"{REPLY}/headers/X-Always/required", False, "header-optional", "breaking"),
    "a header's type": one(f"{REPLY}/headers/X-Maybe/schema", {"type": "integer"}, "type-narrowed", "harmless"),
    "a header's style": one(f"{REPLY}/headers/X-Maybe/explode", True, "parameter-style-changed", "harmless"),
    "a header's deprecation": one(f"{REPLY}/headers/X-Maybe/deprecated", True, "deprecated", "harmless"),
}
"""What is changed, by what it is called in a test."""


def before(name: str) -> Json:
    """Give BASE, without what the plant needs to be gone on both sides."""
    is_path = name == "the name of a parameter of the path"
    return edited(BASE, ("/paths/~1a~1{id}/get", GONE)) if is_path else edited(BASE, *PLANTED[name].before)


@pytest.mark.parametrize("name", PLANTED)
def test_a_change_of_a_call_is_seen_once_there_and_back(name: str) -> None:
    plant = PLANTED[name]
    a, b = before(name), edited(BASE, *plant.before, *plant.edits)
    (there,) = changes(a, b)
    assert (there.rule, there.severity) == (plant.rule, plant.severity)
    assert there.where.startswith(plant.where)
    assert stands(there, a, b)
    (back,) = changes(b, a)
    assert back.cause == mirrored(there)


@pytest.mark.parametrize(
    ("name", "there", "back"),
    [
        ("an operation less", "GET /a/{id} was withdrawn", "GET /a/{id} is new"),
        ("its name", 'the operationId went from "make" to "build"', 'the operationId went from "build" to "make"'),
        ("its deprecation", "it is deprecated", "it is no longer deprecated"),
        ("a server", "the address https://two.example is new", "the address https://two.example is gone"),
        ("two keys", "more is needed to be let in", "less is needed to be let in"),
        (
            "a required parameter",
            "the parameter new of the query is new: it must be there",
            "the parameter new of the query is gone",
        ),
        (
            "a parameter",
            "the parameter new of the query is new: it may be left out",
            "the parameter new of the query is gone",
        ),
        ("a parameter required", "the parameter q must be there", "the parameter q may be left out"),
        ("a required body", "there is a body now, which must be there", "there is no body any more"),
        ("a body", "there is a body now, which may be left out", "there is no body any more"),
        ("the body required", "the body must be there", "the body may be left out"),
        ("a status", "the status 202 is new", "the status 202 is no longer answered"),
        ("a body of an answer", "there is a body now", "there is no body any more"),
        ("a header sure", "the header x-maybe is always there", "the header x-maybe may be missing"),
        ("a header", "the header x-new is new", "the header x-new is gone"),
        ("a media type of an answer", "text/plain is new", "the media type text/plain is gone"),
    ],
)
def test_a_change_is_told_in_a_sentence(name: str, there: str, back: str) -> None:
    a, b = BASE, edited(BASE, *PLANTED[name].edits)
    assert [each.message.partition(";")[0] for each in (*changes(a, b), *changes(b, a))] == [there, back]


@pytest.mark.parametrize(
    ("edits", "severity"),
    [
        (((f"{REPLY}/headers/X-Always", GONE),), "harmless"),
        (((f"{PLACE}/responses/202", {"description": ""}),), "breaking"),
        (((f"{PLACE}/responses/409", {"description": ""}),), "harmless"),
        (((f"{PLACE}/security", []),), "breaking"),
        (((f"{PLACE}/deprecated", True),), "harmless"),
        (((f"{REPLY}/content", GONE),), "harmless"),
    ],
)
def test_the_way_back_weighs_by_itself(edits: tuple[tuple[str, Json], ...], severity: Severity) -> None:
    (back,) = changes(edited(BASE, *edits), BASE)
    assert back.severity == severity


@pytest.mark.parametrize(
    "edits",
    [
        (("/info/title", "other"), ("/info/version", "2"), ("/info/description", "x")),
        (("/components/schemas", {"Unused": STRING}),),
        ((f"{PLACE}/x-note", 1), (f"{REPLY}/x-evidence", "client")),
        ((f"{PLACE}/security", [{"Key": []}]),),
        (("/components/securitySchemes/Key/description", "x"),),
        (
            ("/components/securitySchemes/Other", BASE["components"]["securitySchemes"]["Key"]),
            ("/security", [{"Other": []}]),
        ),
        (("/components/securitySchemes/Key/scheme", "Bearer"),),
        ((f"{PLACE}/parameters/4", query("shared")),),
        ((f"{PLACE}/parameters/0/style", "form"), (f"{PLACE}/parameters/0/required", False)),
        ((f"{PLACE}/parameters/2/name", "x-trace"),),
        ((f"{PLACE}/parameters/-", {"name": "Accept", "in": "header", "schema": STRING}),),
        ((f"{PLACE}/requestBody/required", False),),
        (
            (f"{PLACE}/responses/2XX", BASE["paths"]["/a/{id}"]["post"]["responses"]["200"]),
            (f"{PLACE}/responses/2XX", GONE),
        ),
        ((f"{REPLY}/headers/Content-Type", {"schema": STRING}),),
        (
            ("/components/examples", {"One": {"value": "x", "summary": "told"}}),
            (f"{REPLY}/content/application~1json/examples/one", {"$ref": "#/components/examples/One"}),
        ),
        ((f"{PLACE}/responses/404", BASE["components"]["responses"]["Missing"]),),
        ((f"{PLACE}/servers", [{"url": "https://one.example", "description": "x"}]),),
    ],
)
def test_what_says_the_same_is_no_change(edits: tuple[tuple[str, Json], ...]) -> None:
    assert changes(BASE, edited(BASE, *edits)) == changes(edited(BASE, *edits), BASE) == ()


def test_the_name_of_a_header_with_a_key_has_no_case() -> None:
    base = edited(BASE, (f"{PLACE}/security", [{"Header": []}]))
    assert changes(base, edited(base, ("/components/securitySchemes/Header/name", "x-key"))) == ()
    (there,) = changes(base, edited(base, ("/components/securitySchemes/Header/name", "X-Other")))
    assert (there.rule, there.severity) == ("security-changed", "breaking")


JSON, ANY = "application/json", "*/*"


def typed(names: tuple[str, ...], direction: str) -> Json:
    """Give a document whose body, or answer, has these media types."""
    content = {name: {"schema": STRING} for name in names}
    return edited(BASE, (f"{PLACE}/requestBody/content" if direction == "request" else f"{REPLY}/content", content))


@pytest.mark.parametrize(
    ("was", "now", "rule", "request_severity", "response_severity"),
    [
        ((ANY,), (JSON,), "media-type-narrowed", "breaking", "harmless"),
        (("application/*", "text/plain"), (JSON, "text/plain"), "media-type-narrowed", "breaking", "harmless"),
        ((ANY, JSON), (JSON,), "media-type-narrowed", "breaking", "harmless"),
        ((JSON,), ("application/problem+json",), "media-type-narrowed", "breaking", "risky"),
        (("application/vnd.one+json",), (JSON,), "media-type-widened", "risky", "risky"),
        ((JSON,), (JSON + "; version=2",), "media-type-parameters-changed", "risky", "risky"),
        ((JSON,), ("text/json",), "media-type-withdrawn", "breaking", "breaking"),
    ],
)
def test_a_media_type_is_compared_with_those_that_it_is_a_case_of(
    was: tuple[str, ...], now: tuple[str, ...], rule: str, request_severity: str, response_severity: str
) -> None:
    for direction, severity in (("request", request_severity), ("response", response_severity)):
        a, b = typed(was, direction), typed(now, direction)
        there = changes(a, b)
        assert (rule, severity) in {(each.rule, each.severity) for each in there}
        assert len(there) == (2 if rule == "media-type-withdrawn" else 1)
        assert {each.cause for each in changes(b, a)} == {mirrored(each) for each in there}


def test_a_charset_does_not_make_another_media_type() -> None:
    for direction in ("request", "response"):
        assert changes(typed((JSON,), direction), typed(("Application/JSON;charset=utf-8",), direction)) == ()


def test_a_change_that_several_operations_share_is_told_once_with_all_of_them() -> None:
    base = edited(BASE, ("/paths/~1a~1{id}/get/responses/404", {"$ref": "#/components/responses/Missing"}))
    (there,) = changes(base, edited(base, ("/components/responses/Missing/content/application~1json/schema", {})))
    assert there.operations == ("make", "look")
    found = drift(Description("A", base), Description("B", edited(base, (f"{PLACE}/deprecated", True))))
    assert found.compared == ("make", "look")
    assert found.unchanged == ("look",)


def test_a_part_that_several_operations_share_is_compared_for_each_of_them() -> None:
    a, b = (
        edited(
            BASE,
            (
                "/components/schemas",
                {"It": {"type": "object", "properties": {"a": {"type": "string", "maxLength": most}}}},
            ),
            (f"{REPLY}/content/application~1json/schema", {"$ref": "#/components/schemas/It"}),
            ("/paths/~1a~1{id}/get/responses/200/content", {"text/x": {"schema": {"$ref": "#/components/schemas/It"}}}),
        )
        for most in (4, 5)
    )
    (there,) = changes(a, b)
    assert (there.operations, there.after) == (("make", "look"), "/components/schemas/It/properties/a/maxLength")


def test_what_the_whole_document_says_is_told_once_at_its_own_place() -> None:
    (there,) = changes(BASE, edited(BASE, ("/security", [])))
    assert (there.rule, there.before, there.after) == ("security-loosened", "/security", "/security")
    assert there.operations == ("make", "look")
    (server,) = changes(BASE, edited(BASE, *PLANTED["a server"].edits))
    assert (server.after, server.operations) == ("/servers/1", ())
    (own,) = changes(BASE, edited(BASE, *PLANTED["a server of its own"].edits))
    assert (own.after, own.operations) == (f"{PLACE}/servers/1", ("make",))
    (key,) = changes(BASE, edited(BASE, *PLANTED["two keys"].edits))
    assert (key.before, key.after) == ("/security", f"{PLACE}/security")


def test_a_schema_of_requests_and_of_answers_is_told_for_each() -> None:
    it = {"$ref": "#/components/schemas/It"}
    a, b = (document(it, it, {"It": {"type": "string", "maxLength": most}}) for most in (5, 3))
    assert [(each.severity, each.direction) for each in changes(a, b)] == [
        ("breaking", "request"),
        ("harmless", "response"),
    ]


def test_the_worst_changes_come_first() -> None:
    edits = [edit for name in ("its summary", "its name", "the body required") for edit in PLANTED[name].edits]
    assert [each.severity for each in changes(BASE, edited(BASE, *edits))] == ["breaking", "risky", "harmless"]


# -- the rules -------------------------------------------------------------------------------------------------------


def test_every_rule_is_the_way_back_of_its_way_back() -> None:
    assert {name for name in RULES if mirror(name) not in RULES or mirror(mirror(name)) != name} == set()


def test_what_narrows_breaks_requests_and_what_widens_breaks_readers() -> None:
    for name, rule in RULES.items():
        if re.search("narrowed|tightened|closed", name) and rule.aspect != "access":
            assert rule.request == "breaking", name
            assert RULES[mirror(name)].request == "harmless", name


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), "none"),
        (("its summary", "an example of an answer"), "patch"),
        (("its deprecation", "its summary"), "minor"),
        (("a parameter",), "minor"),
        (("a parameter less",), "minor"),
        (("a parameter less", "a status less", "its summary"), "major"),
    ],
)
def test_the_verdict_is_that_of_semantic_versions(names: tuple[str, ...], expected: str) -> None:
    edits = [edit for name in names for edit in PLANTED[name].edits]
    assert verdict(changes(BASE, edited(BASE, *edits))) == expected


def test_the_end_of_a_deprecation_is_a_patch() -> None:
    assert verdict(changes(edited(BASE, *PLANTED["its deprecation"].edits), BASE)) == "patch"


# -- the laws --------------------------------------------------------------------------------------------------------


@given(drawn_documents)
def test_a_document_does_not_differ_from_itself_however_its_schemas_are_called(made: Json) -> None:
    assert changes(made, made) == ()
    assert changes(made, renamed(made)) == ()


@given(drawn_documents, drawn_documents)
def test_the_way_back_mirrors_every_change(a: Json, b: Json) -> None:
    assert {each.cause for each in changes(b, a)} == {mirrored(each) for each in changes(a, b)}


@given(drawn_documents, drawn_documents)
@example(document({}, {}), document({}, {"anyOf": [{"type": "null"}, {"type": "null"}]}))
def test_every_change_names_places_that_are_there(a: Json, b: Json) -> None:
    for each in changes(a, b):
        assert stands(each, a, b)


def is_untouched(found: tuple[ContractChange, ...], direction: str) -> bool:
    return not any(each.direction == direction and each.severity != "harmless" for each in found)


@given(drawn_pairs, drawn_components, st.integers(0, 99))
@example(({"enum": ["a"]}, {"type": "null"}), {}, 0)
@example(({"type": "null"}, {"enum": ["a"]}), {}, 0)
def test_no_value_that_was_right_is_wrong_after_a_harmless_change(
    pair: tuple[Json, Json], components: Json, seed: int
) -> None:
    """Of requests, what A allows is allowed by B; of answers, what B allows was allowed by A."""
    a, b = (document(each, each, components) for each in pair)
    found = changes(a, b)
    if is_untouched(found, "request"):
        assert refused(a, b, BODY, seed) == []
    if is_untouched(found, "response"):
        assert refused(b, a, ANSWER, seed) == []


def refused(maker: Json, judge: Json, pointer: str, seed: int) -> list[str]:
    """Make a value by one document, and say what is wrong with it by another."""
    try:
        value = generate(Schema(maker, pointer, "own"), Random(seed))
    except ContractError:
        return []
    return Judge(judge).errors(pointer, value) if Judge(maker).errors(pointer, value) == [] else []


# -- the eras --------------------------------------------------------------------------------------------------------


def told(a: str, b: str) -> set[tuple[str, str, str]]:
    """Give what has changed from one era to another but for examples: severity, rule, place."""
    found = drift(*(Description(era, contract_of(era).document) for era in (a, b))).changes
    kept = [each for each in found if each.rule != "example-changed"]
    assert {each.severity for each in found} - {each.severity for each in kept} <= {"harmless"}
    return {(each.severity, each.rule, each.after or each.before or "") for each in kept}


WITHDRAWN = ("breaking", "operation-withdrawn", "/paths/~1api~1v1~1chat~1{session_id}~1title/post")
ERRORS_TELL_MORE = {
    ("harmless", "field-added", f"/components/schemas/ValidationError/properties/{name}") for name in ("input", "ctx")
}
SHARED = {
    ("harmless", "field-added", "/components/schemas/SessionCreate/properties/shared_access"),
    ("harmless", "field-added", "/components/schemas/ChatParams/properties/require_all_indexes"),
    ("harmless", "required-field-added", "/components/schemas/ChatSessionSummary/properties/shared_access"),
    ("harmless", "required-field-added", "/components/schemas/SessionDetail/properties/shared_access"),
    ("harmless", "field-added", "/components/schemas/StopEvent/properties/skipped_index_ids"),
}


def test_from_2_6_to_2_8_the_title_was_withdrawn_and_errors_tell_more() -> None:
    assert told("2.6", "2.8") == {WITHDRAWN, *ERRORS_TELL_MORE}


def test_from_2_8_to_2_17_access_is_shared_and_a_turn_can_insist_on_its_indexes() -> None:
    assert told("2.8", "2.17") == SHARED


def test_from_2_6_to_2_17_is_both() -> None:
    assert told("2.6", "2.17") == {WITHDRAWN, *ERRORS_TELL_MORE, *SHARED}


def test_the_required_field_reaches_every_operation_that_answers_with_a_session() -> None:
    found = drift(*(Description(era, contract_of(era).document) for era in ("2.8", "2.17"))).changes
    reached = {name for each in found if each.rule == "required-field-added" for name in each.operations}
    assert reached == {"create", "list", "retrieve", "get_summary"}


@pytest.mark.parametrize(
    ("a", "b", "expected"), [("2.6", "2.8", "major"), ("2.8", "2.17", "minor"), ("2.17", "2.8", "major")]
)
def test_the_verdicts_on_the_eras(a: str, b: str, expected: str) -> None:
    assert verdict(drift(*(Description(era, contract_of(era).document) for era in (a, b))).changes) == expected


@pytest.mark.parametrize("era", VERSIONS)
def test_an_era_does_not_differ_from_itself(era: str) -> None:
    made = Description(era, contract_of(era).document)
    assert drift(made, made).changes == ()
    assert len(drift(made, made).compared) == (7 if era == "2.6" else 6)


def test_the_comparison_leaves_the_documents_as_they_are() -> None:
    made = contract_of("2.6").document
    kept = copy.deepcopy(made)
    drift(Description("2.6", made), Description("2.17", contract_of("2.17").document))
    assert made == kept


# -- what is not understood ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "what", "where"),
    [
        ((f"{REPLY}/content/application~1json/schema", {"nullable": True}), "'nullable' is not known", "/nullable"),
        (
            (f"{REPLY}/content/application~1json/schema", {"$ref": "#/components/schemas/No"}),
            "names nothing",
            "/schema",
        ),
        (("/paths/~1a~1{id}", {"$ref": "#/x"}), "names nothing", "/paths/~1a~1{id}"),
    ],
)
def test_what_is_not_understood_is_an_error_with_its_place(edit: tuple[str, Json], what: str, where: str) -> None:
    with pytest.raises(ContractError) as caught:
        changes(BASE, edited(BASE, edit))
    assert what in caught.value.what
    assert caught.value.where.endswith(where)


def test_a_fingerprint_knows_no_names() -> None:
    node = {"type": "object", "properties": {"again": {"$ref": "#/components/schemas/It"}, "x": {"enum": [2, 1]}}}
    again: Json = {"x": {"enum": [1, 2.0], "description": "x"}, "again": {"$ref": "#/components/schemas/Es"}}
    one = Views({"components": {"schemas": {"It": node}}})
    other = Views({"components": {"schemas": {"Es": {"type": "object", "properties": again, "x-note": 1}}}})
    print_of_it = one.fingerprint("/components/schemas/It")
    assert print_of_it == other.fingerprint("/components/schemas/Es")
    again["x"]["enum"] = [1]
    assert print_of_it != Views(other.document).fingerprint("/components/schemas/Es")
    assert lookup(one.document, "/components/schemas/It") is node


def test_a_parameter_of_an_operation_stands_for_that_of_its_path() -> None:
    common = query("q", schema={"type": "string", "maxLength": 5})
    a = edited(BASE, ("/paths/~1a~1{id}/parameters/-", query("q")))
    b = edited(BASE, ("/paths/~1a~1{id}/parameters/-", common))
    assert {each.operations for each in changes(a, b)} == {("look",)}
