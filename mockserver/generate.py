"""Schema and a source of chance -> a value that satisfies the schema and reads like a real one."""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from mockserver.errors import ContractError
from mockserver.exchange import Json
from mockserver.schema import Schema, join, resolve

if TYPE_CHECKING:
    from faker import Faker

DEPTH = 6
"""How deep a recursive schema is followed before only what must be there is made."""

_EPOCH = datetime(2026, 4, 1, tzinfo=UTC)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_OPENINGS = ("How do we", "When should we", "Can you help us", "What does it take to", "Who will")
_TOOLS = ("retrieve", "find_files", "grep_file", "read_file")
_local = threading.local()


def generate(schema: Schema, rng: Random, known: Mapping[str, Json] | None = None) -> Json:
    """Make a value of `schema`; top-level properties named in `known` take that value (ids are echoed).

    The same schema and the same state of `rng` give the same value. A ContractError names a place for which
    no value can be made (a pattern without an example, say).
    """
    maker = _Maker(schema.document, rng)
    value = maker.value(schema.pointer, "", 0)
    if known and isinstance(value, dict):
        value |= {name: known[name] for name in value if name in known}
    return value


def words(rng: Random) -> "Faker":
    """Give Faker, drawing from `rng`; it is loaded when first asked for."""
    if not hasattr(_local, "fake"):
        from faker import Faker

        _local.fake = Faker("en_US")
    fake: Any = _local.fake  # its type does not tell that the source of chance can be set
    fake.random = rng
    return _local.fake  # type: ignore[no-any-return]  # a thread's own values have no type


class _Maker:
    """Makes values of one document's schemas from one source of chance."""

    def __init__(self, document: Json, rng: Random) -> None:
        self.document, self.rng = document, rng

    def value(self, pointer: str, name: str, depth: int, tag: str = "") -> Json:
        """Make the value of the property `name`; a member of a tagged union always has its `tag`."""
        pointer, node = resolve(self.document, pointer)
        if isinstance(node, bool):
            return {}
        if "const" in node:
            return node["const"]
        if "enum" in node:
            return self.rng.choice(node["enum"])
        for union in ("oneOf", "anyOf"):
            if union in node:
                tag = node.get("discriminator", {}).get("propertyName", tag)
                return self.value(self.branch(node[union], join(pointer, union), depth), name, depth, tag)
        if "allOf" in node:
            return self.merged(node, pointer, name, depth)
        if (kind := self.kind(node, depth)) == "object":
            return self.object(node, pointer, depth, tag)
        return self.typed(kind, node, pointer, name, depth)

    def branch(self, branches: list[Json], pointer: str, depth: int) -> str:
        """Choose a branch; null one time in four, and always where the schema has grown too deep."""
        null = [i for i, branch in enumerate(branches) if isinstance(branch, dict) and branch.get("type") == "null"]
        rest = [i for i in range(len(branches)) if i not in null]
        take_null = null and (not rest or depth > DEPTH or self.rng.random() < 0.25)
        return join(pointer, self.rng.choice(null if take_null else rest))

    def merged(self, node: Json, pointer: str, name: str, depth: int) -> Json:
        parts = [self.value(join(pointer, "allOf", i), name, depth) for i in range(len(node["allOf"]))]
        if "properties" in node:
            parts.append(self.object(node, pointer, depth))
        if all(isinstance(part, dict) for part in parts):
            return {key: value for part in parts for key, value in part.items()}
        return parts[-1]

    def kind(self, node: Json, depth: int) -> str:
        kinds = node.get("type")
        if isinstance(kinds, list):
            others = [kind for kind in kinds if kind != "null"]
            if "null" in kinds and (not others or depth > DEPTH or self.rng.random() < 0.25):
                return "null"
            return str(self.rng.choice(others))
        if kinds is not None:
            return str(kinds)
        if "properties" in node or "additionalProperties" in node:
            return "object"
        return "array" if "items" in node else "any"

    def typed(self, kind: str, node: Json, pointer: str, name: str, depth: int) -> Json:
        match kind:
            case "array":
                return self.array(node, pointer, name, depth)
            case "string":
                return self.string(node, pointer, name)
            case "integer" | "number":
                return self.number(kind, node, name)
            case "boolean":
                return self.rng.random() < (0.1 if name == "is_error" else 0.5)
            case "null":
                return None
            case _:
                return {}

    def object(self, node: Json, pointer: str, depth: int, tag: str = "") -> Json:
        required = node.get("required", [])
        made = {}
        for key in node.get("properties", {}):
            if key in required or key in (tag, "detail") or (depth <= DEPTH and self.rng.random() < 0.75):
                made[key] = self.value(join(pointer, "properties", key), key, depth + 1)
        for key in required:
            if key not in made:
                extra = node.get("additionalProperties", True)
                place = join(pointer, "additionalProperties")
                made[key] = self.value(place, key, depth + 1) if isinstance(extra, dict) else {}
        if made.get("is_error") is False and made.get("error") is not None:
            made["error"] = None
        return made

    def array(self, node: Json, pointer: str, name: str, depth: int) -> Json:
        low = node.get("minItems", 0)
        high = max(low, min(node.get("maxItems", low + 3), low + 3)) if depth <= DEPTH else low
        size = self.rng.randint(low, high)
        prefix = len(node.get("prefixItems", []))
        places = [join(pointer, "prefixItems", i) for i in range(prefix)]
        if "items" not in node and not prefix:
            return [{} for _ in range(size)]
        places += [join(pointer, "items")] * max(0, size - prefix)
        made = [self.value(place, name.removesuffix("s"), depth + 1) for place in places]
        if node.get("uniqueItems"):
            made = [item for index, item in enumerate(made) if item not in made[:index]]
        return made

    def number(self, kind: str, node: Json, name: str) -> Json:
        typical = _NUMBERS.get(name, (0, 100))
        low = node.get("minimum", node.get("exclusiveMinimum", typical[0] - 1) + 1)
        low = max(low, typical[0]) if typical[0] <= node.get("maximum", typical[0]) else low
        high = node.get("maximum", node.get("exclusiveMaximum", max(low, typical[1]) + 1) - 1)
        step = node.get("multipleOf")
        if step:
            return step * self.rng.randint(-(-low // step), high // step)
        if kind == "integer":
            return self.rng.randint(int(low), int(max(low, high)))
        return round(self.rng.uniform(low, high), 1)

    def string(self, node: Json, pointer: str, name: str) -> str:
        if node.get("format") in _FORMATS:
            return str(_FORMATS[node["format"]](self.rng))
        if "pattern" in node:
            samples = [
                *node.get("examples", []),
                *[node[key] for key in ("example", "default") if key in node],
            ]
            if not samples:
                raise ContractError(
                    "no value can be made for a pattern",
                    where="#" + join(pointer, "pattern"),
                    why="values are not made from patterns",
                    mend="give the schema an example",
                )
            return str(self.rng.choice(samples))
        text = _NAMED.get(name, _NAMED["text"])(self.rng)
        low, high = node.get("minLength", 0), node.get("maxLength", len(text))
        while len(text) < low:
            text += " " + _sentence(self.rng)
        return text[: max(low, high)].rstrip() if len(text) > high and high > low else text[: max(low, high)]


def identifier(prefix: str, rng: Random, size: int = 12) -> str:
    """Make an id in upstream's form, `ses-` and lower-case alphanumerics. Source: docs/upstream.md, "Identifiers"."""
    return prefix + "".join(rng.choices(_ALPHABET, k=size))


def timestamp(moment: datetime) -> str:
    """Write a moment (UTC) in upstream's form: microseconds, no zone. Source: docs/upstream.md, "Timestamps"."""
    return moment.isoformat(timespec="microseconds")[:26]


def _moment(rng: Random) -> datetime:
    return _EPOCH + timedelta(microseconds=rng.randrange(180 * 86_400 * 1_000_000))


def _title(rng: Random) -> str:
    return f"{rng.choice(_OPENINGS)} {words(rng).bs()}?..."


def _sentence(rng: Random) -> str:
    return f"We {words(rng).bs()}."


def _uuid(rng: Random) -> str:
    from uuid import UUID

    return str(UUID(int=rng.getrandbits(128), version=4))


_NUMBERS = {
    "turns": (1, 6),
    "duration_ms": (120, 30_000),
    "total_input_tokens": (40, 9_000),
    "total_output_tokens": (10, 1_500),
}

_NAMED: Mapping[str, Callable[[Random], str]] = {
    "text": _sentence,
    "session_id": lambda rng: identifier("ses-", rng),
    "index_id": lambda rng: identifier("idx-", rng),
    "export_config_id": _uuid,
    "call_id": lambda rng: identifier("call_", rng, 8),
    "source_id": lambda rng: identifier("dfl-", rng),
    "attachment_name": lambda rng: f"screenshots/page_{rng.randint(1, 99)}.jpg",
    "next_page_token": lambda rng: identifier("", rng, 24),
    "generated_title": _title,
    "title": _title,
    "last_updated_at": lambda rng: timestamp(_moment(rng)),
    "name": lambda rng: rng.choice(_TOOLS),
    "error": lambda rng: f"The index {identifier('idx-', rng)} could not be queried.",
    "type": lambda _: "value_error",
    "loc": lambda rng: rng.choice(("body", "query", "path")),
    "msg": lambda _: "Value error, the value is not accepted",
}

_FORMATS: Mapping[str, Callable[[Random], Any]] = {
    "uuid": _uuid,
    "date-time": lambda rng: timestamp(_moment(rng)) + "Z",
    "date": lambda rng: timestamp(_moment(rng))[:10],
    "time": lambda rng: timestamp(_moment(rng))[11:] + "Z",
    "email": lambda rng: words(rng).safe_email(),
    "uri": lambda rng: words(rng).url(),
    "hostname": lambda rng: words(rng).domain_name(),
    "ipv4": lambda rng: words(rng).ipv4(),
    "ipv6": lambda rng: words(rng).ipv6(),
}
