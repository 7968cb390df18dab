"""Pairs of documents, and whether what is new breaks callers or readers, by what the contract means."""

from typing import Any

import pytest

from mockserver.check.changes.rules import Severity
from mockserver.messages import Json
from tests.drifts import PATH, changes, document, sided


def text(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


INTEGER: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}
BOOLEAN: Json = {"type": "boolean"}
FREE: Json = {"type": "object", "properties": {"a": text()}}
TAGGED: Json = {"type": "object", "properties": {"a": text(), "kind": {"const": "x"}}, "required": ["kind"]}

Weights = tuple[Severity | None, Severity | None]
"""The worst change of a pair and of its way back; None for no change."""


def worst(a: Json, b: Json) -> Severity | None:
    order: tuple[Severity, ...] = ("breaking", "risky", "harmless")
    found = {each.severity for each in changes(a, b)}
    return next((each for each in order if each in found), None)


def weights(a: Json, b: Json) -> Weights:
    return worst(a, b), worst(b, a)


# -- parameters and headers, which are texts -------------------------------------------------------------------------


def held(location: str, **more: Any) -> Json:
    """Give a document with a parameter."""
    made = document(text(), text())
    each = {"name": "p", "in": location, **({"required": True} if location == "path" else {}), **more}
    operation = made["paths"].pop(PATH)
    operation["post"]["parameters"] = [each]
    made["paths"]["/things/{p}" if location == "path" else PATH] = operation
    return made


def listing(items: Json) -> Json:
    return {"type": "array", "items": items}


AS_TEXT: list[tuple[Json, Json, Weights]] = [
    (INTEGER, text(), ("harmless", "breaking")),
    (NUMBER, text(), ("harmless", "breaking")),
    (BOOLEAN, text(), ("harmless", "breaking")),
    ({"type": "integer", "enum": [1, 2]}, text(minLength=1), ("harmless", "breaking")),
    (listing(INTEGER), listing(text()), ("harmless", "breaking")),
    (INTEGER, text(maxLength=3), ("breaking", "breaking")),
    (INTEGER, text(pattern="^x"), ("breaking", "breaking")),
    (INTEGER, text(format="uuid"), ("breaking", "breaking")),
    (INTEGER, text(enum=["1"]), ("breaking", "breaking")),
    (INTEGER, BOOLEAN, ("breaking", "breaking")),
    (text(), listing(text()), ("breaking", "breaking")),
]


@pytest.mark.parametrize("location", ["query", "path", "header", "cookie"])
@pytest.mark.parametrize(("was", "now", "weight"), AS_TEXT)
def test_a_parameter_that_becomes_any_text_takes_what_it_took(
    location: str, was: Json, now: Json, weight: Weights
) -> None:
    assert weights(held(location, schema=was), held(location, schema=now)) == weight


def test_a_value_in_json_is_no_text() -> None:
    a, b = (held("query", content={"application/json": {"schema": each}}) for each in (INTEGER, text()))
    assert weights(a, b) == ("breaking", "breaking")
    assert weights(sided(INTEGER, "request"), sided(text(), "request")) == ("breaking", "breaking")


def test_a_header_of_an_answer_that_becomes_a_number_is_still_read() -> None:
    def told(schema: Json) -> Json:
        made = document(text(), text())
        made["paths"][PATH]["post"]["responses"]["200"]["headers"] = {"X-Left": {"schema": schema}}
        return made

    assert weights(told(text()), told(INTEGER)) == ("harmless", "breaking")


@pytest.mark.parametrize(
    ("was", "now", "weight"),
    [
        ({"schema": text()}, {"schema": text(), "explode": False}, ("harmless", "harmless")),
        ({"schema": listing(text())}, {"schema": listing(text()), "explode": False}, ("breaking", "breaking")),
        ({"schema": {}}, {"schema": {}, "explode": False}, ("breaking", "breaking")),
        ({"schema": text()}, {"schema": text(), "allowReserved": True}, ("harmless", "breaking")),
        ({"schema": text()}, {"schema": text(), "allowEmptyValue": True}, ("harmless", "breaking")),
        ({"schema": FREE}, {"content": {"application/json": {"schema": FREE}}}, ("breaking", "breaking")),
    ],
)
def test_how_a_parameter_is_written_weighs_what_callers_may_no_longer_write(
    was: Json, now: Json, weight: Weights
) -> None:
    assert weights(held("query", **was), held("query", **now)) == weight


# -- what values can be ----------------------------------------------------------------------------------------------

SAME: Weights = (None, None)

VALUES: dict[str, tuple[Json, Json, Weights, Weights]] = {
    "a limit that listed values hold": (text(enum=["a", "b"]), text(enum=["a", "b"], maxLength=3), SAME, SAME),
    "a pattern that they hold": (text(enum=["a", "b"]), text(enum=["a", "b"], pattern="^[ab]$"), SAME, SAME),
    "a limit that they do not hold": (
        *(text(enum=["a", "bbbb"]), text(enum=["a", "bbbb"], maxLength=3)),
        *(("breaking", "harmless"), ("harmless", "risky")),
    ),
    "a pattern for values that have it": (
        *(text(enum=["a", "b"]), text(pattern="^[abc]$")),
        *(("harmless", "breaking"), ("risky", "harmless")),
    ),
    "a pattern for values that have it not": (
        *(text(enum=["a", "x"]), text(pattern="^[abc]$")),
        *(("breaking", "breaking"), ("risky", "risky")),
    ),
    "both booleans": (BOOLEAN, {"type": "boolean", "enum": [True, False]}, SAME, SAME),
    "one boolean": (BOOLEAN, {"type": "boolean", "enum": [True]}, ("breaking", "harmless"), ("harmless", "risky")),
    "a member that takes more": (
        *({"anyOf": [text(), INTEGER]}, {"anyOf": [text(), NUMBER]}),
        *(("harmless", "breaking"), ("breaking", "harmless")),
    ),
    "a member within another": (
        *({"anyOf": [text(enum=["a"]), text()]}, text()),
        *(("harmless", "harmless"), ("harmless", "harmless")),
    ),
    "a member beside which another stays": (
        *({"anyOf": [text(enum=["a"]), text()]}, {"anyOf": [text(enum=["a"])]}),
        *(("breaking", "harmless"), ("harmless", "risky")),
    ),
    "an object within another": (
        *({"anyOf": [TAGGED, INTEGER]}, {"anyOf": [FREE, INTEGER]}),
        *(("risky", "breaking"), ("breaking", "harmless")),
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_weigh_what_the_contract_means(name: str) -> None:
    was, now, request, response = VALUES[name]
    assert weights(sided(was, "request"), sided(now, "request")) == request
    assert weights(sided(was, "response"), sided(now, "response")) == response


def test_members_of_a_large_union_are_not_tried_each_with_each() -> None:
    def union(kind: Json, size: int) -> Json:
        others = [{"type": "object", "properties": {f"x{n}": text()}, "required": [f"x{n}"]} for n in range(size)]
        return {"anyOf": [*others, kind]}

    found = [changes(sided(union(INTEGER, n), "request"), sided(union(NUMBER, n), "request")) for n in (10, 60)]
    assert [[each.rule for each in some] for some in found] == [
        ["type-widened"],
        ["variant-withdrawn", "variant-added"],
    ]
