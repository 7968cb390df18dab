"""Makes values from a schema and a random source; they satisfy the schema and look real."""

import math
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from mockserver.api import Hints
from mockserver.clock import timestamp
from mockserver.contract.schema import NOTES, Schema
from mockserver.contract.tree import join, lookup
from mockserver.errors import ContractError
from mockserver.messages import Json

if TYPE_CHECKING:
    from faker import Faker

NO_HINTS = Hints()

DEPTH = 6
"""How deeply a recursive schema is followed before only required parts are made."""

DEEPEST = 60
"""How deeply required parts are followed before the schema counts as endless."""

_EPOCH = datetime(2026, 4, 1, tzinfo=UTC)


class _Local(threading.local):
    """Faker for each thread, made when it is first needed."""

    fake: "Faker | None" = None


_local = _Local()


def generate(schema: Schema, rng: Random, known: Mapping[str, Json] | None = None, hints: Hints = NO_HINTS) -> Json:
    """Make a value of `schema`; top-level properties named in `known` take that value (ids are echoed).

    The same schema and state of `rng` give the same value. A ContractError names a place for which
    no value can be made (a pattern without an example, say).
    """
    maker = _Maker(schema.document, rng, hints)
    value = maker.value(schema.node, schema.pointer, "", 0)
    if known and isinstance(value, dict):
        value |= {name: known[name] for name in value if name in known}
    return value


def words(rng: Random) -> "Faker":
    """Return Faker, drawing from `rng`; it is loaded when first needed."""
    if _local.fake is None:
        from faker import Faker

        _local.fake = Faker("en_US")
    settable: Any = _local.fake  # its type does not show that the random source can be set
    settable.random = rng
    return _local.fake


LARGEST = 10_000
"""The most items or characters that a made value has."""


class _Maker:
    """Makes values of one document's schemas from one random source.

    `node` is a schema and `pointer` its place; for combined schemas, the place of the last reference.
    """

    def __init__(self, document: Json, rng: Random, hints: Hints) -> None:
        self.document, self.rng, self.hints = document, rng, hints

    def value(self, node: Json, pointer: str, name: str, depth: int, tag: str = "") -> Json:
        """Make the value of the property `name`. A member of a tagged union always gets its `tag`."""
        if depth > DEEPEST:
            raise ContractError("no value can be made: the schema has no end", where="#" + pointer)
        node, pointer = self.combined(node, pointer, depth)
        if isinstance(node, bool):
            return {}
        if "const" in node:
            return node["const"]
        if "enum" in node:
            return self.rng.choice(node["enum"])
        for union in ("oneOf", "anyOf"):
            if union in node:
                tag = node.get("discriminator", {}).get("propertyName", tag)
                return self.value(*self.branch(node, pointer, union, depth), name, depth + 1, tag)
        kind = self.kind(node, depth)
        if kind == "object":
            return self.object(node, pointer, depth, tag)
        return self.array(node, pointer, name, depth) if kind == "array" else self.scalar(kind, node, pointer, name)

    def scalar(self, kind: str, node: Json, pointer: str, name: str) -> Json:
        match kind:
            case "string":
                return self.string(node, pointer, name)
            case "integer":
                return self.integer(node, name)
            case "number":
                return self.number(node, name)
            case "boolean":
                return self.rng.random() < self.hints.odds.get(name, 0.5)
            case "null":
                return None
            case _:
                return {}

    def combined(self, node: Json, pointer: str, depth: int) -> tuple[Json, str]:
        """Follow a reference and merge allOf into one schema."""
        if isinstance(node, bool) or not node.keys() & {"$ref", "allOf"}:
            return node, pointer
        if depth > DEEPEST:
            raise ContractError("no value can be made: the schema has no end", where="#" + pointer)
        parts = [({key: value for key, value in node.items() if key not in ("$ref", "allOf")}, pointer)]
        if "$ref" in node:
            target = node["$ref"].removeprefix("#")
            parts.append(self.combined(lookup(self.document, target), target, depth + 1))
        for index, part in enumerate(node.get("allOf", ())):
            parts.append(self.combined(part, join(pointer, "allOf", index), depth + 1))
        made: Json = {}
        for part, _ in parts:
            made = _joined(made, part)
        return made, parts[-1][1]

    def branch(self, node: Json, pointer: str, union: str, depth: int) -> tuple[Json, str]:
        """Choose a branch: null one time in four, and always once the schema is too deep."""
        branches: list[Json] = node[union]
        null = [i for i, each in enumerate(branches) if isinstance(each, dict) and each.get("type") == "null"]
        rest = [i for i in range(len(branches)) if i not in null]
        take_null = null and (not rest or depth > DEPTH or self.rng.random() < 0.25)
        index = self.rng.choice(null if take_null else rest)
        around = {key: value for key, value in node.items() if key not in (union, "discriminator", *NOTES)}
        chosen, place = self.combined(branches[index], join(pointer, union, index), depth)
        return (_joined(around, chosen) if around else chosen), place

    def kind(self, node: Json, depth: int) -> str:
        """Choose the type of a value; without `type`, the one that the other keywords apply to."""
        kinds = node.get("type")
        if isinstance(kinds, list):
            others = [kind for kind in kinds if kind != "null"]
            if "null" in kinds and (not others or depth > DEPTH or self.rng.random() < 0.25):
                return "null"
            return str(self.rng.choice(others))
        return str(kinds) if kinds is not None else next((_SPOKEN[key] for key in node if key in _SPOKEN), "any")

    def object(self, node: Json, pointer: str, depth: int, tag: str = "") -> Json:
        required = node.get("required", [])
        extra = node.get("additionalProperties", True)
        properties = node.get("properties", {})
        made = {}
        for key, below in properties.items():
            if key in required or key in (tag, "detail") or (depth <= DEPTH and self.rng.random() < 0.75):
                made[key] = self.value(below, join(pointer, "properties", key), key, depth + 1)
        for key in required:
            if key not in made:
                made[key] = self.value(extra, join(pointer, "additionalProperties"), key, depth + 1)
        self.hints.adjust(made)
        return made

    def array(self, node: Json, pointer: str, name: str, depth: int) -> Json:
        prefix = [(each, join(pointer, "prefixItems", i)) for i, each in enumerate(node.get("prefixItems", ()))]
        items = node.get("items", True)
        low = node.get("minItems", 0)
        self.limit(low, join(pointer, "minItems"))
        most = min(node.get("maxItems", low + 3), low + 3, len(prefix) if items is False else low + 3)
        size = self.rng.randint(low, max(low, most)) if depth <= DEPTH else low
        made: list[Json] = []
        for _ in range(20 * size):
            if len(made) == size:
                break
            each, place = prefix[len(made)] if len(made) < len(prefix) else (items, join(pointer, "items"))
            item = self.value(each, place, name.removesuffix("s"), depth + 1)
            if not node.get("uniqueItems") or item not in made:
                made.append(item)
        return made

    def limit(self, size: int, pointer: str) -> None:
        if size > LARGEST:
            raise ContractError(f"no value of more than {LARGEST} parts is made", where="#" + pointer)

    def integer(self, node: Json, name: str) -> int:
        low, high = self.bounds(node, name)
        low = math.floor(low) + 1 if node.get("exclusiveMinimum") == low else math.ceil(low)
        high = math.ceil(high) - 1 if node.get("exclusiveMaximum") == high else math.floor(high)
        step = node.get("multipleOf")
        if step:
            return int(step * self.rng.randint(math.ceil(low / step), math.floor(high / step)))
        return self.rng.randint(low, max(low, high))

    def number(self, node: Json, name: str) -> float:
        low, high = self.bounds(node, name)
        step = node.get("multipleOf")
        if step:
            return float(step * self.rng.randint(math.ceil(low / step), math.floor(high / step)))
        fraction = self.rng.uniform(0.001, 0.999)
        value = low + (high - low) * fraction
        return round(value, 1) if low < round(value, 1) < high else value

    def bounds(self, node: Json, name: str) -> tuple[float, float]:
        """Return the range of a number: what is typical for its name, as far as the schema allows."""
        usual_low, usual_high = self.hints.numbers.get(name, (0, 100))
        lows = [node[key] for key in ("minimum", "exclusiveMinimum") if key in node]
        highs = [node[key] for key in ("maximum", "exclusiveMaximum") if key in node]
        low = max(lows) if lows else min([usual_low, *(high - 100 for high in highs if high <= usual_low)])
        high = min(highs) if highs else max(usual_high, low + 100)
        inside = max(low, usual_low), min(high, usual_high)
        return inside if inside[0] < inside[1] else (low, high)

    def string(self, node: Json, pointer: str, name: str) -> str:
        if node.get("format") in _FORMATS:
            return str(_FORMATS[node["format"]](self.rng))
        if "pattern" in node:
            samples = [*node.get("examples", []), *[node[key] for key in ("example", "default") if key in node]]
            if not samples:
                raise ContractError(
                    "no value can be made for a pattern",
                    where="#" + join(pointer, "pattern"),
                    why="values are not made from patterns",
                    fix="give the schema an example",
                )
            return str(self.rng.choice(samples))
        text = (self.hints.texts.get(name) or _NAMED.get(name) or sentence)(self.rng)
        low, high = node.get("minLength", 0), node.get("maxLength", len(text))
        self.limit(low, join(pointer, "minLength"))
        while len(text) < low:
            text += " " + sentence(self.rng)
        return text[: max(low, high)].rstrip() if len(text) > high and high > low else text[: max(low, high)]


def _joined(one: Json, other: Json) -> Json:
    """Merge two schemas into one that requires both, as far as one schema can."""
    if isinstance(one, bool) or isinstance(other, bool):
        return other if one is True else one
    made = {**one, **other}
    if "properties" in one and "properties" in other:
        both = {
            key: {"allOf": [one["properties"][key], other["properties"][key]]}
            for key in one["properties"]
            if key in other["properties"]
        }
        made["properties"] = {**one["properties"], **other["properties"], **both}
    if "required" in one and "required" in other:
        made["required"] = [*one["required"], *(key for key in other["required"] if key not in one["required"])]
    for keys, choose in ((_AT_LEAST, max), (_AT_MOST, min)):
        for key in keys & one.keys() & other.keys():
            made[key] = choose(one[key], other[key])
    return made


def moment(rng: Random) -> datetime:
    """Draw a moment within half a year."""
    return _EPOCH + timedelta(microseconds=rng.randrange(180 * 86_400 * 1_000_000))


def sentence(rng: Random) -> str:
    """Make a short sentence."""
    return f"We {words(rng).bs()}."


def _uuid(rng: Random) -> str:
    from uuid import UUID

    return str(UUID(int=rng.getrandbits(128), version=4))


_AT_LEAST = frozenset("minimum exclusiveMinimum minLength minItems".split())
_AT_MOST = frozenset("maximum exclusiveMaximum maxLength maxItems".split())

_SPOKEN = {
    **dict.fromkeys(("properties", "required", "additionalProperties"), "object"),
    **dict.fromkeys(("items", "prefixItems", "minItems", "maxItems", "uniqueItems"), "array"),
    **dict.fromkeys(("pattern", "minLength", "maxLength", "format"), "string"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"),
}
"""The type that each keyword applies to, for schemas without `type`."""

_NAMED: Mapping[str, Callable[[Random], str]] = {
    "type": lambda _: "value_error",
    "loc": lambda rng: rng.choice(("body", "query", "path")),
    "msg": lambda _: "Value error, the value is not accepted",
}
"""The texts of FastAPI's errors."""

_FORMATS: Mapping[str, Callable[[Random], Any]] = {
    "uuid": _uuid,
    "date-time": lambda rng: timestamp(moment(rng)) + "Z",
    "date": lambda rng: timestamp(moment(rng))[:10],
    "time": lambda rng: timestamp(moment(rng))[11:] + "Z",
    "email": lambda rng: words(rng).safe_email(),
    "uri": lambda rng: words(rng).url(),
    "hostname": lambda rng: words(rng).domain_name(),
    "ipv4": lambda rng: words(rng).ipv4(),
    "ipv6": lambda rng: words(rng).ipv6(),
}
