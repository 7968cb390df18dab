"""Documents that differ in one thing, and drawn ones, for the tests of drift."""

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hypothesis import strategies as st

from mockserver.check.changes.operations import Description, drift
from mockserver.check.changes.rules import ContractChange, Direction, Severity
from mockserver.contract.tree import lookup
from mockserver.messages import Json

GONE = object()
"""Stands for what an edit takes away."""

PATH = "/things"
BODY = "/paths/~1things/post/requestBody/content/application~1json/schema"
ANSWER = "/paths/~1things/post/responses/200/content/application~1json/schema"


def document(request: Json, response: Json, components: Mapping[str, Json] | None = None) -> Json:
    """Give a document of one operation with these schemas."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "own", "version": "1"},
        "paths": {
            PATH: {
                "post": {
                    "operationId": "make",
                    "requestBody": {"content": {"application/json": {"schema": request}}},
                    "responses": {"200": {"description": "", "content": {"application/json": {"schema": response}}}},
                }
            }
        },
        "components": {"schemas": dict(components or {})},
    }


def sided(schema: Json, direction: Direction, components: Mapping[str, Json] | None = None) -> Json:
    """Give a document with a schema in a request or in an answer."""
    other = {"type": "string"}
    request, response = (schema, other) if direction == "request" else (other, schema)
    return document(request, response, components)


def changes(a: Json, b: Json) -> tuple[ContractChange, ...]:
    """Compare two documents."""
    return drift(Description("A", a), Description("B", b)).changes


def edited(base: Json, *edits: tuple[str, Json]) -> Json:
    """Give a copy with edits: a pointer and what shall stand there, GONE, or appended where it ends with /-."""
    made = json.loads(json.dumps(base))
    for pointer, value in edits:
        parent, _, last = pointer.rpartition("/")
        owner, key = lookup(made, parent), last.replace("~1", "/").replace("~0", "~")
        if isinstance(owner, list):
            if key == "-":
                owner.append(value)
            elif value is GONE:
                del owner[int(key)]
            else:
                owner[int(key)] = value
        elif value is GONE:
            del owner[key]
        else:
            owner[key] = value
    return made


def mirrored(change: ContractChange) -> tuple[str, str, str | None, str | None, str]:
    """Return what tells the way back of a change apart from others."""
    rule, direction, before, after, detail = change.cause
    return mirror(rule), direction, after, before, detail


_OPPOSITES = (
    *(("added", "withdrawn"), ("opened", "closed"), ("tightened", "loosened"), ("narrowed", "widened")),
    *(("required", "optional"), ("deprecated", "undeprecated"), ("exclusive", "inclusive")),
)


def mirror(rule: str) -> str:
    """Return the rule of the way back: the opposite by its last word, or the rule itself."""
    stem, dash, word = rule.rpartition("-")
    opposites = dict(_OPPOSITES) | {other: one for one, other in _OPPOSITES}
    return stem + dash + opposites.get(word, word)


def stands(change: ContractChange, a: Json, b: Json) -> bool:
    """Say whether the places of a change are there, in at least one of the documents."""
    for pointer, made in ((change.before, a), (change.after, b)):
        if pointer is not None:
            lookup(made, pointer)
    return change.before is not None or change.after is not None


class Plant(NamedTuple):
    """A schema, another, and the one change between them: its rule, and its weight for requests and for answers."""

    was: Json
    now: Json
    rule: str
    request: Severity
    response: Severity

    def severity(self, direction: Direction) -> Severity:
        """Say what it weighs."""
        return self.response if direction == "response" else self.request


Wrap = Callable[[Json], tuple[Json, Mapping[str, Json]]]
"""Puts a schema somewhere; gives the schema that holds it, and components."""

OTHER = {"type": "object", "required": ["other"], "properties": {"other": {"const": "other"}}}

WRAPS: Mapping[str, Wrap] = {
    "itself": lambda schema: (schema, {}),
    "a field": lambda schema: ({"type": "object", "properties": {"it": schema}}, {}),
    "an item": lambda schema: ({"type": "array", "items": schema}, {}),
    "a first item": lambda schema: ({"type": "array", "prefixItems": [schema], "items": False}, {}),
    "any field": lambda schema: ({"type": "object", "additionalProperties": schema}, {}),
    "a part": lambda schema: ({"allOf": [schema, {}]}, {}),
    "a reference": lambda schema: ({"$ref": "#/components/schemas/It"}, {"It": schema}),
    "a field of itself": lambda schema: (
        {"$ref": "#/components/schemas/It"},
        {"It": {"type": "object", "properties": {"it": schema, "again": {"$ref": "#/components/schemas/It"}}}},
    ),
    "a member": lambda schema: (
        {"anyOf": [{"$ref": "#/components/schemas/It"}, {"$ref": "#/components/schemas/Other"}]},
        {"It": schema, "Other": OTHER},
    ),
}
"""Where a schema may stand."""


# -- drawn -----------------------------------------------------------------------------------------------------------

NAMES = ("One", "Two", "Three")
"""The components of a drawn document; each is an object, so that a reference always leads somewhere."""

limits = st.integers(0, 4)
fields = st.sampled_from(["a", "b", "c", "d"])

leaves: st.SearchStrategy[Json] = st.one_of(
    st.sampled_from([{}, {"type": "boolean"}, {"type": "string"}, {"type": "null"}, {"type": ["string", "null"]}]),
    st.sampled_from([{"type": "number"}, {"type": "integer"}, {"type": ["integer", "string"]}]),
    st.sampled_from(["uuid", "date-time"]).map(lambda form: {"type": "string", "format": form}),
    st.tuples(limits, limits).map(lambda two: {"type": "string", "minLength": min(two), "maxLength": max(two)}),
    st.tuples(limits, limits).map(lambda two: {"type": "integer", "minimum": two[0], "maximum": sum(two)}),
    st.sets(st.sampled_from(["a", "b", "c", 1, None]), min_size=1).map(lambda found: {"enum": sorted(found, key=str)}),
    st.sampled_from(NAMES).map(lambda name: {"$ref": f"#/components/schemas/{name}"}),
    st.sampled_from(["a", "b"]).map(lambda value: {"const": value, "default": value, "description": value}),
)


def _object(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.builds(
        lambda named, needed, others: {
            "type": "object",
            "properties": named,
            "required": sorted(needed & named.keys()),
            **others,
        },
        st.dictionaries(fields, inner, max_size=3),
        st.sets(fields),
        st.sampled_from([{}, {}, {"additionalProperties": False}, {"additionalProperties": {"type": "string"}}]),
    )


def _tagged(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """Give unions of objects that a field tells apart."""

    def made(tags: Mapping[str, Json]) -> Json:
        members = [
            {"type": "object", "required": ["kind"], "properties": {"kind": {"const": tag}, "it": each}}
            for tag, each in tags.items()
        ]
        return {"oneOf": members, "discriminator": {"propertyName": "kind"}}

    return st.dictionaries(st.sampled_from(["x", "y", "z"]), inner, min_size=2, max_size=3).map(made)


objects = _object(leaves)

drawn_schemas: st.SearchStrategy[Json] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        _object(inner),
        _tagged(inner),
        inner.map(lambda each: {"type": "array", "items": each}),
        inner.map(lambda each: {"anyOf": [each, {"type": "null"}]}),
        st.lists(inner, min_size=2, max_size=3).map(lambda found: {"anyOf": found}),
        st.sampled_from(NAMES).map(lambda name: {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}),
    ),
    max_leaves=5,
)

drawn_components = st.fixed_dictionaries(dict.fromkeys(NAMES, objects))
drawn_documents = st.builds(document, drawn_schemas, drawn_schemas, drawn_components)


def _nullable(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _beside(schema: Json) -> Json:
    return {
        "anyOf": [{"type": "object", "required": ["kind"], "properties": {"kind": {"const": "x"}, "it": schema}}, OTHER]
    }


AROUND: tuple[Callable[[Json], Json], ...] = (
    _nullable,
    _beside,
    lambda schema: {"type": "object", "required": ["a"], "properties": {"a": schema}},
    lambda schema: {"type": "object", "additionalProperties": schema},
    lambda schema: {"type": "object", "additionalProperties": {"type": "string"}, "properties": {"a": schema}},
    lambda schema: {"type": "array", "items": schema, "minItems": 1},
    lambda schema: {"allOf": [schema, {"description": "x"}]},
)
"""What may stand around a schema in a drawn pair."""


def _pair(was: Json, now: Json, around: list[Callable[[Json], Json]]) -> tuple[Json, Json]:
    for each in around:
        was, now = each(was), each(now)
    return was, now


_ends = leaves | objects | _tagged(leaves) | st.lists(leaves, min_size=2, max_size=3).map(lambda each: {"anyOf": each})
drawn_pairs = st.builds(_pair, _ends, _ends, st.lists(st.sampled_from(AROUND), max_size=2))
"""Two schemas that differ in one place."""


def renamed(made: Json) -> Json:
    """Give a document with its schemas called otherwise, and in another order."""
    text = json.dumps(made)
    for name in NAMES:
        text = text.replace(f'"{name}"', f'"Re{name}"').replace(f"schemas/{name}", f"schemas/Re{name}")
    found = json.loads(text)
    found["components"]["schemas"] = dict(reversed(found["components"]["schemas"].items()))
    return found
