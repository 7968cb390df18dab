"""Compile schemas into nodes: what a schema says, through its references and parts, is read once."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from random import Random
from threading import Lock
from typing import Any, Literal, NamedTuple, TypeAlias

from mockserver.answer.making import scalars, texts, words
from mockserver.answer.making.keywords import (
    are_apart,
    contained,
    examples,
    is_lent_null,
    matches,
    only_types,
    own_tag,
    required,
    tag,
)
from mockserver.answer.making.nodes import (
    NEVER,
    NULLS,
    ArrayShape,
    ChoiceShape,
    Contained,
    FieldPlan,
    Maker,
    ObjectShape,
    ScalarShape,
    Shape,
    constant,
    mark_cycles,
    never,
    settle,
)
from mockserver.answer.making.scalars import FASTAPI
from mockserver.answer.making.search import Oracle, guarded, probe
from mockserver.api import Hints
from mockserver.contract.resolved import Piece, Union, View, Views, everything, keywords, said, values
from mockserver.contract.schema import NOTES, Schema
from mockserver.contract.tree import document_of, join, lookup
from mockserver.errors import ContractError
from mockserver.messages import Json

Sent: TypeAlias = Literal["answer", "request"]
"""Who sends a value: answers leave out what is writeOnly, requests what is readOnly."""

_HIDDEN: Mapping[Sent, str] = {"answer": "writeOnly", "request": "readOnly"}

NONE_FOUND = "none was found"
"""Why a node has no value, where that is not proven."""

MOST_NODES = 100_000
"""How many nodes a document's schemas may have."""

_UNSURE = frozenset("not unevaluatedItems unevaluatedProperties maxContains minContains".split())
"""Keywords that are not built into a value, but tried on it."""

_SPOKEN: Sequence[tuple[str, frozenset[str]]] = (
    (
        "object",
        frozenset(
            "properties required additionalProperties patternProperties propertyNames minProperties maxProperties "
            "dependentRequired dependentSchemas unevaluatedProperties".split()
        ),
    ),
    ("array", frozenset("items prefixItems contains minItems maxItems uniqueItems unevaluatedItems".split())),
    ("string", frozenset("pattern minLength maxLength format contentEncoding contentMediaType".split())),
    ("number", frozenset("minimum maximum exclusiveMinimum exclusiveMaximum multipleOf".split())),
)
"""The type that keywords apply to, for schemas without `type`."""

_KINDS = ("string", "object", "number", "array", "boolean", "null")

KEYS = tuple("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu".split())
"""The names of fields that have no name in their schema."""


class Key(NamedTuple):
    """A schema to compile: the places that must all hold, and what has been decided about them."""

    places: tuple[str, ...]
    name: str = ""
    """The name of the property."""
    decided: frozenset[str] = frozenset()
    """The unions and conditions whose branches are among the places."""
    absent: frozenset[str] = frozenset()
    """The fields that must not be there."""
    present: frozenset[str] = frozenset()
    """The fields that must be there."""
    tag: tuple[str, str] | None = None
    """The field by which a union's branch is known, and its value."""
    null: bool = True
    """Whether null may be made."""
    kind: str = ""
    """The type, once it has been chosen."""


class Compiler:
    """Compiles the schemas of one document, for values of one kind."""

    def __init__(
        self,
        document: Json,
        direction: Sent,
        hints: Hints | None,
        locale: str,
        *,
        documented: bool = False,
        twin: "Compiler | None" = None,
    ) -> None:
        """Begin; `twin` is another compiler of the document, with which the resolved schemas are shared."""
        self.document = document_of(document)  # so that its schemas share one registry
        self.direction, self.hints, self.locale = direction, hints, locale
        self.documented = documented
        """Whether values are put together from the schemas' own examples."""
        self.views: Views = Views(document) if twin is None else twin.views
        self.hidden: set[str] = set()
        """The names of required fields that the other direction alone has."""
        self.examples: set[Maker] = set()
        """The nodes that are made from a schema's own example."""
        self._lock: Any = Lock() if twin is None else twin._lock  # the resolved schemas are made by one at a time
        self._nodes: dict[Key, Maker] = {}
        self._planned: list[tuple[Key, Maker]] = []
        self._names: Mapping[str, str] | None = None
        self._judges: dict[tuple[str, ...], Oracle] = {}

    def compile(self, place: str) -> Maker:
        """Return the node of the schema at a place."""
        with self._lock:
            return self._compile(place)

    def _compile(self, place: str) -> Maker:
        root = self.node(Key((place,)))
        new: list[tuple[Key, Maker]] = []
        while self._planned:
            key, node = self._planned.pop()
            new.append((key, node))
            node.shape = self._shape(key, node)
            if len(self._nodes) > MOST_NODES:
                raise ContractError("no value is made of so many combinations of schemas", where="#" + place)
        nodes = [node for _, node in new]
        settle(nodes)
        self._guard({node: key for key, node in new}, mark_cycles(nodes))
        return root

    def node(self, key: Key) -> Maker:
        """Return the node of a key; it is planned later."""
        found = self._nodes.get(key)
        if found is None:
            found = self._nodes[key] = Maker()
            self._planned.append((key, found))
        return found

    def judge(self, places: tuple[str, ...]) -> Oracle:
        """Return what judges values by all of some schemas."""
        found = self._judges.get(places)
        if found is None:
            found = self._judges[places] = Oracle(
                [Schema(self.document, place, "made") for place in places], self.hidden
            )
        return found

    def _guard(self, keys: Mapping[Maker, Key], order: Sequence[Maker]) -> None:
        """Let nodes whose values may be wrong try them; those for which none is found have no value."""
        lost = False
        for node in order:
            key = keys[node]
            if node.cost == NEVER or not key.places or not self._is_entry(key) or not _is_unsure(node):
                continue
            judge = self.judge(key.places)
            found = probe(node.make, judge, self._named(key))
            if found is not None:
                node.guard = partial(guarded, judge=judge, found=found)
            else:
                node.shape, lost = never(NONE_FOUND, key.places[0]), True
            node.reset()
        if lost:
            for node in order:
                node.cost = NEVER
                node.reset()
            settle(order[::-1])

    def shows(self, root: Maker) -> bool:
        """Return whether a part of a node is made from a schema's own example."""
        seen: set[Maker] = set()
        stack = [root]
        while stack:
            each = stack.pop()
            if each in self.examples:
                return True
            if each not in seen:
                seen.add(each)
                stack += each.shape.below()
        return False

    def _is_entry(self, key: Key) -> bool:
        return not key.decided and not key.kind

    def _named(self, key: Key) -> Iterator[Json]:
        """Yield the values that a schema and its parts name."""
        view = self.views.of(*key.places)
        for each in (view, *(self.views.of(member) for union in view.unions for member in union.members)):
            yield from examples(each)
            yield from (values(each) or {}).values()

    # -- shapes

    def _shape(self, key: Key, node: Maker) -> Shape:
        if not key.places:
            return self._anything(key)
        view = self.views.of(*key.places)
        if view.is_shut:
            return never("it allows nothing", view.pointer)
        if self.documented and (found := self._example(key, view)) is not None:
            self.examples.add(node)
            return constant(found[0])
        listed = values(view)
        if listed is not None:
            return self._listed(key, view, list(listed.values()))
        branches = self._branches(key, view)
        node.is_unsure = bool(view.words.keys() & _UNSURE)
        if branches is not None:
            options, is_unsure = branches
            node.is_unsure |= is_unsure
            if not options:
                return never("no member of its union can be the only one that holds", view.pointer)
            return ChoiceShape([self.node(each) for each in options], self._null(key, view), is_first=self.documented)
        return self._typed(key, view, node)

    def _null(self, key: Key, view: View) -> Maker | None:
        """Return a node for null, where a schema with a type allows it."""
        if not key.null or not view.null or any(is_lent_null(piece.node) for piece in view.pieces):
            return None
        told = view.types is not None or any(map(self._takes_null, view.unions))
        return Maker(constant(None)) if told else None

    def _takes_null(self, union: Union) -> bool:
        """Return whether a member of a union names null."""
        count = len(lookup(self.document, union.pointer))
        views = [self.views.of(join(union.pointer, at)) for at in range(count)]
        return any(each.null and each.types is not None for each in views)

    def _listed(self, key: Key, view: View, allowed: list[Json]) -> Shape:
        """Return the values of an enum or const that satisfy the other keywords."""
        if view.null and key.null:
            allowed = [*allowed, None]
        if not view.words.keys() <= _NAMING:
            allowed = [each for each in allowed if self.judge(key.places).is_valid(each)]
        if key.tag is not None:
            allowed = [
                each for each in allowed if not isinstance(each, dict) or each.get(key.tag[0]) == key.tag[1]
            ] or allowed
        if not allowed:
            return never("none of the values that it lists satisfies it", view.pointer)
        if self.documented or len(allowed) == 1:
            return constant(allowed[0])
        if allowed[-1] is None:
            allowed = [*allowed[:-1] * max(NULLS // len(allowed), 1), None]
        return ScalarShape(lambda: words.pick(allowed))

    def _branches(self, key: Key, view: View) -> tuple[list[Key], bool] | None:
        """Return the branches of the first union or condition that is open, and whether their values may be wrong."""
        inner = key._replace(null=False)
        for union in view.unions:
            if union.pointer not in key.decided:
                decided = key.decided | {union.pointer}
                is_unsure = union.kind == "oneOf" and not are_apart(self.views, union)
                members = self._members(inner._replace(decided=decided), union)
                if not members and union.kind == "anyOf":  # it refers to itself alone, which restricts nothing
                    return [inner._replace(decided=decided)], True
                return members, is_unsure
        for piece in view.pieces:
            place = join(piece.pointer, "if")
            if "if" in piece.node and place not in key.decided and piece.node.keys() & {"then", "else"}:
                return self._conditions(key._replace(decided=key.decided | {place}), piece), True
            for name in piece.node.get("dependentSchemas", ()):
                place = join(piece.pointer, "dependentSchemas", name)
                if place not in key.decided and name not in key.absent:
                    return self._dependents(key._replace(decided=key.decided | {place}), view, name, place), False
        return None

    def _named_places(self) -> Mapping[str, str]:
        """Return the places of the document's named schemas, with their names."""
        if self._names is None:
            components = self.document.get("components", {})
            schemas = components.get("schemas", {}) if isinstance(components, dict) else {}
            self._names = {join("/components/schemas", name): name for name in schemas}
        return self._names

    def _members(self, key: Key, union: Union) -> list[Key]:
        """Return a key for each member of a union, but for the union itself, and for those that a oneOf has twice."""
        prints = [self.views.fingerprint(each) for each in union.members]
        found = []
        for member in union.members:
            twin = union.kind == "oneOf" and prints.count(self.views.fingerprint(member)) > 1
            if not twin and all(
                join(each.pointer, union.kind) != union.pointer for each in self.views.of(member).pieces
            ):
                told = tag(union, lookup(self.document, member)) or key.tag
                found.append(key._replace(places=_together(key.places, member), tag=told))
        return found

    def _conditions(self, key: Key, piece: Piece) -> list[Key]:
        then = [join(piece.pointer, name) for name in ("if", "then") if name in piece.node]
        other = [join(piece.pointer, "else")] if "else" in piece.node else []
        return [key._replace(places=_together(key.places, *then)), key._replace(places=_together(key.places, *other))]

    def _dependents(self, key: Key, view: View, name: str, place: str) -> list[Key]:
        """Return the keys of an object with a field that asks for more, and of one without it."""
        known = any(name in each.value for word in ("properties", "required") for each in keywords(view, word))
        if not known and name not in key.present:
            return [key._replace(absent=key.absent | {name})]
        return [
            key._replace(places=_together(key.places, place), present=key.present | {name}),
            key._replace(absent=key.absent | {name}),
        ]

    def _example(self, key: Key, view: View) -> tuple[Json] | None:
        """Return a schema's own example, if it is valid."""
        if not self._is_entry(key):
            return None
        for value in examples(view):
            if self.judge(key.places).is_valid(value):
                shown = self._shown(value, view)
                if shown is value or self.judge(key.places).is_valid(shown):
                    return (shown,)
        return None

    def _shown(self, value: Json, view: View) -> Json:
        """Return an example without the fields that the other direction alone has."""
        if not isinstance(value, dict):
            return value
        gone = {name for name in value if self._is_hidden(self._places(view, name))}
        return {name: each for name, each in value.items() if name not in gone} if gone else value

    # -- types

    def _typed(self, key: Key, view: View, node: Maker) -> Shape:
        kinds = [key.kind] if key.kind else self._kinds(view)
        if not key.kind and view.types is None and kinds not in ([], ["any"]):
            return self._untyped(key, kinds)
        if not kinds:
            if keywords(view, "oneOf") and not view.null:  # whether null satisfies one member alone is tried
                node.is_unsure = True
                return constant(None)
            return constant(None) if view.null and key.null else never("no type is left", view.pointer)
        null = None if key.kind else self._null(key, view)
        if len(kinds) > 1 or null is not None:
            options = [self.node(key._replace(kind=each, null=False)) for each in kinds]
            return ChoiceShape(options, null, is_first=self.documented)
        return self._of_kind(kinds[0], key, view)

    def _untyped(self, key: Key, kinds: list[str]) -> Shape:
        """Return values of a schema that names no type: of the one that its keywords apply to, else of any other."""
        options = [self.node(key._replace(kind=each)) for each in _KINDS]
        return ChoiceShape([options[_KINDS.index(kinds[0])]], backup=options, is_first=True)

    def _kinds(self, view: View) -> list[str]:
        """Return the types that values may have, but for null."""
        excluded = {kind for each in keywords(view, "not") for kind in only_types(each.value)}
        if view.types is None:
            spoken = next((kind for kind, asked in _SPOKEN if asked & view.words.keys()), "any")
            if not excluded:
                return [spoken]
            found = [spoken] if spoken not in excluded | {"any"} else []
            return found or [each for each in _KINDS if each not in excluded]
        kinds = view.types - {"integer"} if "number" in view.types else view.types
        return sorted(kinds - excluded)

    def _of_kind(self, kind: str, key: Key, view: View) -> Shape:
        match kind:
            case "object":
                return self._object(key, view)
            case "array":
                return self._array(key, view)
            case "string":
                return scalars.text(view, self._meaning(key))
            case "integer" | "number":
                return scalars.number(view, self._meaning(key), whole=kind == "integer")
            case "boolean":
                odds = 0.5 if self.hints is None else self.hints.odds.get(key.name, 0.5)
                return ScalarShape(lambda: lambda rng: rng.random() < odds)
            case "null":
                return constant(None)
            case _:
                return self._anything(key, view)

    def _anything(self, key: Key, view: View | None = None) -> Shape:
        """Return a value of a schema that asks for nothing: a text for a named field, else an empty object."""
        if not key.name:
            return constant({})
        return scalars.text(everything("") if view is None else view, self._meaning(key))

    def _meaning(self, key: Key) -> scalars.Meaning:
        return scalars.Meaning(key.name, self.hints, self.locale, lambda value: self.judge(key.places).is_valid(value))

    # -- lists

    def _array(self, key: Key, view: View) -> Shape:
        low = int(max((each.value for each in keywords(view, "minItems")), default=0))
        high = min((each.value for each in keywords(view, "maxItems")), default=NEVER)
        firsts = keywords(view, "prefixItems")
        singular = key.name if key.name.startswith(FASTAPI) else key.name.removesuffix("s")
        first = [
            self.node(Key(self._at(view, at), singular))
            for at in range(max((len(each.value) for each in firsts), default=0))
        ]
        rest = self._at(view, None)
        if not rest and said(view, "unevaluatedItems") is False:
            high = min(high, len(first))
        parts = [(each, count) for each, count in contained(view) if count]
        if parts and (high <= len(first) or any(each.value is False for each in keywords(view, "items"))):
            for at, (place, _) in enumerate(parts[: len(first)]):  # only the first items can be what must be there
                first[at] = self.node(Key(_together(self._at(view, at), place), singular))
            parts = []
        must_have = [Contained(self.node(Key(_together(rest, each), singular)), count) for each, count in parts]
        unique = any(each.value for each in keywords(view, "uniqueItems"))
        return ArrayShape(first, self.node(Key(rest, singular)), must_have, low=low, high=high, unique=unique)

    def _at(self, view: View, at: int | None) -> tuple[str, ...]:
        """Return the places of the schemas of an item; None for one after all others."""
        places = []
        for piece in view.pieces:
            firsts = piece.node.get("prefixItems", ())
            if at is not None and at < len(firsts):
                places.append(join(piece.pointer, "prefixItems", at))
            elif "items" in piece.node:
                places.append(join(piece.pointer, "items"))
        if not places and at is None:
            places = [each.pointer for each in keywords(view, "unevaluatedItems") if each.value is not False]
        return tuple(places)

    # -- objects

    def _object(self, key: Key, view: View) -> Shape:
        must = dict.fromkeys([*required(view), *key.present])
        needs = [pair for each in keywords(view, "dependentRequired") for pair in each.value.items()]
        changed = True
        while changed:
            new = [name for trigger, names in needs if trigger in must for name in names if name not in must]
            must.update(dict.fromkeys(new))
            changed = bool(new)
        if key.absent & must.keys():
            return never("a field must be there and must not", view.pointer)
        tagged = {} if key.tag is None else dict.fromkeys([key.tag[0]])
        own = own_tag(view, self._named_places())
        names = dict.fromkeys([*(name for each in keywords(view, "properties") for name in each.value), *must, *tagged])
        is_fastapi = {"loc", "msg", "type"} <= names.keys()
        fields = []
        for name in names:
            field = (
                None
                if name in key.absent
                else self._field(name, key._replace(tag=key.tag or own), view, name in must, fastapi=is_fastapi)
            )
            if field is not None:
                fields.append(field)
        extras, wanted = self._extras(key, view, names)
        return ObjectShape(
            fields,
            extras,
            low=int(max((each.value for each in keywords(view, "minProperties")), default=0)),
            high=min((each.value for each in keywords(view, "maxProperties")), default=NEVER),
            wanted=wanted,
            needs=[(name, tuple(wanted)) for name, wanted in needs],
            adjust=None if self.hints is None else self.hints.adjust,
        )

    def _field(self, name: str, key: Key, view: View, is_required: bool, *, fastapi: bool) -> FieldPlan | None:
        places = self._places(view, name)
        if self._is_hidden(places):
            if is_required:
                self.hidden.add(name)
            return None
        if not all(
            Schema(self.document, each.pointer, "made").is_valid(name) for each in keywords(view, "propertyNames")
        ):
            return (
                FieldPlan(name, Maker(never("the name of a required field is not allowed", view.pointer)), True)
                if is_required
                else None
            )
        if key.tag is not None and key.tag[0] == name and self.judge(places).is_valid(key.tag[1]):
            return FieldPlan(name, Maker(constant(key.tag[1])), True)
        named = FASTAPI + name if fastapi else name
        return FieldPlan(name, self.node(Key(places, self._name(places, named))), is_required)

    def _name(self, places: tuple[str, ...], name: str) -> str:
        """Return a property's name where its values depend on it: those of objects do not."""
        return "" if places and self.views.of(*places).types == frozenset({"object"}) else name

    def _is_hidden(self, places: tuple[str, ...]) -> bool:
        mark = _HIDDEN[self.direction]
        return bool(places) and any(each.value is True for each in keywords(self.views.of(*places), mark))

    def _places(self, view: View, name: str) -> tuple[str, ...]:
        """Return the places of all schemas of a field."""
        places: list[str] = []
        for piece in view.pieces:
            own = [join(piece.pointer, "properties", name)] if name in piece.node.get("properties", ()) else []
            own += [
                join(piece.pointer, "patternProperties", pattern)
                for pattern in piece.node.get("patternProperties", ())
                if matches(pattern, name)
            ]
            if not own and "additionalProperties" in piece.node:
                own = [join(piece.pointer, "additionalProperties")]
            places += own
        if not places:
            places = [each.pointer for each in keywords(view, "unevaluatedProperties")]
        return tuple(dict.fromkeys(place for place in places if lookup(self.document, place) is not True))

    def _extras(self, key: Key, view: View, names: Mapping[str, None]) -> tuple[list[FieldPlan], int]:
        """Return fields that may be added to an object, and how many are wanted."""
        least = int(max((each.value for each in keywords(view, "minProperties")), default=0))
        maps = [
            each.value
            for word in ("additionalProperties", "patternProperties", "unevaluatedProperties")
            for each in keywords(view, word)
        ]
        is_open = any(each is True or each == {} for each in maps) and not names
        wanted = 3 if any(isinstance(each, dict) and each for each in maps) or is_open else 0
        if not wanted and (least == 0 or least <= sum(self._is_possible(self._places(view, name)) for name in names)):
            return [], 0
        count = min(max(least, 6), 2_000)
        judges = [Schema(self.document, each.pointer, "made") for each in keywords(view, "propertyNames")]
        found: dict[str, None] = {}
        for name in self._spare(view, count):
            if name not in names and name not in key.absent and all(judge.is_valid(name) for judge in judges):
                found[name] = None
            if len(found) >= count:
                break
        fields = [
            FieldPlan(name, self.node(Key(places, self._name(places, key.name or name))), False)
            for name in found
            if not self._is_hidden(places := self._places(view, name))
        ]
        return fields, wanted

    def _is_possible(self, places: tuple[str, ...]) -> bool:
        """Return whether the schemas of a field leave a type that it may have."""
        view = self.views.of(*places) if places else None
        return view is None or bool(view.null or view.types is None or view.types)

    def _spare(self, view: View, count: int) -> Iterator[str]:
        """Yield names for more fields."""
        for each in keywords(view, "patternProperties"):
            for pattern, below in each.value.items():
                make = texts.text(texts.Wanted(patterns=(pattern,))) if below is not False else None
                rng = Random(0)
                yield from (make(rng) for _ in range(count)) if make is not None else ()
        places = tuple(each.pointer for each in keywords(view, "propertyNames"))
        if places:
            for union in (self.views.of(*places), *self.views.leaves(self.views.of(*places))):
                yield from (str(each) for each in (values(union) or {}).values())
                shape = scalars.text(union, self._meaning(Key(places)))
                if shape.cost() < NEVER:
                    make_name, rng = shape.build(Maker()), Random(0)
                    yield from (str(make_name(rng, 0)) for _ in range(4 * count))
        yield from KEYS
        yield from (f"field{at}" for at in range(count))


_NAMING = frozenset({"type", "enum", "const", *NOTES}) | {"x-faker", "x-enumNames", "x-enum-varnames"}
"""Keywords beside which listed values need no trial."""


def _is_unsure(node: Maker) -> bool:
    """Return whether a node, or one of its branches, may make a wrong value."""
    seen: set[Maker] = set()
    stack = [node]
    while stack:
        each = stack.pop()
        if each in seen:
            continue
        seen.add(each)
        if each.is_unsure or (isinstance(each.shape, ArrayShape) and each.shape.is_unique):
            return True
        if isinstance(each.shape, ChoiceShape):
            stack += each.shape.below()
    return False


def _together(places: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*places, *more)))
