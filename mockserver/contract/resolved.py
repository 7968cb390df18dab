"""The walk over resolved schemas: references followed, allOf merged, null separated, names ignored."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from threading import local
from typing import NamedTuple

from mockserver.contract.schema import ASSERTIONS, NESTED, NESTED_LISTS, NESTED_MAPS, NOTES, Schema, check_schema
from mockserver.contract.tree import join, lookup, pointed
from mockserver.messages import Json

UNKNOWN = "x-unknown"
"""Marks a part that a description leaves open; the value says what is there instead."""

UNIONS = ("oneOf", "anyOf")

_EMPTY: tuple[Json, ...] = ({}, [], True)
_RESTRICTING = (ASSERTIONS | NESTED | NESTED_LISTS | NESTED_MAPS) - {"$defs", *UNIONS, "allOf"}
_DEEPEST = 12


class Keyword(NamedTuple):
    """The value of a keyword, and its place."""

    pointer: str
    value: Json


class Piece(NamedTuple):
    """One of the schema objects that together make one schema."""

    pointer: str
    node: Mapping[str, Json]


class Union(NamedTuple):
    """A oneOf or anyOf with at least two members, not counting null."""

    kind: str
    pointer: str
    members: tuple[str, ...]
    discriminator: Keyword | None


@dataclass(frozen=True, slots=True)
class View:
    """A schema: the pieces that must all hold, outermost first, the allowed types, and the unions.

    `types` are JSON types without null; number always includes integer; None is any. `null` is whether null is allowed.
    """

    pointers: tuple[str, ...]
    pieces: tuple[Piece, ...]
    types: frozenset[str] | None
    null: bool
    unions: tuple[Union, ...]
    is_shut: bool
    """Whether no value is allowed."""
    is_unknown: bool
    words: Mapping[str, list[Keyword]]
    """The keywords of the pieces, with their values."""

    @property
    def pointer(self) -> str:
        """The place of the schema, as reports show it."""
        return self.pointers[0]

    @property
    def is_any(self) -> bool:
        """Whether every value is allowed."""
        if self.is_shut or self.unions or not self.null:
            return False
        return not self._restricts

    @property
    def is_union(self) -> bool:
        """Whether it is a union and restricts nothing else."""
        return len(self.unions) == 1 and not self._restricts

    @property
    def _restricts(self) -> bool:
        """Whether it restricts more than its unions do."""
        return any(
            key in _RESTRICTING and (key in ("const", "enum", "contains") or value not in _EMPTY)
            for piece in self.pieces
            for key, value in piece.node.items()
        )


_NOTHING: list[Keyword] = []


def keywords(view: View, key: str) -> list[Keyword]:
    """List the values of a keyword in all pieces of a schema, outermost first."""
    return view.words.get(key, _NOTHING)


def first(view: View, key: str) -> Keyword | None:
    """Return the keyword of the outermost piece that has it."""
    return next(iter(keywords(view, key)), None)


def said(view: View, key: str, default: Json = None) -> Json:
    """Return the value of a keyword in the outermost piece that has it."""
    found = first(view, key)
    return default if found is None else found.value


def kinds(view: View) -> list[str]:
    """List the types that a schema allows, but for null; without any, the one that its parts are for, or "any"."""
    if view.types is not None:
        return sorted(view.types - {"integer"} if "number" in view.types else view.types)
    return ["object" if first(view, "properties") else "array" if first(view, "items") else "any"]


def spot(view: View, key: str) -> str:
    """Return the place of a keyword, or of the schema if it lacks the keyword."""
    found = first(view, key)
    return view.pointer if found is None else found.pointer


def properties(view: View) -> dict[str, tuple[str, ...]]:
    """Map each named field to the places of its schemas, which must all hold; none if it is only required."""
    found: dict[str, tuple[str, ...]] = {}
    for pointer, value in keywords(view, "properties"):
        for name in value:
            found[name] = (*found.get(name, ()), join(pointer, name))
    for name in required(view):
        found.setdefault(name, ())
    return found


def required(view: View) -> dict[str, str]:
    """Map each required field to the place that requires it."""
    return {name: pointer for pointer, value in reversed(keywords(view, "required")) for name in value}


def values(view: View) -> dict[str, Json] | None:
    """Return the values that enum or const allows, without null, by their keys; None without either."""
    lists = [value for _, value in keywords(view, "enum")] + [[value] for _, value in keywords(view, "const")]
    if not lists:
        return None
    kept = {key_of(value): value for value in lists[0] if value is not None}
    for others in lists[1:]:
        kept = {key: value for key, value in kept.items() if key in map(key_of, others)}
    return kept


def key_of(value: Json) -> str:
    """Return the same text for values that JSON Schema calls equal: 1 and 1.0 are, 1 and true are not."""
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)


def is_same(one: Json, other: Json) -> bool:
    """Return whether JSON Schema calls two values equal."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


def _plain(value: Json) -> Json:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return {key: _plain(each) for key, each in value.items()} if isinstance(value, dict) else value


def type_of(value: Json) -> str:
    """Return the JSON type of a value; a whole number is an integer however it is written."""
    if isinstance(value, float) and value.is_integer():
        return "integer"
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def is_type(kind: str, value: Json) -> bool:
    """Return whether a value has a JSON type; number includes integer."""
    return type_of(value) in (kind, "integer" if kind == "number" else kind)


def types_text(types: frozenset[str] | None) -> str:
    """Write types as a schema does."""
    if types is None:
        return "any"
    return " or ".join(sorted(types - {"integer"} if "number" in types else types)) or "nothing"


def masked(view: View) -> View:
    """Return a union's member without its null, since the union itself records whether null is allowed."""
    return replace(view, null=False) if view.null else view


def everything(pointer: str) -> View:
    """Return a schema that allows everything, for a place without one."""
    return _view((pointer,), (), (), null=True)


def view_of(schema: Schema) -> tuple["Views", View]:
    """Return a schema resolved, and the schemas of its document."""
    views = Views(schema.document)
    return views, views.of(schema.pointer)


class _BeingMade(local):
    """The schemas that a thread is about to resolve; another thread resolves them anew, and comes to the same."""

    def __init__(self) -> None:
        self.places: set[tuple[str, ...]] = set()


class Views:
    """The resolved schemas of one document; each is made once."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self._made: dict[tuple[str, ...], View] = {}
        self._being_made = _BeingMade()
        self._checked: set[str] = set()
        self._prints: dict[tuple[str, int], str] = {}

    def of(self, *pointers: str) -> View:
        """Return the schema in which all of these hold, the first one outermost.

        A ContractError names what is not understood.
        """
        if pointers in self._made:
            return self._made[pointers]
        being_made = self._being_made.places
        if pointers in being_made:
            return _view(pointers, (), (), null=False)  # a schema that refers to itself and restricts nothing
        for each in pointers:
            check_schema(self.document, each, self._checked)
        being_made.add(pointers)
        gathered = _Gathered(self)
        nulls = [gathered.gather(each) for each in pointers]
        being_made.discard(pointers)
        made = self._made[pointers] = _view(pointers, tuple(gathered.pieces), tuple(gathered.unions), null=all(nulls))
        return made

    def below(self, view: View, key: str) -> View:
        """Return the schema under a keyword, or one that allows everything."""
        places = [each.pointer for each in keywords(view, key)]
        return self.of(*places) if places else everything(view.pointer)

    def fields(self, view: View) -> dict[str, View]:
        """Map each described field to its schema."""
        return {name: self.of(*places) for name, places in properties(view).items() if places}

    def leaves(self, view: View, within: tuple[View, ...] = ()) -> Iterator[View]:
        """List the schemas that a value may satisfy: unions are taken apart."""
        for union in view.unions if view not in within else ():
            for member in union.members:
                yield from self.leaves(self.of(member), (*within, view))
        if not view.unions or first(view, "properties") or first(view, "type"):
            yield view

    def fingerprint(self, pointer: str, depth: int = _DEEPEST) -> str:
        """Return a digest that equal schemas share, whatever their names and the names they refer to.

        Annotations such as descriptions do not count, nor does anything below 12 references.
        """
        key = pointer, depth
        if key not in self._prints:
            self._prints[key] = ""
            self._prints[key] = self._digest(lookup(self.document, pointer), depth)
        return self._prints[key]

    def digests(self, view: View, keys: Iterable[str]) -> list[tuple[str, str]]:
        """Return some keywords of a schema without names and annotations, and without those that restrict nothing."""
        return [
            (key, json.dumps(self._bare(key, value, _DEEPEST), sort_keys=True))
            for key in keys
            for _, value in keywords(view, key)
            if key == "contains" or value not in _EMPTY
        ]

    def _digest(self, node: Json, depth: int) -> str:
        if not isinstance(node, dict):
            return str(node)
        bare = {
            key: self._bare(key, value, depth)
            for key, value in node.items()
            if key == "$ref" or (key not in NOTES and not key.startswith("x-"))
        }
        if bare.keys() == {"$ref"}:
            return str(bare["$ref"])
        if bare.keys() == {"allOf"} and len(bare["allOf"]) == 1:
            return str(bare["allOf"][0])
        return sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()

    def _bare(self, key: str, value: Json, depth: int) -> Json:
        """Return the value of a keyword without names and annotations."""
        if key == "$ref":
            return self.fingerprint(pointed(value), depth - 1) if depth else ""
        if key in NESTED:
            return self._digest(value, depth)
        if key in NESTED_LISTS:
            digests = [self._digest(each, depth) for each in value]
            return digests if key == "prefixItems" else sorted(digests)
        if key in NESTED_MAPS:
            return {name: self._digest(each, depth) for name, each in value.items()}
        if key in ("enum", "required", "type") and isinstance(value, list):
            return sorted(map(key_of, value))
        return key_of(value)


class _Gathered:
    """Collects the parts of a schema."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.pieces: list[Piece] = []
        self.unions: list[Union] = []
        self.seen: set[str] = set()

    def gather(self, pointer: str) -> bool:
        """Add a schema and all that must hold with it; return whether it allows null."""
        if pointer in self.seen:
            return True
        self.seen.add(pointer)
        node = lookup(self.views.document, pointer)
        if isinstance(node, bool):
            self.pieces.append(Piece(pointer, {} if node else {"not": {}}))
            return node
        self.pieces.append(Piece(pointer, node))
        null = _allows_null(node)
        if "$ref" in node:
            null &= self.gather(pointed(node["$ref"]))
        for index in range(len(node.get("allOf", ()))):
            null &= self.gather(join(pointer, "allOf", index))
        for kind in UNIONS:
            if kind in node:
                null &= self.union(kind, pointer, node)
        return null

    def union(self, kind: str, pointer: str, node: Mapping[str, Json]) -> bool:
        """Add a union; a union of one member and null is that member."""
        members = [join(pointer, kind, index) for index in range(len(node[kind]))]
        members = [each for each in members if lookup(self.views.document, each) is not False] or members
        bare = [each for each in members if is_null(self.views.of(each))]
        left = tuple(each for each in members if each not in bare)
        nulls = len(bare) + sum(self.views.of(each).null for each in left)
        takes_null = nulls == 1 if kind == "oneOf" else nulls > 0  # a oneOf refuses what satisfies two members
        if not left:
            if not takes_null:
                self.pieces.append(Piece(pointer, {"not": {}}))
            else:
                self.gather(bare[0])
            return takes_null
        if len(left) == 1:
            self.gather(left[0])
            return takes_null
        tag = Keyword(join(pointer, "discriminator"), node["discriminator"]) if "discriminator" in node else None
        self.unions.append(Union(kind, join(pointer, kind), left, tag))
        return takes_null


def _view(pointers: tuple[str, ...], pieces: tuple[Piece, ...], unions: tuple[Union, ...], *, null: bool) -> View:
    types: frozenset[str] | None = None
    for piece in pieces:
        own = _types(piece.node)
        types = own if types is None else types if own is None else types & own
    shut = any(piece.node.get("not") in ({}, True) for piece in pieces)
    unknown = any(UNKNOWN in piece.node for piece in pieces)
    words: dict[str, list[Keyword]] = {}
    for piece in pieces:
        for key, value in piece.node.items():
            words.setdefault(key, []).append(Keyword(join(piece.pointer, key), value))
    return View(pointers, pieces, types, null and not shut, unions, shut, unknown, words)


def _types(node: Mapping[str, Json]) -> frozenset[str] | None:
    """Return the types that a piece allows, without null; None for all."""
    found: set[str] | None = None
    if "type" in node:
        told = node["type"] if isinstance(node["type"], list) else [node["type"]]
        found = {*told, "integer"} if "number" in told else set(told)
    for allowed in _listed(node):
        kinds = {type_of(value) for value in allowed}
        found = kinds if found is None else found & kinds
    return None if found is None else frozenset(found - {"null"})


def _listed(node: Mapping[str, Json]) -> Iterable[list[Json]]:
    if "enum" in node:
        yield node["enum"]
    if "const" in node:
        yield [node["const"]]


def _allows_null(node: Mapping[str, Json]) -> bool:
    told = node.get("type", "null")
    return "null" in (told if isinstance(told, list) else [told]) and all(None in each for each in _listed(node))


def is_null(view: View) -> bool:
    """Return whether a schema allows null alone."""
    return view.null and view.types == frozenset()
