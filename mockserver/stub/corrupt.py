"""Breaks one field of a valid value in one named way, so that its schema rejects it."""

import json
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from mockserver.answer.generate import generate
from mockserver.contract.schema import Schema
from mockserver.errors import StubError
from mockserver.messages import Json

_TRIES = 200
"""How many values are tried to find one that can be broken at a place."""

WAYS = ("missing", "null", "wrong-type", "wrong-value")
"""How one field of a body can break its schema."""

_CANDIDATES: Mapping[str, tuple[Json, ...]] = {
    "null": (None,),
    "wrong-type": (17, {}, "17", []),
    "wrong-value": ("", "no such value", "no such value, and far too long. " * 400, -1, 10**9),
}
"""Candidates that are put into a field; the first that breaks it is used."""


def sample(schema: Schema, pointer: str) -> Json:
    """Make a value of a schema that has a place; StubError if none has."""
    for made in _samples(schema, pointer):
        return made
    raise StubError(f"no answer has the place {pointer!r}", where=schema.place(), fix="see the contract")


def _samples(schema: Schema, pointer: str) -> Iterator[Json]:
    made = (generate(schema, Random(seed)) for seed in range(_TRIES))
    return (value for value in made if stands(value, pointer))


def broken(value: Json, way: str, pointer: str, schema: Schema) -> Json:
    """Break one field of a valid value; missing parents of the field are taken from a made value.

    If only another value can be broken this way (with a text instead of null, say), that one is used.
    A StubError says that no value has the field, or that the contract allows every such change.
    """
    tokens = _tokens(pointer)
    if not tokens:
        raise StubError("the whole body cannot be broken", why=f"{pointer!r} names no field", fix="write /name")
    here = stands(value, pointer)
    if here and (made := broken_here(value, way, pointer, schema)) is not None:
        return made
    if not here:
        sample(schema, pointer)
    for other in _samples(schema, pointer):
        for base in (_filled(value, other, tokens), other):
            if schema.is_valid(base) and (made := broken_here(base, way, pointer, schema)) is not None:
                return made
    why = f"the contract {schema.name} allows it"
    raise StubError(f"{pointer} cannot be broken by {way}", where=schema.place(), why=why, fix="choose another way")


def broken_here(value: Json, way: str, pointer: str, schema: Schema) -> Json:
    """Break an existing field of a value and nothing else; None if that breaks nothing."""
    tokens = _tokens(pointer)
    if way == "missing":
        made = _copy(value)
        parent = _at(made, tokens[:-1])
        del parent[_key(parent, tokens[-1])]
        return None if schema.is_valid(made) else made
    kind = _kind(_at(value, tokens))
    for candidate in _CANDIDATES[way]:
        if (way == "wrong-type" and _kind(candidate) == kind) or (way == "wrong-value" and _kind(candidate) != kind):
            continue
        made = _put(value, tokens, _copy(candidate))
        if not schema.is_valid(made):
            return made
    return None


def _kind(value: Json) -> str:
    """Name the JSON type of a value."""
    return "number" if type(value) in (int, float) else type(value).__name__


def _copy(value: Json) -> Json:
    return json.loads(json.dumps(value))


def _put(value: Json, tokens: list[str], new: Json) -> Json:
    """Return a copy of a value with another value at an existing place."""
    made = _copy(value)
    parent = _at(made, tokens[:-1])
    parent[_key(parent, tokens[-1])] = new
    return made


def _tokens(pointer: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _key(parent: Json, token: str) -> Any:
    """Return the key or index of a pointer's token; ValueError if it is not an index of a list."""
    if not isinstance(parent, list):
        return token
    if not (token.isascii() and token.isdigit()) or (len(token) > 1 and token[0] == "0"):
        raise ValueError(token)
    return int(token)


def _at(value: Json, tokens: list[str]) -> Any:
    for token in tokens:
        value = value[_key(value, token)]
    return value


def stands(value: Json, pointer: str) -> bool:
    """Return whether a value has a place."""
    try:
        _at(value, _tokens(pointer))
    except (LookupError, TypeError, ValueError):
        return False
    return True


def _filled(value: Json, other: Json, tokens: list[str]) -> Json:
    """Copy a place, and its missing parents, from a value that has it."""
    if not tokens or type(value) is not type(other):
        return other
    key, below = _key(value, tokens[0]), other[_key(other, tokens[0])]
    if isinstance(value, list):
        return [*value[:key], _filled(value[key], below, tokens[1:]), *value[key + 1 :]] if key < len(value) else other
    return {**value, key: _filled(value[key], below, tokens[1:]) if key in value else below}
