"""What a schema asks of one side: readOnly fields belong to answers alone, writeOnly ones to requests alone."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, TypeAlias

from msgspec import structs

from mockserver.contract.openapi import Operation, with_body
from mockserver.contract.schema import Schema
from mockserver.contract.tree import Document, lookup, pointed
from mockserver.messages import Json

OneSide: TypeAlias = Literal["sent", "request", "strict request", "answer"]
"""A request, in which readOnly fields are not required; one in which they may be anything; one that must not send
them; an answer, in which writeOnly fields may be anything."""

MARKS = {"sent": "readOnly", "request": "readOnly", "strict request": "readOnly", "answer": "writeOnly"}
INSTEAD = {"request": True, "strict request": False, "answer": True}
"""What stands instead of the schema of a field of the other side."""

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
    """Return a document with what a side changes; it shares all else with the document, and is it where that is all."""
    mark = MARKS[side]
    if not any(node.get(mark) is True for node in _objects(document)):
        return document
    edits: dict[int, dict[str, Json]] = {}
    for node in _objects(document):
        _edit(document, node, side, edits)
    made = _edited(document, edits) if edits else document
    if made is document or not isinstance(document, Document):
        return made
    whole = Document(made, document.origins)
    whole.formats, whole.tolerant = document.formats, document.tolerant
    return whole


def _edited(node: Json, edits: dict[int, dict[str, Json]]) -> Json:
    """Return a part of a document with its edits; the part itself where there are none."""
    if isinstance(node, dict):
        made = {key: _edited(value, edits) for key, value in node.items()} | edits.get(id(node), {})
        return made if any(made[key] is not value for key, value in node.items()) else node
    if isinstance(node, list):
        items = [_edited(each, edits) for each in node]
        return items if any(new is not old for new, old in zip(items, node, strict=True)) else node
    return node


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


def _edit(document: Json, node: dict[str, Json], side: OneSide, edits: dict[int, dict[str, Json]]) -> None:
    """Note what a side changes in a schema and the parts of its allOf: it requires no field of the other side."""
    owners = [each for each in (node, *_parts(node)) if isinstance(each.get("required"), list)]
    own = node.get("properties")
    if not owners and not (side in INSTEAD and isinstance(own, dict)):
        return
    names = _marked(document, node, MARKS[side], set())
    for each in owners:
        edit = edits.setdefault(id(each), {})
        kept = [name for name in edit.get("required", each["required"]) if name not in names]
        if len(kept) < len(each["required"]):
            edit["required"] = kept
    if side in INSTEAD and isinstance(own, dict) and names & own.keys():
        changed = {name: INSTEAD[side] for name in own if name in names}
        edits.setdefault(id(own), {}).update(changed)


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


def _has(document: Json, node: Json, mark: str, depth: int = 10) -> bool:
    """Return whether a schema has a mark, or what it refers to, or a part of its allOf."""
    if not isinstance(node, dict) or not depth:
        return False
    if node.get(mark) is True:
        return True
    return any(_has(document, each, mark, depth - 1) for each in (_target(document, node), *_parts(node)))
