"""Two validators give one verdict, and a no is explained at the right places."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.contract.load import convert
from mockserver.contract.schema import Schema, check_branches, check_schema
from mockserver.contract.tree import join, lookup, resolve
from mockserver.errors import ContractError
from mockserver.messages import Finding, Json
from tests.strategies import component_schemas, contract_of, json_values, judge, near

EVERY = {
    f"{version} {schema.pointer.rpartition('/')[2]}": schema
    for version in VERSIONS
    for schema in component_schemas(version)
}
UUIDS = [
    "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e",
    "182bd5e56e1a4fe4a799aa6d9a6ab26e",
    "182BD5E5-6E1A-4FE4-A799-AA6D9A6AB26E",
    "{182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e}",
    "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26",
    "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26g",
    "",
]


def schema_of(node: Json, **components: Json) -> Schema:
    """Give a schema of a document that holds it alone."""
    document = {"components": {"schemas": {"It": node, **components}}}
    return Schema(document, "/components/schemas/It", "own")


def named(version: str, name: str) -> Schema:
    return Schema(contract_of(version).document, f"/components/schemas/{name}", version)


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


# -- one verdict -----------------------------------------------------------------------------------------------------


@given(st.data())
def test_both_validators_give_the_same_verdict(data: st.DataObject) -> None:
    schema = EVERY[data.draw(st.sampled_from(sorted(EVERY)))]
    value = data.draw(near(schema))
    errors = judge(schema.name).errors(schema.pointer, value)
    assert schema.is_valid(value) == (not errors)
    assert [finding.rule for finding in schema.explain(value) if finding.rule == "schema"] == []
    assert bool(schema.explain(value)) == bool(errors)


@given(st.sampled_from([{"type": "string", "format": "uuid"}]), st.sampled_from(UUIDS) | json_values)
def test_both_validators_give_the_same_verdict_on_ids(node: Json, value: Json) -> None:
    schema = schema_of(node)
    findings = schema.explain(value)
    assert schema.is_valid(value) == (not findings)
    assert "schema" not in [finding.rule for finding in findings]


@given(
    st.sampled_from(
        [
            {"type": "integer"},
            {"type": "number"},
            {"const": 1},
            {"const": True},
            {"enum": [0, False, "0", None]},
            {"type": "integer", "multipleOf": 3},
            {"exclusiveMinimum": 0, "maximum": 10},
            {"maxLength": 2},
            {"uniqueItems": True},
            {"minProperties": 1, "additionalProperties": {"type": "string"}},
            {"prefixItems": [{"type": "integer"}], "items": False},
            {"type": ["string", "null"]},
            {"not": {"type": "string"}},
            {"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"type": "null"}},
            {"patternProperties": {"^a": {"type": "integer"}}},
            {"contains": {"type": "string"}},
            True,
            False,
        ]
    ),
    json_values,
)
@example({"type": "integer"}, 1.0)
@example({"type": "integer"}, True)
@example({"const": 1}, True)
@example({"enum": [0, False, "0", None]}, 0.0)
@example({"type": "integer"}, 2**70)
@example({"type": "integer", "multipleOf": 3}, 3 * 2**70)
@example({"maxLength": 2}, "👍🏽")
@example({"maxLength": 2}, "👍👍")
@example({"uniqueItems": True}, [1, True])
@example({"uniqueItems": True}, [1, 1.0])
def test_both_validators_give_the_same_verdict_keyword_by_keyword(node: Json, value: Json) -> None:
    schema = schema_of(node)
    findings = schema.explain(value)
    assert schema.is_valid(value) == (not findings)
    assert "schema" not in [finding.rule for finding in findings]


@pytest.mark.parametrize("form", ["uuid", "date-time", "date", "time", "email", "uri", "hostname", "ipv4", "ipv6"])
def test_a_format_that_is_broken_is_the_rule_that_is_named(form: str) -> None:
    schema = schema_of({"type": "string", "format": form})
    assert not schema.is_valid("no such thing\\")
    assert only(schema.explain("no such thing\\")).rule == "format"


def test_a_text_that_no_utf_8_can_hold_is_no_value() -> None:
    schema = schema_of({"type": "string"})
    assert not schema.is_valid("\ud800")
    assert only(schema.explain("\ud800", where="/body")).where == "/body"


# -- a no is explained -----------------------------------------------------------------------------------------------


@given(st.data())
def test_a_finding_names_the_wrong_value_and_the_rule_in_the_document(data: st.DataObject) -> None:
    schema = EVERY[data.draw(st.sampled_from(sorted(EVERY)))]
    value = data.draw(near(schema))
    for finding in schema.explain(value, where="", fault="client"):
        assert lookup(value, finding.where) == finding.received
        name, _, pointer = finding.contract.partition("#")
        assert name == schema.name
        assert pointer.rpartition("/")[2] == finding.rule
        assert finding.expected == {finding.rule: lookup(schema.document, pointer)}
        assert finding.fault == "client"


def test_a_wrong_part_is_named_and_no_other() -> None:
    value: Any = {"session_id": "s", "last_updated_at": 5, "job_metadata": {"turns": "1"}}
    found = {finding.where: finding for finding in named("2.6", "ChatSessionSummary").explain(value, where="/body")}
    assert set(found) == {"/body/last_updated_at", "/body/job_metadata/turns"}
    turns = found["/body/job_metadata/turns"]
    assert turns.contract == "2.6#/components/schemas/JobMetadata/properties/turns/type"
    assert (turns.rule, turns.expected, turns.received) == ("type", {"type": "integer"}, "1")


def test_what_is_missing_is_told_at_the_object_that_lacks_it() -> None:
    finding = only(named("2.17", "ChatSessionSummary").explain({"session_id": "s", "last_updated_at": "t"}))
    assert (finding.where, finding.rule) == ("", "required")
    assert "'shared_access'" in finding.message


@pytest.mark.parametrize(
    ("event", "where"),
    [
        ({"type": "stop", "usage": {"turns": "x"}, "is_error": False, "error": None}, "/usage/turns"),
        ({"type": "tool_call", "arguments": {}, "name": 5, "call_id": "c"}, "/name"),
        (
            {"type": "tool_result", "name": "n", "call_id": "c", "result": 1, "image_attachment": {}},
            "/image_attachment",
        ),
        ({"type": "text", "content": None}, "/content"),
        ({"type": "user_input"}, ""),
        ({"type": "stop"}, ""),
    ],
    ids=["stop", "tool_call", "tool_result", "text", "user_input", "bare stop"],
)
def test_of_a_union_the_branch_that_was_meant_is_explained(event: Json, where: str) -> None:
    findings = named("2.17", "Event").explain(event)
    assert {finding.where for finding in findings} == {where}
    meant = "".join(word.capitalize() for word in event["type"].split("_")) + "Event"
    explained = {finding.contract.split("/")[3] for finding in findings}
    assert explained <= {meant, "Usage", "ImageAttachment"}


def test_a_wrong_value_is_nearer_to_its_branch_than_names_that_another_one_forbids() -> None:
    """A branch that knows none of the names was not meant."""
    stage = {"name": {"type": "string"}, "stage": {"enum": ["beta"]}}
    branches = [
        {"properties": {"id": {"type": "string"}}, "additionalProperties": False},
        {"properties": stage, "additionalProperties": False},
    ]
    for union in ("oneOf", "anyOf"):
        finding = only(schema_of({"type": "object", union: branches}).explain({"name": "n", "stage": "x"}))
        assert (finding.where, finding.rule) == ("/stage", "enum")


def test_a_value_of_no_branch_is_told_of_the_union_itself() -> None:
    finding = only(named("2.6", "JobMetadata").explain({"error": 5}))
    assert (finding.where, finding.rule) == ("/error", "anyOf")


NAMES = st.sampled_from(["", "a", "0", "1", "01", "+1", "-1", "1e0", "99999999999999999999999", "\u0663"])
TREES = st.recursive(
    st.sampled_from([1, "x"]), lambda inner: st.dictionaries(NAMES, inner, max_size=4) | st.lists(inner)
)


@given(TREES)
def test_an_error_is_at_its_place_whatever_names_there_are(value: Json) -> None:
    """Empty ones, and digits: a map of numbers is as common as any. Of equal values the place may be another one's."""
    tree = {"type": ["integer", "object", "array"], "additionalProperties": {"$ref": "#/$defs/t"}}
    found = Schema({"$defs": {"t": {**tree, "items": {"$ref": "#/$defs/t"}}}}, "/$defs/t", "t").explain(value)
    places = dict(_texts(value))
    assert [places.get(finding.where) for finding in found] == ["x"] * len(places)


def _texts(value: Json, where: str = "") -> Iterator[tuple[str, Json]]:
    if isinstance(value, str):
        yield where, value
    for name, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _texts(each, f"{where}/{name}")


def test_a_long_message_is_cut() -> None:
    finding = only(schema_of({"type": "integer"}).explain("x" * 5000))
    assert len(finding.message) == 300
    assert finding.message.endswith("...")


# -- pointers and references -----------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=5) | st.integers(0, 3), max_size=4))
def test_a_pointer_leads_back_to_what_it_was_made_of(parts: list[str | int]) -> None:
    document: Json = "found"
    for part in reversed(parts):
        document = [*[None] * part, document] if isinstance(part, int) else {part: document}
    assert lookup(document, join("", *parts)) == "found"


@pytest.mark.parametrize("pointer", ["/a/9", "/a/x", "/b", "/a/0/c", "/a/0/b/z"])
def test_a_pointer_to_nothing_is_a_key_error(pointer: str) -> None:
    with pytest.raises(KeyError):
        lookup({"a": [{"b": 1}]}, pointer)


def test_references_are_followed_to_the_end() -> None:
    document = {"components": {"a": {"$ref": "#/components/b"}, "b": {"$ref": "#/components/c~1d"}, "c/d": 5}}
    assert resolve(document, "/components/a") == ("/components/c~1d", 5)


def test_a_schema_is_checked_below_every_keyword_that_holds_schemas() -> None:
    bad = {"typo": 1}
    for node in (
        {"items": bad},
        {"anyOf": [{}, bad]},
        {"properties": {"a/b": bad}},
        {"additionalProperties": bad},
        {"not": bad},
        {"$defs": {"x": bad}},
        {"if": {}, "then": bad},
        {"prefixItems": [bad]},
        {"dependentSchemas": {"x": bad}},
    ):
        with pytest.raises(ContractError, match="'typo' is not known"):
            check_schema({"components": node}, "/components", set())


@pytest.mark.parametrize(
    "node",
    [{"properties": ["a"]}, {"anyOf": {"a": {}}}, {"anyOf": 5}, {"items": 5}, {"properties": 5}],
    ids=["list of properties", "union by name", "union of a number", "items of a number", "properties of a number"],
)
def test_a_keyword_that_holds_no_schemas_where_it_must_is_refused(node: Json) -> None:
    with pytest.raises(ContractError):
        check_schema({"components": node}, "/components", set())


def test_keywords_of_ones_own_begin_with_x() -> None:
    check_schema({"components": {"x-mine": 1, "type": "string"}}, "/components", set())


def test_a_reference_with_siblings_keeps_them() -> None:
    base = {"type": "object", "required": ["a"]}
    document = {
        "components": {
            "schemas": {
                "Base": base,
                "Pair": {"$ref": "#/components/schemas/Base", "required": ["b"]},
                "Named": {"$ref": "#/components/schemas/Pair", "description": "A pair."},
                "Shown": {"$ref": "#/components/schemas/Base", "example": {"a": 1}},
            }
        }
    }
    pair = Schema(document, "/components/schemas/Named", "own")
    assert pair.pointer == "/components/schemas/Pair"
    assert [pair.is_valid(value) for value in ({"a": 1, "b": 2}, {"a": 1}, {"b": 2})] == [True, False, False]
    assert Schema(document, "/components/schemas/Shown", "own").node["example"] == {"a": 1}


@pytest.mark.parametrize("rest", [False, {"type": "integer"}])
def test_items_that_no_schema_evaluates_are_shown_as_they_are(rest: Json) -> None:
    schema = Schema({"prefixItems": [True], "unevaluatedItems": rest}, "", "own")
    (error,) = schema.errors([1, "b"])
    assert error.message == "Unevaluated items are not allowed ('b' was unexpected)"


DOUBLING: Json = {f"D{at}": {"allOf": [{"$ref": f"#/components/schemas/D{at + 1}"}] * 2} for at in range(15)}
"""Schemas of which each applies the next one twice: 2 ** 15 branches in all."""


@pytest.mark.parametrize(
    "node",
    [
        {"$ref": "#/components/schemas/D0"},
        {"properties": {"a": {"$ref": "#/components/schemas/D0"}}},
        {"items": {"properties": {"a": {"not": {"$ref": "#/components/schemas/D0"}}}}},
    ],
    ids=["of the value", "of a part", "of a part of a part"],
)
def test_a_schema_is_refused_for_what_applies_to_any_part_of_a_value(node: Json) -> None:
    schemas = {"S": node, **DOUBLING, "D15": {"type": "integer"}}
    document = convert({"openapi": "3.1.0", "paths": {}, "components": {"schemas": schemas}}, "api.json", lambda _: {})
    with pytest.raises(ContractError, match="more than 20,000 branches"):
        check_branches(document, "/components/schemas/S")
    check_branches(document, "/components/schemas/D6")  # which has 2 ** 9
