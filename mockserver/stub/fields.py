"""Finds fields of a stubbed body that the contract does not know, which are most often misspelt."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mockserver.contract.resolved import View, Views, first, keywords, properties
from mockserver.contract.schema import Schema
from mockserver.contract.tree import join
from mockserver.errors import ContractError
from mockserver.messages import Json

_OPENING = ("additionalProperties", "patternProperties", "unevaluatedProperties", "$dynamicRef")
"""With one of these a schema itself says what other fields may be."""

_BRANCHES = ("then", "else")


class UnknownField(NamedTuple):
    """A field that no schema for its object describes."""

    where: str
    """The JSON pointer of the object."""
    name: str
    known: tuple[str, ...]


def unknown_field(schema: Schema, value: Json) -> UnknownField | None:
    """Return the first field that the contract does not know; None if there is none, or if any field may be there."""
    views = Views(schema.document)
    try:
        return _find(views, list(_members(views, views.of(schema.pointer))), value, "")
    except ContractError:  # what is not understood may describe any field
        return None


def _members(views: Views, view: View) -> Iterator[View]:
    """List a schema and those that may hold with it: the members of unions, and conditional branches."""
    yield view
    for union in view.unions:
        for member in union.members:
            yield from _members(views, views.of(member))
    for key in _BRANCHES:
        if first(view, key):
            yield from _members(views, views.below(view, key))
    for pointer, value in keywords(view, "dependentSchemas"):
        for name in value:
            yield from _members(views, views.of(join(pointer, name)))


def _find(views: Views, members: Sequence[View], value: Json, where: str) -> UnknownField | None:
    if isinstance(value, dict):
        return _find_in_object(views, members, value, where)
    if isinstance(value, list):
        for index, item in enumerate(value):
            below = [each for view in members for each in _items(views, view, index)]
            if found := _find(views, below, item, join(where, index)):
                return found
    return None


def _find_in_object(views: Views, members: Sequence[View], value: dict[str, Json], where: str) -> UnknownField | None:
    if any(map(_is_open, members)):
        return None
    fields = [views.fields(view) for view in members]
    known = sorted({name for view in members for name in properties(view)})
    for name, below in value.items():
        if known and name not in known:
            return UnknownField(where, name, tuple(known))
        described = [each for field in fields if name in field for each in _members(views, field[name])]
        if found := _find(views, described, below, join(where, name)):
            return found
    return None


def _is_open(view: View) -> bool:
    """Return whether a schema says that an object may have any field."""
    if any(first(view, key) for key in _OPENING):
        return True
    allows_objects = view.types is None or "object" in view.types
    leaves_open = not properties(view) and not view.unions and not any(first(view, key) for key in _BRANCHES)
    return allows_objects and leaves_open


def _items(views: Views, view: View, index: int) -> Iterator[View]:
    """List the schemas that may describe an item of an array."""
    for pointer, value in keywords(view, "prefixItems"):
        if index < len(value):
            yield from _members(views, views.of(join(pointer, index)))
    if first(view, "items"):
        yield from _members(views, views.below(view, "items"))
