"""The boundaries of a schema, one at a time and always the same: lengths, counts, types, presence, formats, members."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from mockserver.answer.body import format_of
from mockserver.answer.generate import generate
from mockserver.answer.judgement import BOM
from mockserver.check.provider.cases import UNSENT, Case
from mockserver.check.provider.values import base_body, headers_of, required_values, usual
from mockserver.check.provider.writing import field_of, pairs_of, segment_of, type_sent, types_of_values
from mockserver.contract.openapi import Media, Operation, Parameter, is_json
from mockserver.contract.resolved import View, Views, first, is_same, keywords, kinds, required, said, view_of
from mockserver.contract.schema import Schema
from mockserver.contract.tree import pointed, resolve
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
    "a\0b",
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
    base = usual(operation, path)
    for parameter in operation.parameters:
        if parameter.location in ("query", "querystring"):
            yield from _of_query(base, parameter)
        elif parameter.location in ("header", "cookie"):
            yield from _of_header(base, parameter)
        else:
            for text in path_texts(parameter, path[parameter.name]):
                changed = {**path, parameter.name: text}
                yield base._replace(name=f"{parameter.name}: text {text[:40]!r}", path=changed)
    if operation.body is not None:
        for body in body_variants(operation):
            yield base._replace(name=f"body: {body.name}", body=body.value)
        if is_json(operation.body.type):
            yield base._replace(name="a byte order mark before the body", body=BOM + base.sent)


def examples(operation: Operation, path: Mapping[str, str]) -> Iterator[Case]:
    """Yield the usual request in each media type, the documented examples of the body, and a request without one."""
    base = usual(operation, path)
    yield base
    body = operation.body
    if body is None:
        return
    yield base._replace(name="no body", body=UNSENT, content_type=None)
    for media in body.media:
        if media is not body.preferred:
            try:
                yield usual(operation, path, f"the usual as {media.type}", media)
            except ContractError:  # one that can be asked in another media type is
                continue
        for name, example in _documented(media).items():
            yield base._replace(name=name, body=example, media=media, content_type=type_sent(media))


def _documented(media: Media) -> dict[str, Json]:
    """Return the examples of a representation and of its schema, by what they are called, whether right or not."""
    found: dict[str, Json] = {}
    schema = media.schema
    for document, pointer in ((schema.document, each) for each in (media.pointer, schema.pointer)) if schema else ():
        try:
            _, node = resolve(document, pointer)
        except (KeyError, ContractError):
            continue
        if not isinstance(node, dict):
            continue
        named = node.get("examples")
        for name, example in named.items() if isinstance(named, dict) else ():
            found[f"example {name}"] = resolve_example(document, example)
        if "example" in node:
            found["example"] = node["example"]
    return found


def path_texts(parameter: Parameter, base: str) -> list[str]:
    """Return texts of every shape for a parameter of the path: its boundaries, and other ways to write a value of it.

    A value is neither empty nor a dot segment, which mean another path.
    """
    kinds = types_of_values(parameter)
    values = (each.value for each in variants(*view_of(parameter.schema), parameter.name))
    found = [segment_of(parameter, value) for value in values if _is_writable(value, kinds)]
    found += [base.upper(), base.lower(), base.swapcase(), f" {base} ", f"{base}/{base}", *SHAPES]
    return [text for text in dict.fromkeys(found) if text not in ("", ".", "..") and len(text) <= MOST_IN_PATH]


MOST_IN_PATH = 1_000
"""Longest value of the path: servers limit how long a whole target may be."""

SHAPES = (
    "MiXed-Case_9.z~",
    "007",
    "+1",
    "1.0",
    _UUID.upper(),
    "E\u0301te\u0301",
    unicodedata.normalize("NFC", "E\u0301te\u0301"),
    "a%20b+c",
    "a;b=c,d@e:f&g?h#i",
    "Ii\u0130\u0131\u00df",
    "x" * 300,
)
"""Identifiers that servers are known to change: case, digits, signs, ways to write a letter, encodings, lengths."""


def resolve_example(document: Json, example: Json) -> Json:
    """Return the value of an example object, a reference followed."""
    if isinstance(example, dict) and "$ref" in example:
        _, example = resolve(document, pointed(example["$ref"]))
    return example.get("value") if isinstance(example, dict) else example


def _of_query(base: Case, parameter: Parameter) -> Iterator[Case]:
    name, kinds = parameter.name, types_of_values(parameter)
    values = [value for each, value in required_values(base.operation, parameter.location) if each is parameter]
    own = [pair for value in values for pair in pairs_of(parameter, value)]
    others = tuple(pair for pair in base.query if pair not in own)
    if parameter.required:
        yield base._replace(name=f"{name}: left out", query=others)
    for variant in variants(*view_of(parameter.schema), name):
        if _is_writable(variant.value, kinds):
            pairs = pairs_of(parameter, variant.value)
            yield base._replace(name=f"{name}: {variant.name}", query=(*others, *pairs))
    yield base._replace(name="an unknown parameter", query=(("surprise", "1"), *base.query))


def _is_writable(value: Json, kinds: frozenset[str]) -> bool:
    """Return whether a value can be meant for a parameter: a list or an object for one that takes them alone."""
    if isinstance(value, dict | list):
        return ("object" if isinstance(value, dict) else "array") in kinds
    return value is not None


def _of_header(base: Case, parameter: Parameter) -> Iterator[Case]:
    """Yield cases of a header parameter or a cookie: left out, and the values that a field can hold."""
    name, kinds, operation = parameter.name, types_of_values(parameter), base.operation
    others = headers_of(operation, without=parameter)
    if parameter.required:
        yield base._replace(name=f"{name}: left out", headers=others)
    for variant in variants(*view_of(parameter.schema), name):
        if not _is_writable(variant.value, kinds):
            continue
        if parameter.location == "header":
            pairs = [(name, field_of(parameter, variant.value))]
        else:
            pairs = [("cookie", "; ".join(f"{key}={text}" for key, text in pairs_of(parameter, variant.value)))]
        if all(_FIELD(text) for _, text in pairs):
            yield base._replace(name=f"{name}: {variant.name}", headers=(*others, *pairs))


_FIELD = re.compile(r"[!-+\--~](?:[ -+\--~]{0,198}[!-+\--~])?").fullmatch
"""What any server reads of a field as it was sent: no commas, which part the values of a list."""


@lru_cache(maxsize=256)
def body_variants(operation: Operation) -> tuple[Variant, ...]:
    """Return the variants of a body: each of its fields in turn, all else as usual."""
    body = operation.body
    if body is None:
        return ()
    written = format_of(body.preferred)
    if written.holds == "bytes" or written.items is not None:
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
        yield from _of_text(views, view)
    elif kind in ("integer", "number"):
        yield from _of_number(view)
    elif kind == "boolean":
        yield from (Variant(str(value).lower(), value) for value in (True, False))
        yield Variant("words", "perhaps")
    elif kind == "array":
        yield from _of_list(views, view, name, depth)
    elif kind == "object" and depth < DEEPEST:
        yield from _of_object(views, view, base, depth)


def _of_text(views: Views, view: View) -> Iterator[Variant]:
    low, high = said(view, "minLength", 0), said(view, "maxLength")
    fill = _fill(views, view, max(low, 1) if high is None else high)
    for length in sorted({low - 1, low, low + 1} | ({high - 1, high, high + 1} if high is not None else {LONG})):
        if 0 <= length <= 100_000:
            name = f"{length} characters{_limit(view, length, 'minLength', 'maxLength')}"
            yield Variant(name, (fill * (length // len(fill) + 1))[:length] if len(fill) == 1 else _cut(fill, length))
            if length in (high, (high or 0) + 1):
                yield Variant(f"{name} beyond ASCII", "é" * length)
                yield Variant(f"{name} beyond the first plane", "🎉" * length)
    form = said(view, "format", "")
    yield from (Variant(f"{form} {what}", text) for what, text in _FORMATS.get(form, ()))
    yield from _texts()


def _fill(views: Views, view: View, length: int) -> str:
    """Return what texts of any length are made of: a letter that the schema allows, or else a whole valid text."""
    if not first(view, "pattern") and not first(view, "format"):
        return "a"
    schema = Schema(views.document, view.pointer, "")
    letters = (each for each in "aA0-" if schema.is_valid(each * min(length, 100_000)))
    made = _made(views, view)
    return next(letters, made if isinstance(made, str) and made else "a")


def _cut(text: str, length: int) -> str:
    """Bring a text to a length by its last letter."""
    return text[:length] + text[-1] * (length - len(text))


def _limit(view: View, value: float, *keys: str) -> str:
    """Name the limits that a value is at or just beyond."""
    found = [f"{key} {each.value}" for key in keys for each in keywords(view, key) if abs(each.value - value) <= 1]
    return f" ({', '.join(found)})" if found else ""


def _texts() -> Iterator[Variant]:
    return (Variant(f"text {text!r}", text) for text in TEXTS)


LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def _of_number(view: View) -> Iterator[Variant]:
    step = said(view, "multipleOf", 1)
    limits = {each.value for key in LIMITS for each in keywords(view, key)}
    values = {-1, 0, 1, 2**31, 2**53} | {limit + move for limit in limits for move in (-step, 0, step)}
    if step != 1:
        values |= {step, step * 3, step * 3 + step / 2}
    yield from (Variant(f"{value}{_limit(view, value, *LIMITS)}", value) for value in sorted(values))
    yield from (Variant(f"{text!r}", text) for text in ("abc", "1.5", "", "1e3", "٣"))


def _of_list(views: Views, view: View, name: str, depth: int) -> Iterator[Variant]:
    items = views.below(view, "items")
    item = _made(views, items) if first(view, "items") else "x"
    low, high = said(view, "minItems", 0), said(view, "maxItems")
    for size in sorted({low - 1, low, low + 1} | ({high, high + 1} if high is not None else {MOST})):
        if 0 <= size <= 10_000:
            what = f"{name or 'list'} of {size}{_limit(view, size, 'minItems', 'maxItems')}"
            yield Variant(what, _items(views, items, item, size, unique=said(view, "uniqueItems", False)))
    if first(view, "items") and depth < DEEPEST:
        for variant in variants(views, items, name, None, depth + 1):
            yield Variant(f"{name or 'list'} with {variant.name}", [variant.value])
    yield Variant(f"{name or 'list'} with the same twice", [item, item])


_CHECKED = ("pattern", "format", "enum", "const", "maxLength")


def _items(views: Views, items: View, item: Json, size: int, *, unique: bool) -> list[Json]:
    """Return so many valid items: numbered texts, or others that differ where they must."""
    if isinstance(item, str) and not any(first(items, key) for key in _CHECKED):
        return [f"{item}{index}" for index in range(size)]
    if not unique:
        return [item] * size
    made: list[Json] = []
    for seed in range(10 * min(size, 200)):
        each = _made(views, items, seed)
        if len(made) < size and not any(is_same(each, other) for other in made):
            made.append(each)
    return made


def _made(views: Views, view: View, seed: int = 0) -> Json:
    """Make a value; None where none can be made."""
    try:
        return generate(Schema(views.document, view.pointer, ""), Random(seed), direction="request")
    except ContractError:
        return None


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
    for key in ("minProperties", "maxProperties"):
        for limit in (each.value for each in keywords(view, key) if each.value <= 1_000):
            yield from (_sized(whole, size, f"{size} fields ({key} {limit})") for size in (limit - 1, limit, limit + 1))


def _sized(whole: dict[str, Json], size: int, name: str) -> Variant:
    """Bring an object to a number of fields: more of the kind that it has, or fewer."""
    like = next(iter(whole.values()), "x")
    more = {f"field{index}": like for index in range(size - len(whole))}
    return Variant(name, dict([*whole.items(), *more.items()][: max(size, 0)]))
