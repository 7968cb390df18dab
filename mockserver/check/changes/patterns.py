"""Whether every text that one pattern takes is taken by another, where that is seen without effort.

A pattern is read as alternatives, each a row of parts: a set of characters, and how many of them may follow each other.
What is more than that (references back, look-around, repeated groups) is not decided.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise, product
from typing import NamedTuple, TypeAlias

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""A set of characters, as ranges of code points in order that do not touch; both ends belong to them."""

LAST = 0x10FFFF
MOST_ROWS = 256
"""How many alternatives a pattern may have."""

FEW = 16
"""How many characters of a set, or of a count, are looked at one by one."""

ENDLESS = float("inf")


class CharacterRun(NamedTuple):
    """Characters of one set, and how many of them follow each other."""

    characters: Ranges
    least: int
    most: float


TextForm: TypeAlias = tuple[CharacterRun, ...]


class _UndecidedError(Exception):
    """The pattern is none that is read here."""


def is_pattern_within(one: str, other: str) -> bool:
    """Return whether it is certain that every text that a pattern takes is taken by another."""
    ours, theirs = _rows(one), _rows(other)
    if ours is None or theirs is None:
        return False
    return all(any(_fits(each, other) for other in theirs) for row in ours for each in _spelled(row))


def _spelled(row: TextForm) -> list[TextForm]:
    """Return the rows that a row is made of: of one character where there are few, what may be missing or not."""
    made: list[TextForm] = [()]
    for part in (each for whole in row for each in _split(whole)):
        codes = [code for start, end in part.characters[: FEW + 1] for code in range(start, min(end, start + FEW) + 1)]
        is_few = part.most == 1 and len(codes) <= FEW
        choices: list[TextForm] = [(CharacterRun(((code, code),), 1, 1),) for code in codes] if is_few else [(part,)]
        choices += [()] if is_few and part.least == 0 else []
        if len(made) * len(choices) > MOST_ROWS:
            choices = [(part,)]
        made = [one + other for one, other in product(made, choices)]
    return made


def _split(part: CharacterRun) -> list[CharacterRun]:
    """Return what must be there by itself, each once, and then what may follow."""
    if part.least > FEW:
        return [part]
    rest = [CharacterRun(part.characters, 0, part.most - part.least)] if part.most > part.least else []
    return [CharacterRun(part.characters, 1, 1)] * part.least + rest


def _fits(row: TextForm, other: TextForm) -> bool:
    """Return whether a row is taken by another, each part of which takes some parts of the first."""
    reached = {0}
    for part in other:
        reached = {end for start in reached for end in _taken(row, start, part)}
    return len(row) in reached


def _taken(row: TextForm, start: int, part: CharacterRun) -> Iterator[int]:
    """Yield where the parts may end that begin at `start` and that a part takes."""
    least, most = 0, 0.0
    for end in range(start, len(row) + 1):
        if least >= part.least and most <= part.most:
            yield end
        if end == len(row) or not _is_subset(row[end].characters, part.characters):
            return
        least, most = least + row[end].least, most + row[end].most


def _is_subset(one: Ranges, other: Ranges) -> bool:
    starts = [start for start, _ in other]
    found = [(bisect_right(starts, start) - 1, end) for start, end in one]
    return all(index >= 0 and end <= other[index][1] for index, end in found)


# -- sets of characters ----------------------------------------------------------------------------------------------


def _union(ranges: Sequence[tuple[int, int]]) -> Ranges:
    made: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if made and start <= made[-1][1] + 1:
            made[-1] = made[-1][0], max(end, made[-1][1])
        else:
            made.append((start, end))
    return tuple(made)


def _without(ranges: Ranges) -> Ranges:
    """Return all other characters."""
    edges = [(0, -1), *ranges, (LAST + 1, LAST + 1)]
    return tuple((left[1] + 1, right[0] - 1) for left, right in pairwise(edges) if left[1] + 1 < right[0])


def _of(characters: str) -> Ranges:
    return _union([(ord(each), ord(each)) for each in characters])


def _is_half(code: int) -> bool:
    """Return whether a code is half of a character beyond the 65,536th."""
    return 0xD800 <= code <= 0xDFFF


_DIGITS: Ranges = ((48, 57),)
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE = _union([*_of("\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"), (0x2000, 0x200A)])
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACE} | {
    "D": _without(_DIGITS),
    "W": _without(_WORD),
    "S": _without(_SPACE),
}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
_DOT = _without(_of("\n\r\u2028\u2029"))
_EVERY: Ranges = ((0, LAST),)
ANYTHING = CharacterRun(_EVERY, 0, ENDLESS)


# -- reading ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _rows(pattern: str) -> tuple[TextForm, ...] | None:
    """Read a pattern in ECMA-262's meaning as what whole texts are made of; None where it is not read."""
    try:
        reader = _PatternReader(pattern)
        rows = reader.alternatives(anchored=True)
        return None if reader.rest else tuple(dict.fromkeys(map(_joined, rows)))
    except (_UndecidedError, RecursionError):
        return None


def _joined(row: TextForm) -> TextForm:
    """Return a row in which parts of one set that follow each other are one part."""
    made: list[CharacterRun] = []
    for part in row:
        if made and made[-1].characters == part.characters:
            last = made.pop()
            part = CharacterRun(part.characters, last.least + part.least, last.most + part.most)
        made.append(part)
    return tuple(made)


_COUNT = re.compile(r"\{(\d{1,9})(,?)(\d{0,9})\}")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([^\w]))")


class _PatternReader:
    """Reads a pattern from the left."""

    def __init__(self, pattern: str) -> None:
        self.rest = pattern

    def take(self, *texts: str) -> str:
        """Take the first of some texts that stands next; "" where none does."""
        found = next((each for each in texts if self.rest.startswith(each)), "")
        self.rest = self.rest[len(found) :]
        return found

    def alternatives(self, *, anchored: bool = False) -> list[TextForm]:
        """Read alternatives; those of a whole pattern may stand anywhere in a text, but for anchors."""
        rows = self.row(anchored=anchored)
        while self.take("|"):
            rows += self.row(anchored=anchored)
        return rows

    def row(self, *, anchored: bool) -> list[TextForm]:
        """Read what follows each other; a group in it makes several rows of it."""
        rows: list[TextForm] = [(ANYTHING,)] if anchored and not self.take("^") else [()]
        is_ended = False
        while self.rest and self.rest[0] not in "|)":
            if is_ended:
                raise _UndecidedError
            if anchored and self.take("$"):
                is_ended = True
                continue
            more = self.item()
            if len(rows) * len(more) > MOST_ROWS:
                raise _UndecidedError
            rows = [one + other for one, other in product(rows, more)]
        return [(*row, ANYTHING) for row in rows] if anchored and not is_ended else rows

    def item(self) -> list[TextForm]:
        """Read a set of characters or a group, and how often it may follow itself."""
        if self.take("("):
            if not self.take("?:") and self.rest.startswith("?"):
                raise _UndecidedError
            rows = self.alternatives()
            if not self.take(")"):
                raise _UndecidedError
            least, most = self.count()
            if most != 1 or least > 1:
                raise _UndecidedError
            return [*rows, ()] if least == 0 else rows
        characters = self.characters()
        return [(CharacterRun(characters, *self.count()),)]

    def count(self) -> tuple[int, float]:
        """Read how often something may follow itself."""
        counts = {"?": (0, 1.0), "*": (0, ENDLESS), "+": (1, ENDLESS)}
        found = counts.get(self.take("?", "*", "+"), (1, 1.0))
        if counted := _COUNT.match(self.rest):
            self.rest = self.rest[counted.end() :]
            least, comma, most = counted.groups()
            found = int(least), (float(most) if most else ENDLESS) if comma else float(least)
        self.take("?")  # how eagerly it is matched does not matter
        if self.rest[:1] in {"?", "*", "+"}:
            raise _UndecidedError
        return found

    def characters(self) -> Ranges:
        """Read one character, or a set of them."""
        if self.take("."):
            return _DOT
        if self.take("["):
            is_negated = bool(self.take("^"))
            found: list[tuple[int, int]] = []
            while not self.take("]"):
                found += self.member()
            return _without(_union(found)) if is_negated else _union(found)
        if self.rest[0] in "^$*+?{":
            raise _UndecidedError
        return self.single()

    def member(self) -> Ranges:
        """Read a character or a range in brackets."""
        first = self.single()
        if not self.rest.startswith("-") or self.rest.startswith("-]"):
            return first
        self.take("-")
        last = self.single()
        if any(len(each) != 1 or each[0][0] != each[0][1] for each in (first, last)) or first > last:
            raise _UndecidedError
        return ((first[0][0], last[0][0]),)

    def single(self) -> Ranges:
        """Read a character, or an escape."""
        if not self.rest:
            raise _UndecidedError
        if not self.rest.startswith("\\"):
            character, self.rest = self.rest[0], self.rest[1:]
            return _of(character)
        name = self.rest[1:2]
        if name in _CLASSES or name in _CONTROLS:
            self.rest = self.rest[2:]
            return _CLASSES[name] if name in _CLASSES else _of(_CONTROLS[name])
        found = _ESCAPE.match(self.rest)
        if found is None:
            raise _UndecidedError
        self.rest = self.rest[found.end() :]
        byte, unit, literal = found.groups()
        code = ord(literal) if literal else int(byte or unit, 16)
        if _is_half(code):
            raise _UndecidedError
        return ((code, code),)
