"""One field of a valid value broken, in one named way, so that its schema refuses it."""

import json
from collections.abc import Mapping
from random import Random
from typing import Any

from mockserver.errors import PlanError
from mockserver.exchange import Json
from mockserver.generate import generate
from mockserver.schema import Schema

_TRIES = 200
"""How many values are made in search of one that has a place."""

WAYS = ("missing", "null", "wrong-type", "wrong-value")
"""How one field of a body can break its schema."""

_CANDIDATES: Mapping[str, tuple[Json, ...]] = {
    "null": (None,),
    "wrong-type": ({}, 17, "17", []),
    "wrong-value": ("", "no such value", -1, 10**9),
}
"""What is put in a field to break it, the first that does."""


def sample(schema: Schema, pointer: str) -> Json:
    """Make a value of a schema that has a place; a PlanError where none has."""
    for seed in range(_TRIES):
        made = generate(schema, Random(seed))
        if stands(made, pointer):
            return made
    raise PlanError(f"no answer has the place {pointer!r}", where=schema.place(), mend="see the contract")


def broken(value: Json, way: str, pointer: str, schema: Schema) -> Json:
    """Break one field of a valid value; what is missing of the way to it is taken from a made value."""
    tokens = _tokens(pointer)
    if not tokens:
        raise PlanError("the whole body cannot be broken", why=f"{pointer!r} names no field", mend="write /session_id")
    if not stands(value, pointer):
        value = _filled(value, sample(schema, pointer), tokens)
    value = json.loads(json.dumps(value))
    parent = _at(value, tokens[:-1])
    key: Any = int(tokens[-1]) if isinstance(parent, list) else tokens[-1]
    if way == "missing":
        del parent[key]
        return _really(value, way, pointer, schema)
    for candidate in _CANDIDATES[way]:
        if way == "wrong-value" and type(candidate) is not type(parent[key]):
            continue
        made = json.loads(json.dumps(value))
        _at(made, tokens[:-1])[key] = candidate
        if not schema.is_valid(made):
            return made
    raise _harmless(way, pointer, schema)


def _really(value: Json, way: str, pointer: str, schema: Schema) -> Json:
    if schema.is_valid(value):
        raise _harmless(way, pointer, schema)
    return value


def _harmless(way: str, pointer: str, schema: Schema) -> PlanError:
    why = f"the contract {schema.name} allows it"
    return PlanError(f"{pointer} cannot be broken by {way}", where=schema.place(), why=why, mend="choose another way")


def _tokens(pointer: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _at(value: Json, tokens: list[str]) -> Any:
    for token in tokens:
        value = value[int(token)] if isinstance(value, list) else value[token]
    return value


def stands(value: Json, pointer: str) -> bool:
    """Say whether a value has a place."""
    try:
        _at(value, _tokens(pointer))
    except (LookupError, TypeError, ValueError):
        return False
    return True


def _filled(value: Json, other: Json, tokens: list[str]) -> Json:
    """Put what is missing on the way to a place in, from a value that has it."""
    if not tokens or type(value) is not type(other):
        return other
    if isinstance(value, list):
        return other if len(value) <= int(tokens[0]) else value
    below = other[tokens[0]]
    return {**value, tokens[0]: _filled(value[tokens[0]], below, tokens[1:]) if tokens[0] in value else below}
