"""Verdicts and explanations come from one engine, in time that is linear in the value or bounded."""

from pathlib import Path

import pytest

from mockserver.contract.pattern import LONGEST
from mockserver.contract.schema import Schema
from mockserver.engine import Mock
from mockserver.messages import Json
from mockserver.settings import Settings
from tests.strategies import write_document
from tests.talk import ask, header

HARD = "(?=a)(a*)*c"
"""A pattern that must backtrack."""

LONG = "a" * 30_000


def own(node: Json) -> Schema:
    return Schema({"components": {"schemas": {"Own": node}}}, "/components/schemas/Own", "own")


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"pattern": "^(a+)+$"}, LONG + "!"),
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, {LONG + "!": 1}),
        ({"uniqueItems": True}, [{"a": index} for index in range(20_000)] + [{"a": 0}]),
        ({"items": {"pattern": "^y$"}}, ["x"] * 1_000_000),
        ({"anyOf": [{"items": {"type": "integer"}}, {"type": "object"}]}, ["x"] * 1_000_000),
        ({"items": {"pattern": HARD}}, ["a" * 4_000] * 2_000),
    ],
)
def test_a_hostile_value_is_refused_with_one_error(node: Json, value: Json) -> None:
    schema = own(node)
    assert not schema.is_valid(value)
    assert len(schema.errors(value)) == 1


@pytest.mark.parametrize(
    "node",
    [
        {"pattern": HARD},
        {"not": {"pattern": HARD}},
        {"anyOf": [{"pattern": HARD}, {"type": "integer"}]},
        {"if": {"pattern": HARD}, "then": False, "else": {"minLength": 1}},
    ],
)
def test_what_takes_too_many_steps_is_not_judged_and_never_invalid(node: Json) -> None:
    schema = own(node)
    assert schema.is_valid(LONG)
    assert schema.judge(LONG)[1] == [HARD]
    assert not schema.compiled()(LONG)  # it is not valid beyond doubt


def test_a_name_that_takes_too_many_steps_is_not_judged() -> None:
    schema = own({"patternProperties": {HARD: {"type": "integer"}}, "additionalProperties": False})
    assert (schema.is_valid({LONG: "x"}), schema.judge({LONG: "x"})[1]) == (True, [HARD])
    assert (schema.is_valid({"aac": "x"}), schema.is_valid({"aac": 1}), schema.is_valid({"b": 1})) == (
        False,
        True,
        False,
    )


def test_beside_a_pattern_that_backtracks_the_others_are_judged_at_any_length() -> None:
    schema = own({"properties": {"a": {"pattern": HARD}, "b": {"pattern": "^(a+)+$"}}})
    assert schema.is_valid({"a": "aac", "b": LONG})
    assert not schema.is_valid({"a": "aac", "b": LONG + "!"})
    assert schema.judge({"a": "aac", "b": LONG + "!"})[1] == []


@pytest.mark.parametrize(("length", "judged"), [(LONGEST, True), (LONGEST + 1, False)])
def test_a_pattern_that_backtracks_judges_texts_up_to_a_length(length: int, judged: bool) -> None:
    schema = own({"pattern": HARD})
    assert schema.is_valid("b" * length) is not judged
    assert schema.judge("b" * length)[1] == ([] if judged else [HARD])


def test_what_else_is_wrong_beside_a_text_that_is_not_judged_is_refused() -> None:
    schema = own({"properties": {"a": {"pattern": HARD}, "b": {"type": "integer"}}})
    assert not schema.is_valid({"a": LONG, "b": "x"})
    assert [error.path for error in schema.errors({"a": LONG, "b": "x"})] == [["b"]]


@pytest.mark.parametrize(
    ("pattern", "right", "wrong"),
    [
        (r"^\d+$", "12", ["12\n", "٣"]),
        (r"^\w+$", "ab_1", ["é"]),
        (r"^.$", "😀", ["ab"]),
        (r"^\p{L}+$", "é", ["1"]),
        (r"^(?=.*\d)[a-z\d]+$", "a1", ["ab", "a1\n", "a٣"]),
        (r"^(?!x)[\w.]+$", "a.1", ["é"]),
        (r"^(?=.)\D[\W]$", "٣é", ["1-", "aa"]),
        (r"^(a+)b\1$", "aabaa", ["aaba"]),
    ],
)
def test_patterns_have_the_meaning_of_ecma_262(pattern: str, right: str, wrong: list[str]) -> None:
    schema = own({"pattern": pattern})
    assert schema.is_valid(right)
    for text in wrong:
        assert not schema.is_valid(text)
        assert [error.keyword for error in schema.errors(text)] == ["pattern"]


def test_a_body_that_is_not_judged_is_accepted_and_said(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": HARD}}}
    operation = {
        "operationId": "put_note",
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}}},
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Own", "version": "1"},
        "paths": {"/notes": {"post": operation}},
    }
    mock = Mock(Settings(contract=str(write_document(tmp_path, document)), seed=0))
    assert ask(mock.handle, "POST", "/notes", {"a": "b"}).status == 422
    taken = ask(mock.handle, "POST", "/notes", {"a": LONG})
    assert (taken.status, header(taken, "x-mock-fault")) == (200, "contract")
    assert "was not judged by the pattern" in str(header(taken, "x-mock-message"))
