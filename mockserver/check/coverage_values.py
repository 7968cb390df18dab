"""What one value says of one schema: what it exercises of it, what it breaks, which schema it was meant for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from mockserver.check.coverage_places import HELD, LIMITS, Kind, Types, holds_keyword, is_of, steps
from mockserver.check.coverage_walk import below
from mockserver.exchange import Json
from mockserver.schema import join, lookup

DEEPEST = 250
"""How deep a value, or a schema of schemas, is looked into."""

Hit: TypeAlias = tuple[Kind, tuple[str | int, ...]]
"""What was exercised, and where below the schema."""

_TYPES: Mapping[str, Types] = {
    "null": (type(None),),
    "boolean": (bool,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


def exercised(node: Mapping[str, Json], value: Json) -> Iterator[Hit]:
    """Give what a right value exercises of a schema itself."""
    kinds = node.get("type")
    for index, name in enumerate(kinds if isinstance(kinds, list) else ()):
        if _is_type(value, name):
            yield "type", ("type", index)
    for index, member in enumerate(node.get("enum", ())):
        if _same(member, value):
            yield "member", ("enum", index)
    if "const" in node:
        yield "member", ("const",)
    for keyword, limit in LIMITS.items():
        if keyword in node and is_of(value, limit.types) and limit.measure(value) == node[keyword]:
            yield "limit", (keyword,)
    for keyword, types in HELD.items():
        if keyword in node and is_of(value, types):
            yield "limit", (keyword,)


def broken(node: Mapping[str, Json], value: Json) -> Iterator[Hit]:
    """Give what a wrong value breaks of a schema itself."""
    for keyword, limit in LIMITS.items():
        if keyword in node and is_of(value, limit.types):
            measure, bound = limit.measure(value), node[keyword]
            if measure > bound if limit.is_upper else measure < bound:
                yield "violation", (keyword,)
    for keyword, types in HELD.items():
        if keyword in node and is_of(value, types) and not holds_keyword(keyword, node[keyword], value):
            yield "violation", (keyword,)
    if "enum" in node and not any(_same(member, value) for member in node["enum"]):
        yield "violation", ("enum",)
    if node.get("additionalProperties") is False and isinstance(value, dict) and _others(node, value):
        yield "violation", ("additionalProperties",)


def parts(node: Mapping[str, Json], tail: tuple[str | int, ...], value: Json) -> Sequence[Json]:
    """Give the parts of a value that a schema below another is for."""
    keyword, name = tail[0], tail[-1]
    if isinstance(value, dict):
        if keyword == "properties":
            return [value[str(name)]] if name in value else []
        if keyword == "patternProperties":
            return [item for key, item in value.items() if holds_keyword("pattern", name, key)]
        return [value[key] for key in _others(node, value)] if keyword == "additionalProperties" else []
    if isinstance(value, list):
        if keyword == "prefixItems":
            return value[int(name) : int(name) + 1]
        return value[len(node.get("prefixItems", ())) :] if keyword == "items" else []
    return []


def _others(node: Mapping[str, Json], value: Mapping[str, Json]) -> list[str]:
    """Give the fields of an object that a schema has no name for."""
    patterns = node.get("patternProperties", {})
    named = node.get("properties", {})
    return [
        key
        for key in value
        if key not in named and not any(holds_keyword("pattern", pattern, key) for pattern in patterns)
    ]


def _tags_match(node: Mapping[str, Json], value: Mapping[str, Json]) -> bool:
    """Say whether the fields of an object that can only be one of some values are that."""
    for name, part in node.get("properties", {}).items():
        if name in value and isinstance(part, dict):
            if "const" in part and not _same(part["const"], value[name]):
                return False
            if "enum" in part and not any(_same(each, value[name]) for each in part["enum"]):
                return False
    return True


def _listed(kinds: Json) -> Sequence[str]:
    return [kinds] if isinstance(kinds, str) else kinds or ()


def _is_type(value: Json, kind: str) -> bool:
    if kind == "integer":
        return is_of(value, (int,)) or (isinstance(value, float) and value.is_integer())
    return is_of(value, _TYPES[kind])


def _same(one: Json, other: Json) -> bool:
    """Say whether two values are the same in JSON, where true is not 1."""
    return holds_keyword("const", one, other)


def fits(document: Json, pointer: str, value: Json, depth: int = 0) -> bool:
    """Say whether a wrong value may have been meant for a schema: it has its type, and the tags that tell it apart."""
    node = lookup(document, pointer)
    if not isinstance(node, dict) or depth > DEEPEST:
        return bool(node)
    kinds = _listed(node.get("type"))
    if kinds and not any(_is_type(value, kind) for kind in kinds):
        return False
    if isinstance(value, dict) and not _tags_match(node, value):
        return False
    joined = [below(node, pointer, ("$ref",))] if "$ref" in node else []
    joined += [join(pointer, "allOf", index) for index in range(len(node.get("allOf", ())))]
    if not all(fits(document, each, value, depth + 1) for each in joined):
        return False
    unions = [[join(pointer, name, at) for at in range(len(node.get(name, ())))] for name in ("oneOf", "anyOf")]
    return all(any(fits(document, each, value, depth + 1) for each in union) for union in unions if union)


def takes_list(document: Json, pointer: str, depth: int = 0) -> bool:
    """Say whether a schema, or a branch of it, is of a list."""
    node = lookup(document, pointer)
    if not isinstance(node, dict) or depth > DEEPEST:
        return False
    if "array" in _listed(node.get("type")):
        return True
    same = (each for each in steps(document, node, "parameter") if each.is_joined or each.gate == "branch")
    return any(takes_list(document, below(node, pointer, each.tail), depth + 1) for each in same)
