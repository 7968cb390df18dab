"""The boundaries of a schema, one at a time and always the same: lengths, counts, types, presence, formats, members."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from mockserver.answer.generate import generate
from mockserver.check.provider.cases import UNSENT, Case
from mockserver.contract.openapi import Operation, Parameter
from mockserver.contract.resolved import View, Views, first, keywords, kinds, required, said, view_of
from mockserver.contract.schema import Schema, lookup, resolve
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
    """Yield a case for each boundary of each part of a request; `path` holds values that are there."""
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
    """Yield the documented examples of an operation's body, and a minimal request."""
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
    """Return the value of an example object, a reference followed."""
    if isinstance(example, dict) and "$ref" in example:
        _, example = resolve(document, example["$ref"].removeprefix("#"))
    return example.get("value") if isinstance(example, dict) else example


@lru_cache(maxsize=256)
def base_body(operation: Operation) -> Json:
    """Return a plain valid body, UNSENT if an operation takes none; a ContractError if none can be made."""
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
    for variant in variants(*view_of(parameter.schema), name):
        if variant.value is None or isinstance(variant.value, dict | list):
            continue
        text = variant.value if isinstance(variant.value, str) else str(variant.value)
        text = text.lower() if isinstance(variant.value, bool) else text
        yield Case(f"{name}: {variant.name}", operation, path, ((name, text),), base)
    yield Case("an unknown parameter", operation, path, (("surprise", "1"),), base)


@lru_cache(maxsize=256)
def body_variants(operation: Operation) -> tuple[Variant, ...]:
    """Return the variants of a body: each of its fields in turn, all else as usual."""
    body = operation.body
    if body is None:
        return ()
    return tuple(variants(*view_of(body.schema), "", base_body(operation)))


def variants(views: Views, view: View, name: str, base: Json = None, depth: int = 0) -> Iterator[Variant]:
    """Yield values at and beyond each boundary of a schema, valid or not."""
    yield Variant("null", None)
    for leaf in views.leaves(view):
        yield from (Variant(f"const {value!r}", value) for _, value in keywords(leaf, "const"))
        yield from (Variant(f"member {each!r}", each) for _, value in keywords(leaf, "enum") for each in value)
        for kind in kinds(leaf):
            yield from _of_kind(views, leaf, kind, name, base, depth)
    for kind, value in (("a text", "text"), ("a number", 17), ("a fraction", 1.5), ("true", True)):
        yield Variant(kind, value)
    yield from (Variant(kind, value) for kind, value in (("an empty list", []), ("an empty object", {})))


def _of_kind(views: Views, view: View, kind: str, name: str, base: Json, depth: int) -> Iterator[Variant]:
    if kind == "string":
        yield from _of_text(view)
    elif kind in ("integer", "number"):
        yield from _of_number(view)
    elif kind == "boolean":
        yield from (Variant(str(value).lower(), value) for value in (True, False))
        yield Variant("words", "perhaps")
    elif kind == "array":
        yield from _of_list(views, view, name, depth)
    elif kind == "object" and depth < DEEPEST:
        yield from _of_object(views, view, base, depth)


def _of_text(view: View) -> Iterator[Variant]:
    low, high = said(view, "minLength", 0), said(view, "maxLength")
    for length in sorted({low - 1, low, low + 1} | ({high - 1, high, high + 1} if high is not None else {LONG})):
        if 0 <= length <= 100_000:
            yield Variant(f"{length} characters", "a" * length)
            if length in (high, (high or 0) + 1):
                yield Variant(f"{length} characters beyond ASCII", "é" * length)
                yield Variant(f"{length} characters beyond the first plane", "🎉" * length)
    form = said(view, "format", "")
    yield from (Variant(f"{form} {what}", text) for what, text in _FORMATS.get(form, ()))
    yield from _texts()


def _texts() -> Iterator[Variant]:
    return (Variant(f"text {text!r}", text) for text in TEXTS)


def _of_number(view: View) -> Iterator[Variant]:
    keys = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    limits = {each.value for key in keys for each in keywords(view, key)}
    values = {-1, 0, 1, 2**31, 2**53} | {limit + step for limit in limits for step in (-1, 0, 1)}
    yield from (Variant(f"{value}", value) for value in sorted(values))
    yield from (Variant(f"{text!r}", text) for text in ("abc", "1.5", "", "1e3", "٣"))


def _of_list(views: Views, view: View, name: str, depth: int) -> Iterator[Variant]:
    items = views.below(view, "items")
    item = _made(views, items) if first(view, "items") else "x"
    low, high = said(view, "minItems", 0), said(view, "maxItems")
    for size in sorted({low - 1, low, low + 1} | ({high, high + 1} if high is not None else {MOST})):
        if 0 <= size <= 10_000:
            made = [f"{item}{index}" if isinstance(item, str) else item for index in range(size)]
            yield Variant(f"{name or 'list'} of {size}", made)
    if first(view, "items") and depth < DEEPEST:
        for variant in variants(views, items, name, None, depth + 1):
            yield Variant(f"{name or 'list'} with {variant.name}", [variant.value])
    yield Variant(f"{name or 'list'} with the same twice", [item, item])


def _made(views: Views, view: View) -> Json:
    return generate(Schema(views.document, view.pointer, ""), Random(0))


def _of_object(views: Views, view: View, base: Json, depth: int) -> Iterator[Variant]:
    whole = base if isinstance(base, dict) else _made(views, view)
    if not isinstance(whole, dict):
        return
    yield Variant("an extra field", {**whole, "surprise": {"deep": [1]}})
    for key, below in views.fields(view).items():
        left: dict[str, Any] = {other: value for other, value in whole.items() if other != key}
        yield Variant(f"without {key}", left)
        for variant in variants(views, below, key, whole.get(key), depth + 1):
            yield Variant(f"{key}: {variant.name}", {**whole, key: variant.value})
    yield Variant("only what is required", {key: whole[key] for key in required(view) if key in whole})
