"""Patterns that a linear engine cannot run: tried with bounded steps, and "not judged" beyond them.

jsonschema-rs reads patterns in ECMA-262's meaning. Its linear engine runs most; look-around and back-references need
one that backtracks. That one gives up after a number of steps, and we say so instead of refusing the value.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import jsonschema_rs

from mockserver.contract.tree import lookup, pointed
from mockserver.messages import Json

LONGEST = 4_096
"""The longest text, in characters, on which a pattern that backtracks is tried."""

TIERS = (16, 128, 1024, 8192)
"""How many steps a pattern may go back in one text, tried in this order."""

BUDGET = 64_000_000
"""Steps times characters that all texts of one value may cost, beyond the first tier; about a tenth of a second."""

MOST_TEXTS = 50_000
"""How many texts of one value are tried."""

LINEAR = jsonschema_rs.RegexOptions()
"""The engine without backtracking."""

BOUNDED = jsonschema_rs.FancyRegexOptions(backtrack_limit=TIERS[-1])
"""The engine that gives up."""


class Trial:
    """The judgement of one value: what it may still cost, and the patterns that could not be judged."""

    def __init__(self) -> None:
        self.left, self.texts = BUDGET, MOST_TEXTS
        self.unjudged: dict[str, None] = {}
        self.verdict = True
        """What a text that is not judged counts as."""

    def matches(self, pattern: str, text: str) -> bool | None:
        """Return whether a pattern is found in a text; None if that was not judged."""
        self.texts -= 1
        if len(text) <= LONGEST and self.texts >= 0:
            for limit, judge in zip(TIERS, _judges(pattern), strict=True):
                if limit > TIERS[0]:
                    cost = limit * len(text)
                    if cost > self.left:
                        break
                    self.left -= cost
                found = judge(text)
                if found is not None:
                    return found
        self.unjudged[pattern] = None
        return None


class _State(threading.local):
    trial: Trial | None = None


_state = _State()


@contextmanager
def trial() -> Iterator[Trial]:
    """Begin the judgement of a value."""
    _state.trial = made = Trial()
    try:
        yield made
    finally:
        _state.trial = None


class PatternKeyword:
    """The keyword `pattern`, where a schema has one that must backtrack."""

    def __init__(self, _parent: Json, pattern: str, _place: Json) -> None:
        self._pattern = pattern
        self._linear = linear(pattern)

    def validate(self, value: Json) -> None:
        """Raise a ValueError if a text does not match."""
        if not isinstance(value, str):
            return
        now = _state.trial or Trial()
        found = self._linear(value) if self._linear is not None else now.matches(self._pattern, value)
        if not (now.verdict if found is None else found):
            raise ValueError(f"does not match {self._pattern!r}")


@lru_cache(maxsize=1024)
def linear(pattern: str) -> Callable[[str], bool] | None:
    """Return what matches a pattern in linear time; None if it must backtrack."""
    try:
        return jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=LINEAR).is_valid
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def compiles(pattern: str) -> bool:
    """Return whether an engine runs a pattern at all."""
    if linear(pattern) is not None:
        return True
    try:
        jsonschema_rs.Draft202012Validator({"pattern": _in_ascii(pattern)}, pattern_options=BOUNDED)
        return True
    except ValueError:
        return False


@lru_cache(maxsize=1024)
def _judges(pattern: str) -> list[Callable[[str], bool | None]]:
    """Return what matches a pattern with each number of steps."""
    return [_judge(pattern, limit) for limit in TIERS]


def _judge(pattern: str, limit: int) -> Callable[[str], bool | None]:
    options = jsonschema_rs.FancyRegexOptions(backtrack_limit=limit)
    validator = jsonschema_rs.Draft202012Validator({"pattern": _in_ascii(pattern)}, pattern_options=options)
    failed = (
        jsonschema_rs.ValidationErrorKind.BacktrackLimitExceeded,
        jsonschema_rs.ValidationErrorKind.RegexEngineFailure,
    )

    def judge(text: str) -> bool | None:
        error = next(iter(validator.iter_errors(text)), None)
        return None if error is not None and isinstance(error.kind, failed) else error is None

    return judge


_ESCAPE = re.compile(r"\\(?s:.)|[\[\]]")
_CLASSES = {
    "d": "0-9",
    "D": r"\x00-\x2f\x3a-\u{10ffff}",
    "w": "A-Za-z0-9_",
    "W": r"\x00-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\u{10ffff}",
}


def _in_ascii(pattern: str) -> str:
    r"""Write out `\d` and `\w`: the engine that backtracks means all of Unicode by them, ECMA-262 only ASCII."""
    inside = False

    def written(match: re.Match[str]) -> str:
        nonlocal inside
        found = match[0]
        if found in "[]":
            inside = found == "["
            return found
        chars = _CLASSES.get(found[1])
        if chars is None:
            return found
        return chars if inside else f"[{chars}]"

    return _ESCAPE.sub(written, pattern)


def without_unjudged(value: Json, patterns: Mapping[str, None], now: Trial) -> Json:
    """Return a value without the fields whose names cannot be judged by a pattern of `patternProperties`."""
    known: dict[str, bool] = {}

    def judged(name: str) -> bool:
        if name not in known:
            known[name] = all(now.matches(pattern, name) is not None for pattern in patterns)
        return known[name]

    def read(node: Json) -> Json:
        if isinstance(node, dict):
            return {name: read(item) for name, item in node.items() if judged(name)}
        return [read(item) for item in node] if isinstance(node, list) else node

    return read(value)


def property_patterns(document: Json, pointer: str) -> dict[str, None]:
    """Return the patterns of every `patternProperties` that a schema reaches and that must backtrack."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    stack: list[Any] = [lookup(document, pointer)]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            named, target = each.get("patternProperties"), each.get("$ref")
            if isinstance(named, dict):
                found.update(dict.fromkeys(pattern for pattern in named if linear(pattern) is None))
            if isinstance(target, str) and target.startswith("#") and target not in seen:
                seen.add(target)
                stack.append(lookup(document, pointed(target)))
            stack += each.values()
        elif isinstance(each, list):
            stack += each
    return found
