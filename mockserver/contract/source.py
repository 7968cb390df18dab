"""Reads a file, JSON or YAML, into data, and tells where in the file a place of the data stands."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from json import JSONDecodeError
from pathlib import Path
from typing import Any, NoReturn

from mockserver.contract.document_cache import cached
from mockserver.contract.schema import unwritable
from mockserver.contract.tree import join
from mockserver.contract.yaml_reader import (
    BROKEN,
    LONGEST_NUMBER,
    REPEATED,
    RefusedError,
    Token,
    read_yaml,
    too_deep,
    yaml_steps,
)
from mockserver.data import FileError, read_bytes
from mockserver.errors import ContractError, MockserverError
from mockserver.messages import Json

DEEPEST = 200
"""How deeply what is read may be nested, aliases followed."""

HALF, WHOLE = "a text holds half a surrogate pair", "write the whole character"

_JSON_START = re.compile(r'\s*(?:\{\s*["}]|\[)')
"""How JSON begins, and YAML rarely."""

_JSON_TOKEN = re.compile(r'[{}\[\]]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s{}\[\]",:]+', re.DOTALL)

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class SourceFile:
    """A file that was read: its name as users see it, and its data."""

    name: str
    data: Json
    text: str = field(repr=False)
    is_yaml: bool = False

    def where(self, pointer: str) -> str:
        """Return `name:line:column` of what a JSON pointer names, or of the nearest place above it that exists."""
        return _where(self.name, self.text, self._offset(pointer))

    def line(self, pointer: str) -> int:
        """Return the line of what a JSON pointer names, from 1 on."""
        return _line_and_column(self.text, self._offset(pointer))[0]

    def _offset(self, pointer: str) -> int:
        offsets, aliases = self._places
        rest = ""
        while pointer and pointer not in offsets:
            pointer, _, last = pointer.rpartition("/")
            rest = f"/{last}{rest}"
            if pointer in aliases and rest:
                pointer, rest = aliases[pointer] + rest, ""
        return offsets.get(pointer, 0)

    @cached_property
    def _places(self) -> tuple[dict[str, int], dict[str, str]]:
        """The offset of every place, and the places that aliases stand for, found when first asked for."""
        aliases: dict[str, str] = {}
        return dict(_members(_steps(self.text, self.is_yaml), aliases)), aliases


def read_source(
    path: Path,
    what: str = "the contract",
    error: type[MockserverError] = ContractError,
    *,
    only_json: bool = False,
) -> SourceFile:
    """Read a file; an error of the class given says what cannot be read, with line and column.

    It is read by its content, as JSON or as YAML 1.2, whatever its name; `what` says what it is for.
    """
    return parse_source(read_content(path, what, error), str(path), what, error, only_json=only_json)


def read_content(path: Path, what: str = "the contract", error: type[MockserverError] = ContractError) -> bytes:
    """Read the bytes of a file; an error of the class given says what cannot be read."""
    try:
        return read_bytes(path)
    except FileError as why:
        fix = "name a readable file, in UTF-8"
        raise error(f"{what} cannot be read", where=str(path), why=str(why), fix=fix) from why


def parse_source(
    content: bytes,
    name: str,
    what: str = "the contract",
    error: type[MockserverError] = ContractError,
    *,
    only_json: bool = False,
) -> SourceFile:
    """Read the content of a file, as read_source does."""
    text = ""
    try:
        text = content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
        data, is_yaml = _parse(text, content, name, only_json)
        return SourceFile(name=name, data=data, text=text, is_yaml=is_yaml)
    except UnicodeDecodeError as why:
        told = f"it is not UTF-8: {why.reason} at byte {why.start:,}"
        raise error(f"{what} cannot be read", where=name, why=told, fix="save it in UTF-8") from why
    except RefusedError as why:
        where = name if why.offset is None else _where(name, text, why.offset)
        raise error(f"{what} {why.what}", where=where, why=why.why, fix=why.fix) from why


def _parse(text: str, content: bytes, name: str, only_json: bool) -> tuple[Json, bool]:
    """Return the data of a text, and whether it is YAML."""
    try:
        return _parse_json(text), False
    except RefusedError:
        is_empty_json = name.endswith(".json") and not text.strip()
        likely_json = _JSON_START.match(text) and not name.endswith((".yaml", ".yml"))
        if only_json or is_empty_json or likely_json:
            raise
    return cached(content, lambda: _parse_yaml(text)), True


def _parse_yaml(text: str) -> Json:
    try:
        data = read_yaml(text, DEEPEST)
    except RefusedError as error:
        raise _placed(error, text, is_yaml=True) from error
    if _SURROGATE.search(text) and unwritable(data):
        raise RefusedError(BROKEN, HALF, fix=WHOLE)
    return data


def _parse_json(text: str) -> Json:
    try:
        data = json.loads(text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_no_constant)
    except JSONDecodeError as error:
        raise RefusedError("is not JSON", error.msg, error.pos, "see what stands there, and before") from error
    except RecursionError:
        raise _too_deep_json(text) from None
    except RefusedError as error:
        raise _placed(error, text, is_yaml=False) from error
    except ValueError as error:  # of int(), which reads no more digits than this
        step = _first(text, lambda step: step.kind == "plain" and len(step.text) > LONGEST_NUMBER)
        raise RefusedError(BROKEN, f"a number has {len(step.text):,} digits", step.offset, "shorten it") from error
    if _is_deeper(data):
        raise _too_deep_json(text)
    if _SURROGATE.search(text) and unwritable(data):
        step = _first(text, lambda step: step.kind == "text" and bool(unwritable(step.text)))
        raise RefusedError(BROKEN, HALF, step.offset, WHOLE)
    return data


def _first(text: str, wanted: Callable[[Token], bool]) -> Token:
    return next(step for step in _json_steps(text) if wanted(step))


def _too_deep_json(text: str) -> RefusedError:
    depth = 0
    for step in _json_steps(text):
        depth += (step.kind in "{[") - (step.kind in "}]")
        if depth > DEEPEST:
            return too_deep(DEEPEST, step.offset)
    return too_deep(DEEPEST, None)


def _placed(error: RefusedError, text: str, *, is_yaml: bool) -> RefusedError:
    """Return a refusal with its place, if it has none yet."""
    if error.what == REPEATED:
        return _repeated(text, is_yaml=is_yaml)
    if error.offset is None and not is_yaml:
        word = error.why.partition(" ")[0]
        offset = _first(text, lambda step: step.kind == "plain" and step.text.startswith(word)).offset
        return RefusedError(error.what, error.why, offset, error.fix)
    return error


def _object(pairs: list[tuple[str, Json]]) -> Json:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise RefusedError(REPEATED)
    return data


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise RefusedError(BROKEN, f"{text[:40]} is larger than any number that can be held", fix="lower it")
    return number


def _no_constant(text: str) -> NoReturn:
    raise RefusedError(BROKEN, f"{text} is no number of JSON", fix="leave it out, or write a number")


def _is_deeper(data: Json) -> bool:
    """Return whether data is nested more deeply than it may be, looking at one level after the other."""
    level = [data] if isinstance(data, dict | list) else []
    for _ in range(DEEPEST):
        if not level:
            return False
        level = [
            each
            for node in level
            for each in (node.values() if type(node) is dict else node)
            if type(each) is dict or type(each) is list
        ]
    return bool(level)


# -- places ----------------------------------------------------------------------------------------------------------


def _where(name: str, text: str, offset: int) -> str:
    line, column = _line_and_column(text, offset)
    return f"{name}:{line}:{column}"


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _steps(text: str, is_yaml: bool) -> Iterator[Token]:
    return yaml_steps(text) if is_yaml else _json_steps(text)


def _json_steps(text: str) -> Iterator[Token]:
    """Yield the parts of a JSON text that is known to be right."""
    for match in _JSON_TOKEN.finditer(text):
        found = match.group()
        if found in "{}[]":
            yield Token(found, "", match.start())
        elif found[0] == '"':
            yield Token("text", json.loads(found) if "\\" in found else found[1:-1], match.start())
        else:
            yield Token("plain", found, match.start())


def _members(steps: Iterable[Token], aliases: dict[str, str]) -> Iterator[tuple[str, int]]:
    """Yield the place and the offset of every member of objects and lists, in the order of the text.

    `aliases` gets what the aliases among them stand for.
    """
    anchors: dict[str, str] = {}
    texts: dict[str, str] = {}
    stack: list[Any] = []
    """For each open object or list its pointer, and the key or number of its next member; None where a key comes."""
    for step in steps:
        if step.kind in "}]":
            stack.pop()
        elif stack and stack[-1][1] is None:  # a key
            key = texts.get(step.text, "") if step.kind == "alias" else step.text
            texts[step.anchor] = stack[-1][1] = key
            yield join(stack[-1][0], key), step.offset
            continue
        else:
            pointer = join(*stack[-1]) if stack else ""
            if stack and isinstance(stack[-1][1], int):
                yield pointer, step.offset
            if step.anchor:
                anchors[step.anchor], texts[step.anchor] = pointer, step.text
            if step.kind == "alias":
                aliases[pointer] = anchors.get(step.text, "")
            if step.kind in "{[":
                stack.append([pointer, None if step.kind == "{" else 0])
                continue
        if stack:
            stack[-1][1] = stack[-1][1] + 1 if isinstance(stack[-1][1], int) else None


def _repeated(text: str, *, is_yaml: bool) -> RefusedError:
    """Return the refusal of the first key that stands twice in one object, with both places."""
    seen: dict[str, int] = {}
    for pointer, offset in _members(_steps(text, is_yaml), {}):
        if pointer in seen:
            key = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
            line, column = _line_and_column(text, seen[pointer])
            fix = "write <<: [*ONE, *OTHER]" if key == "<<" else "join what the two hold, or rename one"
            return RefusedError(f"has the key {key!r} twice", f"it is at {line}:{column} already", offset, fix)
        seen[pointer] = offset
    return RefusedError(REPEATED)
