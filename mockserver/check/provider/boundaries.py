"""The boundaries of a schema, one at a time and always the same: lengths, counts, types, presence, formats, members."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from mockserver.answer.generate import generate
from mockserver.check.provider.cases import UNSENT, Case
from mockserver.contract.openapi import Operation, Parameter
from mockserver.contract.schema import Schema, join, lookup, resolve
from mockserver.errors import ContractError
from mockserver.messages import Json

DEEPEST = 5
"""How deep the fields of a body are varied."""

LONG = 5_000
"""Length of a long text where nothing limits it."""

MOST = 12
"""How many items a long list has where nothing limits it."""

TEXTS = (
    "",
    " ",
    "x",
    "Ünïcödé ✓ 漢字 🎉",
    "line\nbreak\ttab",
    'quote " and \\ backslash',
    "a\u2028b\u2029c",
    "null",
    "0",
    "../../etc",
    "%2F%00",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "What were the main findings in Q3?",
)
"""Texts that have broken servers."""

_UUID = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
_FORMATS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "uuid": (("right", _UUID), ("upper case", _UUID.upper()), ("cut", _UUID[:-1]), ("words", "no uuid")),
    "date-time": (("right", "2026-04-22T12:34:41Z"), ("date only", "2026-04-22"), ("words", "noon")),
    "date": (("right", "2026-04-22"), ("words", "today")),
    "email": (("right", "a@example.org"), ("words", "nobody")),
    "uri": (("right", "https://example.org/"), ("words", "no uri at all")),
    "ipv4": (("right", "127.0.0.1"), ("words", "localhost")),
    "ipv6": (("right", "::1"), ("words", "localhost")),
}


class Variant(NamedTuple):
    """A value with a name that says what is special about it."""

    name: str
    value: Json


def boundaries(operation: Operation, path: Mapping[str, str]) -> Iterator[Case]:
    """Give a case for each boundary of each part of a request; `path` holds values that are there."""
    yield from examples(operation, path)
    base = base_body(operation)
    for parameter in operation.parameters:
        if parameter.location == "query":
            yield from _of_parameter(operation, path, base, parameter)
    for variant in _texts():
        for parameter in operation.parameters:
            if parameter.location == "path" and variant.value not in ("", ".", ".."):
                yield Case(
                    f"{parameter.name}: {variant.name}", operation, {**path, parameter.name: variant.value}, (), base
                )
    if operation.body is not None:
        for body in body_variants(operation):
            yield Case(f"body: {body.name}", operation, path, (), body.value)


def examples(operation: Operation, path: Mapping[str, str]) -> Iterator[Case]:
    """Give the documented examples of an operation's body, and the least that can be sent."""
    yield Case("the usual", operation, path, (), base_body(operation))
    body = operation.body
    if body is None:
        return
    yield Case("no body", operation, path, (), UNSENT, None)
    place = body.schema.pointer
    document = body.schema.document
    for pointer in (f"{operation.pointer}/requestBody/content/application~1json", place):
        try:
            node = lookup(document, pointer)
        except KeyError:
            continue
        if isinstance(node, dict):
            for name, example in (node.get("examples") or {}).items() if isinstance(node.get("examples"), dict) else ():
                yield Case(f"example {name}", operation, path, (), resolve_example(document, example))
            if "example" in node:
                yield Case("example", operation, path, (), node["example"])


def resolve_example(document: Json, example: Json) -> Json:
    """Give the value of an example object, a reference followed."""
    if isinstance(example, dict) and "$ref" in example:
        _, example = resolve(document, example["$ref"].removeprefix("#"))
    return example.get("value") if isinstance(example, dict) else example


@lru_cache(maxsize=256)
def base_body(operation: Operation) -> Json:
    """Give a plain valid body, UNSENT where an operation has none; a ContractError where none can be made."""
    body = operation.body
    if body is None:
        return UNSENT
    for seed in range(50):
        made = generate(body.schema, Random(seed))
        if made is not None and body.schema.is_valid(made):
            return made
    raise ContractError("no valid body can be made", where="#" + body.schema.pointer, fix="give it an example")


def _of_parameter(operation: Operation, path: Mapping[str, str], base: Json, parameter: Parameter) -> Iterator[Case]:
    name = parameter.name
    if parameter.required:
        yield Case(f"{name}: left out", operation, path, (), base)
    for variant in variants(parameter.schema.document, parameter.schema.pointer, name):
        if variant.value is None or isinstance(variant.value, dict | list):
            continue
        text = variant.value if isinstance(variant.value, str) else str(variant.value)
        text = text.lower() if isinstance(variant.value, bool) else text
        yield Case(f"{name}: {variant.name}", operation, path, ((name, text),), base)
    yield Case("an unknown parameter", operation, path, (("surprise", "1"),), base)


@lru_cache(maxsize=256)
def body_variants(operation: Operation) -> tuple[Variant, ...]:
    """Give the variants of a body: each of its fields in turn, all else as usual."""
    body = operation.body
    if body is None:
        return ()
    return tuple(variants(body.schema.document, body.schema.pointer, "", base_body(operation)))


def variants(document: Json, pointer: str, name: str, base: Json = None, depth: int = 0) -> Iterator[Variant]:
    """Give values at and beyond each boundary of a schema; whether each is allowed is for others to say."""
    yield Variant("null", None)
    for at, node in branches(document, pointer):
        if not isinstance(node, dict):
            continue
        if "const" in node:
            yield Variant(f"const {node['const']!r}", node["const"])
        for member in node.get("enum", ()):
            yield Variant(f"member {member!r}", member)
        kinds = node.get("type", [])
        for kind in [kinds] if isinstance(kinds, str) else kinds or _spoken(node):
            yield from _of_kind(document, at, node, kind, name, base, depth)
    for kind, value in (("a text", "text"), ("a number", 17), ("a fraction", 1.5), ("true", True)):
        yield Variant(kind, value)
    yield from (Variant(kind, value) for kind, value in (("an empty list", []), ("an empty object", {})))


def _spoken(node: Json) -> tuple[str, ...]:
    if "properties" in node:
        return ("object",)
    return ("array",) if "items" in node else ()


def branches(document: Json, pointer: str, depth: int = 0) -> Iterator[tuple[str, Json]]:
    """Give the schemas that a value may satisfy: references followed, unions taken apart."""
    pointer, node = resolve(document, pointer)
    if not isinstance(node, dict) or depth > DEEPEST:
        return
    unions = [key for key in ("anyOf", "oneOf", "allOf") if key in node]
    for key in unions:
        for index in range(len(node[key])):
            yield from branches(document, join(pointer, key, index), depth + 1)
    if not unions or "properties" in node or "type" in node:
        yield pointer, node


def _of_kind(
    document: Json, pointer: str, node: Json, kind: str, name: str, base: Json, depth: int
) -> Iterator[Variant]:
    if kind == "string":
        yield from _of_text(node)
    elif kind in ("integer", "number"):
        yield from _of_number(node)
    elif kind == "boolean":
        yield from (Variant(str(value).lower(), value) for value in (True, False))
        yield Variant("words", "perhaps")
    elif kind == "array":
        yield from _of_list(document, pointer, node, name, depth)
    elif kind == "object" and depth < DEEPEST:
        yield from _of_object(document, pointer, node, base, depth)


def _of_text(node: Json) -> Iterator[Variant]:
    low, high = node.get("minLength", 0), node.get("maxLength")
    for length in sorted({low - 1, low, low + 1} | ({high - 1, high, high + 1} if high is not None else {LONG})):
        if 0 <= length <= 100_000:
            yield Variant(f"{length} characters", "a" * length)
            if length in (high, (high or 0) + 1):
                yield Variant(f"{length} characters beyond ASCII", "é" * length)
                yield Variant(f"{length} characters beyond the first plane", "🎉" * length)
    yield from (Variant(f"{node['format']} {what}", text) for what, text in _FORMATS.get(node.get("format", ""), ()))
    yield from _texts()


def _texts() -> Iterator[Variant]:
    return (Variant(f"text {text!r}", text) for text in TEXTS)


def _of_number(node: Json) -> Iterator[Variant]:
    limits = {node[key] for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum") if key in node}
    values = {-1, 0, 1, 2**31, 2**53} | {limit + step for limit in limits for step in (-1, 0, 1)}
    yield from (Variant(f"{value}", value) for value in sorted(values))
    yield from (Variant(f"{text!r}", text) for text in ("abc", "1.5", "", "1e3", "٣"))


def _of_list(document: Json, pointer: str, node: Json, name: str, depth: int) -> Iterator[Variant]:
    item = _item(document, pointer, node)
    low, high = node.get("minItems", 0), node.get("maxItems")
    for size in sorted({low - 1, low, low + 1} | ({high, high + 1} if high is not None else {MOST})):
        if 0 <= size <= 10_000:
            made = [f"{item}{index}" if isinstance(item, str) else item for index in range(size)]
            yield Variant(f"{name or 'list'} of {size}", made)
    if "items" in node and depth < DEEPEST:
        for variant in variants(document, join(pointer, "items"), name, None, depth + 1):
            yield Variant(f"{name or 'list'} with {variant.name}", [variant.value])
    yield Variant(f"{name or 'list'} with the same twice", [item, item])


def _item(document: Json, pointer: str, node: Json) -> Json:
    if "items" not in node:
        return "x"
    return generate(Schema(document, join(pointer, "items"), ""), Random(0))


def _of_object(document: Json, pointer: str, node: Json, base: Json, depth: int) -> Iterator[Variant]:
    whole = base if isinstance(base, dict) else generate(Schema(document, pointer, ""), Random(0))
    if not isinstance(whole, dict):
        return
    yield Variant("an extra field", {**whole, "surprise": {"deep": [1]}})
    for key in node.get("properties", {}):
        left: dict[str, Any] = {other: value for other, value in whole.items() if other != key}
        yield Variant(f"without {key}", left)
        below = whole.get(key)
        for variant in variants(document, join(pointer, "properties", key), key, below, depth + 1):
            yield Variant(f"{key}: {variant.name}", {**whole, key: variant.value})
    required = {key: whole[key] for key in node.get("required", ()) if key in whole}
    yield Variant("only what is required", required)
