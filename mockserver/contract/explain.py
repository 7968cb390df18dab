"""What is wrong with a value: the errors of jsonschema-rs, in words of our own, in time linear in the value."""

import json
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from mockserver.contract.tree import join, pointed
from mockserver.messages import Json

SMALL = 16_384
"""The largest value, in characters and parts, of which all errors are listed; of a larger one only the first."""

LONGEST_MESSAGE = 300
"""How many characters of a value a message shows."""


class SchemaError(NamedTuple):
    """One way in which a value breaks its schema; `path` is relative to the value."""

    keyword: str
    message: str
    path: list[str | int]
    pointer: str
    """The place of the keyword in the document."""
    instance: Json
    expected: Json
    branches: "Sequence[Sequence[SchemaError]]" = ()
    """The errors of each branch of a union."""
    parts: int = 1
    """How many parts of the value it is about: several where several names are not allowed."""


def is_small(value: Json) -> bool:
    """Return whether a value is small; of a large one only the beginning is looked at."""
    size, stack = 0, [value]
    while stack:
        node = stack.pop()
        if isinstance(node, (dict, list)):
            size += len(node)
            if size <= SMALL:
                stack += node.values() if isinstance(node, dict) else node
                size += sum(map(len, node)) if isinstance(node, dict) else 0
        else:
            size += len(node) if isinstance(node, str) else 1
        if size > SMALL:
            return False
    return True


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 240
_short.maxdict = _short.maxlist = 10
_short.maxlevel = 4


def show(value: Json) -> str:
    """Write a value for a message; a large one in part."""
    text = repr(value) if is_small(value) else _short.repr(value)
    return text if len(text) < LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 3] + "..."


def read_error(error: Any, value: Json, keywords: Callable[[str], Json]) -> SchemaError:
    """Read an error of jsonschema-rs about `value`; `keywords` finds what the document says at a place."""
    pointer = unquote(str(error.absolute_keyword_location or "").partition("#")[2])
    last = pointer.rpartition("/")[2]
    keyword = str(error.kind.name)
    if keyword != "falseSchema" and last and not last.isdigit():
        keyword = last
    path, instance = _located(value, error)
    expected = keywords(pointer)
    context = getattr(error.kind, "context", ())
    meant = _meant(instance, expected, keywords(pointer.rpartition("/")[0])) if context else None
    context = context if meant is None or meant >= len(context) else [context[meant]]
    return SchemaError(
        keyword=keyword,
        message=_describe(keyword, instance, expected, error),
        path=path,
        pointer=pointer,
        instance=instance,
        expected=expected,
        branches=[[read_error(each, value, keywords) for each in branch] for branch in context],
        parts=len(getattr(error.kind, "unexpected", ())) or 1,
    )


def _meant(value: Json, members: Json, owner: Json) -> int | None:
    """Return which member of a union the discriminator beside it names for a value; None if it names none."""
    told = owner.get("discriminator") if isinstance(owner, dict) else None
    if not isinstance(told, dict) or not isinstance(value, dict) or not isinstance(members, list):
        return None
    name, mapping = told.get("propertyName"), told.get("mapping")
    tag = value.get(name) if isinstance(name, str) else None
    if not isinstance(tag, str):
        return None
    target = str(mapping.get(tag, tag)) if isinstance(mapping, dict) else tag
    place = pointed(target) if target.startswith("#") else join("/components/schemas", target)
    references = [each.get("$ref") if isinstance(each, dict) else None for each in members]
    places = [pointed(each) if isinstance(each, str) else None for each in references]
    return places.index(place) if place in places else None


def _located(value: Json, error: Any) -> tuple[list[str | int], Json]:
    """Return where in a value an error is, and what is there."""
    parts, node = list(error.instance_path), value
    for part in parts:
        if isinstance(node, dict) and (not isinstance(part, str) or "" in node):
            return _searched(value, parts, error)
        node = node[part]
    return _searched(value, parts, error) if isinstance(node, dict) and "" in node else (parts, node)


def _searched(value: Json, parts: Sequence[str | int], error: Any) -> tuple[list[str | int], Json]:
    """Return the same where names are empty, which the library leaves out, or digits, of which it makes numbers."""
    wanted, likely = error.instance, None
    stack: list[tuple[list[str | int], Json, int]] = [([], value, 0)]
    while stack:
        path, node, at = stack.pop()
        if at == len(parts):
            likely = likely or (path, node)
            if type(node) is type(wanted) and node == wanted:
                return path, node
        if isinstance(node, list):
            items = [part for part in parts[at : at + 1] if isinstance(part, int) and part < len(node)]
            stack += [([*path, part], node[part], at + 1) for part in items]
        elif isinstance(node, dict):
            names = [name for name in node if not name or (at < len(parts) and _is_read_as(name, parts[at]))]
            stack += [([*path, name], node[name], at + bool(name)) for name in names]
    return likely or ([], value)


def _is_read_as(name: str, part: str | int) -> bool:
    digits = name.removeprefix("+")
    return name == part if isinstance(part, str) else digits.isdecimal() and (digits.lstrip("0") or "0") == str(part)


def _describe(keyword: str, value: Json, expected: Json, error: Any) -> str:
    if keyword == "type":
        types = [expected] if isinstance(expected, str) else expected
        return f"{show(value)} is not of type {', '.join(map(repr, types))}"
    if keyword in ("required", "dependentRequired"):
        return f"{error.kind.property!r} is a required property"
    if keyword in ("additionalProperties", "unevaluatedProperties", "unevaluatedItems"):
        extra = getattr(error.kind, "unexpected", ())
        texts = [show(json.loads(each) if keyword == "unevaluatedItems" else each) for each in extra[:MOST_NAMES]]
        texts += ["..."] if len(extra) > MOST_NAMES else []
        what = {"a": "Additional properties", "u": "Unevaluated properties"}[keyword[0]]
        what = "Unevaluated items" if keyword == "unevaluatedItems" else what
        return f"{what} are not allowed ({', '.join(texts)} {'was' if len(texts) == 1 else 'were'} unexpected)"
    words = _SEVERAL if type(error.kind).__name__ == "OneOfMultipleValid" else _WORDS.get(keyword, _OTHER)
    if isinstance(words, tuple):
        bound, exactly, usual = words
        words = exactly if expected == bound else usual
    return words.format(value=show(value), expected=show(expected), keyword=keyword)


MOST_NAMES = 20
"""How many names a message lists."""

_OTHER = "{value} breaks {keyword}: {expected}"
_SEVERAL = "{value} is valid under several of the given schemas, and must be under one only"
_EMPTY, _FULL = "{value} should be non-empty", "{value} is expected to be empty"
_WORDS: Mapping[str, str | tuple[int, str, str]] = {
    "enum": "{value} is not one of {expected}",
    "const": "{expected} was expected",
    "minLength": (1, _EMPTY, "{value} is too short"),
    "maxLength": (0, _FULL, "{value} is too long"),
    "minItems": (1, _EMPTY, "{value} is too short"),
    "maxItems": (0, _FULL, "{value} is too long"),
    "minProperties": (1, _EMPTY, "{value} does not have enough properties"),
    "maxProperties": (0, _FULL, "{value} has too many properties"),
    "minimum": "{value} is less than the minimum of {expected}",
    "maximum": "{value} is greater than the maximum of {expected}",
    "exclusiveMinimum": "{value} is less than or equal to the minimum of {expected}",
    "exclusiveMaximum": "{value} is greater than or equal to the maximum of {expected}",
    "multipleOf": "{value} is not a multiple of {expected}",
    "pattern": "{value} does not match {expected}",
    "format": "{value} is not a {expected}",
    "uniqueItems": "{value} has non-unique elements",
    "anyOf": "{value} is not valid under any of the given schemas",
    "oneOf": "{value} is not valid under any of the given schemas",
    "not": "{value} should not be valid under {expected}",
    "contains": "{value} does not contain items matching the given schema",
    "minContains": "{value} does not contain enough matching items",
    "maxContains": "{value} contains too many matching items",
    "propertyNames": "{value} has a name that is not allowed",
    "falseSchema": "False schema does not allow {value}",
}
"""Keyword -> what is wrong, in the words of most JSON Schema libraries; for a bound, also at this one value of it."""


def union_keyword(keyword: str, compile_place: Callable[[str], Any]) -> type[Any]:
    """Return a keyword that judges a union without listing the errors of its branches, which may be very many."""

    class UnionKeyword:
        def __init__(self, _parent: Json, branches: Sequence[Json], place: Sequence[str | int]) -> None:
            pointer = join("", *place)
            self._places = [join(pointer, index) for index in range(len(branches))]
            self._branches: list[Any] | None = None

        def validate(self, value: Json) -> None:
            if self._branches is None:
                self._branches = [compile_place(each) for each in self._places]
            right = (each.is_valid(value) for each in self._branches)
            count = sum(right) if keyword == "oneOf" else int(any(right))
            if count != 1:
                raise ValueError("is not valid under any of the given schemas")

    return UnionKeyword


def likeliest(error: SchemaError) -> Iterable[SchemaError]:
    """Return the errors of the union branch that was probably meant; any other error as it is."""
    branches = [branch for branch in error.branches if branch]
    if not branches or len(branches) < len(error.branches):
        return [error]
    best = min(branches, key=lambda branch: _distance(branch, len(error.path)))
    if _distance(best, len(error.path))[0] == 2:
        return [_of_no_type(error, branches)]
    return [leaf for below in best for leaf in likeliest(below)]


def _distance(errors: Sequence[SchemaError], depth: int) -> tuple[int, int]:
    """Rate how far a value is from a branch: 2 for a wrong type, 1 for a wrong tag or name, 0 for wrong parts."""
    count = sum(error.parts for error in errors)
    if any(error.keyword == "type" and len(error.path) == depth for error in errors):
        return 2, count
    return int(any(error.keyword in _TELLING for error in errors)), count


_TELLING = frozenset("additionalProperties const enum unevaluatedProperties".split())
"""Keywords that tell one branch of a union from another."""


def _of_no_type(error: SchemaError, branches: Sequence[Sequence[SchemaError]]) -> SchemaError:
    """Name the types of a union if a value has none of them."""
    below = [each for branch in branches for each in branch]
    if any(each.keyword != "type" or len(each.path) != len(error.path) for each in below):
        return error
    kinds = [[each.expected] if isinstance(each.expected, str) else each.expected for each in below]
    names = dict.fromkeys(name for kind in kinds for name in kind)
    return error._replace(message=f"{show(error.instance)} is not of type {', '.join(map(repr, names))}")
