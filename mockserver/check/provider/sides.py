"""What a schema asks of one side: readOnly fields belong to answers alone, writeOnly ones to requests alone."""

import copy
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, TypeAlias

from msgspec import structs

from mockserver.contract.openapi import Operation, with_body
from mockserver.contract.schema import Schema
from mockserver.contract.tree import lookup, pointed
from mockserver.messages import Json

OneSide: TypeAlias = Literal["request", "strict request", "answer"]
"""A request without the fields that need not be sent; one that must not send them; an answer."""

MARKS = {"request": "readOnly", "strict request": "readOnly", "answer": "writeOnly"}

MOST_DOCUMENTS = 32
"""How many documents are kept as one side sees them."""

_made: dict[tuple[int, str], tuple[Json, Json]] = {}


@lru_cache(maxsize=1_024)
def seen_from(schema: Schema, side: OneSide) -> Schema:
    """Return a schema as one side sees it, at the same place of a changed copy of its document."""
    document = _document(schema.document, side)
    return schema if document is schema.document else Schema(document, schema.pointer, schema.name)


@lru_cache(maxsize=256)
def asked(operation: Operation) -> Operation:
    """Return an operation whose body does not require what only answers have."""
    body = operation.body
    if body is None:
        return operation
    media = tuple(
        each if each.schema is None else structs.replace(each, schema=seen_from(each.schema, "request"))
        for each in body.media
    )
    if all(new.schema is old.schema for new, old in zip(media, body.media, strict=True)):
        return operation
    return with_body(operation, structs.replace(body, media=media))


def _document(document: Json, side: OneSide) -> Json:
    key = id(document), side
    if key not in _made:
        if len(_made) >= MOST_DOCUMENTS:
            _made.clear()
        _made[key] = document, _changed(document, side)
    return _made[key][1]


def _changed(document: Json, side: OneSide) -> Json:
    """Return a copy of a document with what a side changes; the document itself where that is nothing."""
    mark = MARKS[side]
    marked = [node for node in _objects(document) if node.get(mark) is True]
    if not marked:
        return document
    made = copy.deepcopy(document)
    named = [(node, _marked(made, node, mark, set())) for node in _objects(made)]
    for node, names in named:
        _change(node, names, instead=side in ("request", "answer"))
    return made


def _objects(node: Json) -> Iterator[dict[str, Json]]:
    """List all objects in a document."""
    stack = [node]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            yield each
            stack += each.values()
        elif isinstance(each, list):
            stack += each


def _change(node: dict[str, Json], names: set[str], *, instead: bool) -> None:
    """Require no field of the other side; `instead` of its schema stands whether it may be there."""
    for each in (node, *_parts(node)):
        if isinstance(each.get("required"), list):
            each["required"] = [name for name in each["required"] if name not in names]
    own = node.get("properties")
    if isinstance(own, dict):
        node["properties"] = {name: instead if name in names else each for name, each in own.items()}


def _parts(node: dict[str, Json]) -> list[dict[str, Json]]:
    parts = node.get("allOf")
    return [each for each in parts if isinstance(each, dict)] if isinstance(parts, list) else []


def _marked(document: Json, node: dict[str, Json], mark: str, seen: set[int]) -> set[str]:
    """Return the names of the fields that a schema, or a part of it, marks."""
    if id(node) in seen:
        return set()
    seen.add(id(node))
    own = node.get("properties")
    names = {name for name, each in own.items() if _has(document, each, mark)} if isinstance(own, dict) else set()
    below = [*_parts(node), *([found] if (found := _target(document, node)) is not None else [])]
    return names.union(*(_marked(document, each, mark, seen) for each in below))


def _target(document: Json, node: dict[str, Json]) -> dict[str, Json] | None:
    reference = node.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    try:
        found = lookup(document, pointed(reference))
    except KeyError:
        return None
    return found if isinstance(found, dict) else None


def _has(document: Json, node: Json, mark: str) -> bool:
    """Return whether a schema has a mark, or what it refers to."""
    for _ in range(10):
        if not isinstance(node, dict):
            return False
        if node.get(mark) is True:
            return True
        node = _target(document, node)
    return False
