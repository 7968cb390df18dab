"""Texts made from a pattern of ECMA-262: its syntax tree, walked by chance.

Anchors and look-around are not made: who uses the texts tries them on a validator, and takes those that match.
"""

import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random
from typing import NamedTuple, TypeAlias

Range: TypeAlias = tuple[int, int]

MORE = 3
"""How often more than needed a part is repeated."""

LONGEST = 5_000
"""The longest text, in characters, that is made to a length."""

_ONE = 1 << 1
"""The lengths of a single character."""

_TOP = 0x10FFFF
_PLAIN: tuple[Range, ...] = ((48, 57), (65, 90), (97, 122))
_PRINTABLE: Sequence[Range] = ((33, 126),)
_LATIN: Sequence[Range] = ((0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x17F))


class Chars(NamedTuple):
    """One character of these ranges."""

    ranges: tuple[Range, ...]


class Seq(NamedTuple):
    """Parts, one after another."""

    parts: "tuple[Syntax, ...]"


class Either(NamedTuple):
    """One of several parts."""

    parts: "tuple[Syntax, ...]"


class Repeat(NamedTuple):
    """A part, repeated; `high` is -1 where there is no limit."""

    part: "Syntax"
    low: int
    high: int


class Group(NamedTuple):
    """A part that can be referred to."""

    part: "Syntax"
    name: str


class Back(NamedTuple):
    """What a group has matched."""

    name: str


class Mark(NamedTuple):
    """An anchor or a look-around, which takes no characters; `part` is what a positive look-ahead looks for."""

    kind: str
    part: "Syntax | None" = None


Syntax: TypeAlias = Chars | Seq | Either | Repeat | Group | Back | Mark


class PatternError(ValueError):
    """A pattern that is not read."""


# -- reading


class _SyntaxReader:
    """Reads a pattern."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.groups = text, 0, 0

    def more(self) -> bool:
        return self.at < len(self.text)

    def peek(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def take(self, text: str) -> bool:
        found = self.peek(text)
        self.at += len(text) if found else 0
        return found

    def char(self) -> str:
        if not self.more():
            raise PatternError("the pattern ends too early")
        self.at += 1
        return self.text[self.at - 1]

    def until(self, end: str) -> str:
        stop = self.text.find(end, self.at)
        if stop < 0:
            raise PatternError(f"{end!r} is missing")
        found, self.at = self.text[self.at : stop], stop + len(end)
        return found

    def either(self) -> Syntax:
        parts = [self.seq()]
        while self.take("|"):
            parts.append(self.seq())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def seq(self) -> Syntax:
        parts: list[Syntax] = []
        while self.more() and not self.peek("|") and not self.peek(")"):
            parts.append(self.repeated(self.atom()))
        return parts[0] if len(parts) == 1 else Seq(tuple(parts))

    def repeated(self, part: Syntax) -> Syntax:
        """Read the quantifiers after a part."""
        while self.more():
            if self.take("*"):
                part = Repeat(part, 0, -1)
            elif self.take("+"):
                part = Repeat(part, 1, -1)
            elif self.take("?"):
                part = Repeat(part, 0, 1)
            elif (found := self.counted()) is not None:
                part = Repeat(part, *found)
            else:
                break
            self.take("?")
        return part

    def counted(self) -> tuple[int, int] | None:
        """Read `{2}`, `{2,}` or `{2,5}`; braces around something else are plain characters."""
        if not self.peek("{"):
            return None
        stop = self.text.find("}", self.at)
        low, comma, high = self.text[self.at + 1 : max(stop, 0)].partition(",")
        if stop < 0 or not low.isdecimal() or (high and not high.isdecimal()):
            return None
        self.at = stop + 1
        return int(low), int(high) if high else (-1 if comma else int(low))

    def atom(self) -> Syntax:
        char = self.char()
        match char:
            case "^" | "$":
                return Mark(char)
            case ".":
                return Chars(_without([(10, 10), (13, 13)]))
            case "(":
                return self.group()
            case "[":
                return Chars(self.set())
            case "\\":
                return self.escape()
            case _:
                return Chars(((ord(char), ord(char)),))

    def group(self) -> Syntax:
        part: Syntax
        for opening, kind in _LOOKS:
            if self.take(opening):
                part = self.either()
                self.close()
                return Mark(kind, part if kind == "ahead" else None)
        name = ""
        if self.take("?"):
            if self.take("<"):
                name = self.until(">")
            else:
                self.until(":")  # no group, or one with flags of its own
                part = self.either()
                self.close()
                return part
        self.groups += 1
        number = str(self.groups)
        part = Group(self.either(), number)
        self.close()
        return Group(part, name) if name else part

    def close(self) -> None:
        if not self.take(")"):
            raise PatternError("a parenthesis is not closed")

    def escape(self) -> Syntax:
        char = self.char()
        if char in "bB":
            return Mark(char)
        if char in "123456789":
            while self.more() and self.text[self.at].isdecimal():
                char += self.char()
            return Back(char)
        if char == "k" and self.take("<"):
            return Back(self.until(">"))
        return Chars(self.escaped(char))

    def escaped(self, char: str) -> tuple[Range, ...]:
        """Return the characters that an escape means."""
        if char in _CLASSES:
            return _CLASSES[char]
        if char in "pP":
            if not self.take("{"):
                raise PatternError("a property has no name")
            found = _property(self.until("}"))
            return _without(found) if char == "P" else found
        code = self.code(char)
        return ((code, code),)

    def code(self, char: str) -> int:
        """Return the character that an escape means."""
        if char == "x":
            return self.hexadecimal(2)
        if char == "u":
            if self.take("{"):
                return int(self.until("}"), 16)
            high = self.hexadecimal(4)
            if 0xD800 <= high < 0xDC00 and self.take("\\u"):
                return 0x10000 + ((high - 0xD800) << 10) + (self.hexadecimal(4) - 0xDC00)
            return high
        if char == "c":
            return ord(self.char()) % 32
        return ord(_CONTROLS.get(char, char))

    def hexadecimal(self, size: int) -> int:
        digits, self.at = self.text[self.at : self.at + size], self.at + size
        try:
            return int(digits, 16)
        except ValueError:
            raise PatternError("an escape is no number") from None

    def set(self) -> tuple[Range, ...]:
        """Read a character class after its opening bracket."""
        negated, found = self.take("^"), list[Range]()
        while not self.take("]"):
            first = self.member()
            if self.peek("-") and not self.peek("-]") and len(first) == 1 and first[0][0] == first[0][1]:
                self.take("-")
                last = self.member()
                if len(last) == 1 and last[0][0] == last[0][1] >= first[0][0]:
                    found.append((first[0][0], last[0][0]))
                    continue
                found += [(45, 45), *last]
            found += first
        return _without(found) if negated else tuple(found)

    def member(self) -> tuple[Range, ...]:
        char = self.char()
        if char == "[":
            if self.take(":"):
                raise PatternError("classes of POSIX are none of ECMA-262")
            return ((91, 91),)
        if char != "\\":
            return ((ord(char), ord(char)),)
        char = self.char()
        return ((8, 8),) if char == "b" else self.escaped(char)


_LOOKS = (("?=", "ahead"), ("?!", "not ahead"), ("?<=", "behind"), ("?<!", "not behind"))
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}


def _without(ranges: Sequence[Range]) -> tuple[Range, ...]:
    """Return all characters but these."""
    left, at = [], 0
    for low, high in sorted(ranges):
        if low > at:
            left.append((at, low - 1))
        at = max(at, high + 1)
    return (*left, (at, _TOP)) if at <= _TOP else tuple(left)


_CLASSES: dict[str, tuple[Range, ...]] = {
    "d": ((48, 57),),
    "w": ((48, 57), (65, 90), (95, 95), (97, 122)),
    "s": ((32, 32), (9, 13), (160, 160), (0x2000, 0x200A), (0x2028, 0x2029), (0x3000, 0x3000)),
}
_CLASSES |= {key.upper(): _without(ranges) for key, ranges in _CLASSES.items()}


@lru_cache(maxsize=64)
def _property(name: str) -> tuple[Range, ...]:
    """Return the characters below U+3100 that have a property of Unicode."""
    key, _, value = name.rpartition("=")
    if key.lower() in ("script", "sc", "scx", "script_extensions"):
        word = value.upper() + " "
        found = [code for code in range(0x20, 0x3100) if unicodedata.name(chr(code), "").startswith(word)]
    else:
        kinds = _CATEGORIES.get(value, value)
        found = [
            code for code in range(0x20, 0x3100) if unicodedata.category(chr(code)).startswith(tuple(kinds.split()))
        ]
    if not found:
        raise PatternError(f"the property {name!r} is not known")
    return tuple((code, code) for code in found)


_CATEGORIES = {
    "Letter": "L",
    "Lowercase_Letter": "Ll",
    "Uppercase_Letter": "Lu",
    "Alphabetic": "L Nl",
    "Alpha": "L Nl",
    "Lowercase": "Ll",
    "Uppercase": "Lu",
    "Mark": "M",
    "Number": "N",
    "Decimal_Number": "Nd",
    "digit": "Nd",
    "Punctuation": "P",
    "punct": "P",
    "Symbol": "S",
    "Separator": "Z",
    "Space_Separator": "Zs",
    "Other": "C",
    "White_Space": "Zs",
    "ASCII": "L N P",
    "Any": "L N P",
    "Emoji": "So",
    "Control": "Cc",
}


@lru_cache(maxsize=512)
def parse(pattern: str) -> Syntax:
    """Read a pattern. A PatternError says what is not read."""
    reader = _SyntaxReader(pattern)
    try:
        part = reader.either()
    except (ValueError, RecursionError, OverflowError) as error:
        raise PatternError(str(error)) from error
    if reader.more():
        raise PatternError("a parenthesis is not opened")
    return part


# -- making

_Groups: TypeAlias = dict[str, str]
_Make: TypeAlias = Callable[[Random, _Groups], str]


def texts(pattern: str) -> Callable[[Random], str]:
    """Return what makes texts that match a pattern, but for what its look-arounds want."""
    make = _maker(parse(pattern), MORE)
    return lambda rng: make(rng, {})


def _maker(part: Syntax, more: int) -> _Make:
    match part:
        case Chars(ranges):
            letters = _letters(ranges)
            size = len(letters)
            return lambda rng, _: letters[int(rng.random() * size)]
        case Seq(parts):
            makers = [_maker(each, more) for each in parts if not isinstance(each, Mark)]
            return lambda rng, groups: "".join([make(rng, groups) for make in makers])
        case Either(parts):
            makers = [_maker(each, more) for each in parts]
            return lambda rng, groups: makers[int(rng.random() * len(makers))](rng, groups)
        case Repeat(inner, low, high):
            return _repeated(_maker(inner, more), low, low + more if high < 0 else min(high, low + 8 * more))
        case Group(inner, name):
            return _grouped(_maker(inner, more), name)
        case Back(name):
            return lambda _, groups: groups.get(name, "")
        case Mark():
            return lambda _, __: ""


def _repeated(make: _Make, low: int, high: int) -> _Make:
    span = max(high - low, 0) + 1
    return lambda rng, groups: "".join([make(rng, groups) for _ in range(low + int(rng.random() * span))])


def _grouped(make: _Make, name: str) -> _Make:
    def made(rng: Random, groups: _Groups) -> str:
        text = groups[name] = make(rng, groups)
        return text

    return made


@lru_cache(maxsize=256)
def _letters(ranges: tuple[Range, ...]) -> str:
    """Return characters of some ranges: the plain ones among them, else the printable, else any."""
    for liked in (_PLAIN, _PRINTABLE, _LATIN):
        found = [
            chr(code)
            for low, high in ranges
            for first, last in liked
            for code in range(max(low, first), min(high, last) + 1)
        ]
        if found and (len(found) > 3 or sum(high - low + 1 for low, high in ranges) < 64 or liked is _LATIN):
            rest = [chr(low) for low, high in ranges if low == high and 32 <= low < 127]
            return "".join(dict.fromkeys([*found, *rest]))
    codes = [code for low, high in ranges for code in range(low, min(high, low + 60) + 1)]
    found = [chr(code) for code in codes if not 0xD800 <= code < 0xE000]
    if not found:
        raise PatternError("no character is left")
    return "".join(found)


# -- texts of a length


def sized(pattern: str, low: int, high: int) -> Callable[[Random], str]:
    """Return what makes texts of `low` to `high` characters; a PatternError says that there is none.

    What stands outside an anchor may be filled up. Back-references are not made.
    """
    part = _open(parse(pattern))
    high = min(high, max(low + 40, 60), LONGEST)
    lengths = _lengths(part, high)
    wanted = [size for size in range(low, high + 1) if lengths >> size & 1]
    if not wanted:
        raise PatternError("the pattern has no text of this length")
    return lambda rng: _made(part, rng, wanted[int(rng.random() * len(wanted))], high)


_FILLER = Repeat(Chars(_PLAIN), 0, -1)


def _open(part: Syntax) -> Syntax:
    """Return a pattern with room for more characters where it has no anchor."""
    if isinstance(part, Either):
        return Either(tuple(map(_open, part.parts)))
    parts = part.parts if isinstance(part, Seq) else (part,)
    before = () if parts and parts[0] == Mark("^") else (_FILLER,)
    after = () if parts and parts[-1] == Mark("$") else (_FILLER,)
    return Seq((*before, *parts, *after))


@lru_cache(maxsize=4096)
def _lengths(part: Syntax, high: int) -> int:
    """Return the possible lengths of a part, up to `high`, as the bits of a number."""
    match part:
        case Chars():
            return 2
        case Seq(parts):
            total = 1
            for each in parts:
                total = _sums(total, _lengths(each, high), high)
            return total
        case Either(parts):
            total = 0
            for each in parts:
                total |= _lengths(each, high)
            return total
        case Repeat(inner, low, most):
            return _repeats(_lengths(inner, high), low, most, high)
        case Group(inner, _):
            return _lengths(inner, high)
        case Back():
            return 0
        case Mark():
            return 1


@lru_cache(maxsize=4096)
def _sums(one: int, other: int, high: int) -> int:
    """Return the lengths of two parts together."""
    total, at = 0, 0
    while other >> at:
        if other >> at & 1:
            total |= one << at
        at += 1
    return total & ((1 << high + 1) - 1)


@lru_cache(maxsize=4096)
def _repeats(each: int, low: int, most: int, high: int) -> int:
    if low > high and not each & 1:
        return 0
    if each == _ONE:
        last = high if most < 0 else min(most, high)
        return ((1 << last + 1) - 1) >> low << low
    total = 1
    for _ in range(min(low, high)):
        total = _sums(total, each, high)
    more, count = total, 0
    while most < 0 or count < most - low:
        more = _sums(more, each, high)
        if not more & ~total:
            break
        total |= more
        count += 1
    return total


def _made(part: Syntax, rng: Random, size: int, high: int) -> str:
    """Make a text of a part that has this length; there is one."""
    match part:
        case Chars(ranges):
            return rng.choice(_letters(ranges))
        case Seq(parts):
            return _split(parts, rng, size, high)
        case Either(parts):
            return _made(rng.choice([each for each in parts if _lengths(each, high) >> size & 1]), rng, size, high)
        case Repeat(inner, low, most):
            return _split_repeat(inner, low, most, rng, size, high)
        case Group(inner, _):
            return _made(inner, rng, size, high)
        case _:
            return ""


def _split(parts: Sequence[Syntax], rng: Random, size: int, high: int) -> str:
    rests = [1]
    for each in reversed(parts):
        rests.append(_sums(rests[-1], _lengths(each, high), high))
    made = []
    for each, rest in zip(parts, reversed(rests[:-1]), strict=True):
        own = _lengths(each, high)
        length = rng.choice([n for n in range(size + 1) if own >> n & 1 and rest >> size - n & 1])
        made.append(_made(each, rng, length, high))
        size -= length
    return "".join(made)


def _split_repeat(inner: Syntax, low: int, most: int, rng: Random, size: int, high: int) -> str:
    own, made = _lengths(inner, high), []
    if own == _ONE:
        return "".join([_made(inner, rng, 1, high) for _ in range(size)])
    while size or low > 0:
        rest = _repeats(own, max(low - 1, 0), most - 1 if most > 0 else most, high)
        length = rng.choice([n for n in range(0 if low > 0 else 1, size + 1) if own >> n & 1 and rest >> size - n & 1])
        made.append(_made(inner, rng, length, high))
        size, low, most = size - length, low - 1, most - 1 if most > 0 else most
    return "".join(made)


# -- look-ahead


def overlaid(pattern: str, make: Callable[[Random], str]) -> Callable[[Random], str] | None:
    """Return what writes into made texts what the pattern's look-aheads look for; None if it has none."""
    looks = [_maker(_core(each), 0) for each in _aheads(parse(pattern))]
    if not looks:
        return None

    def made(rng: Random) -> str:
        text = list(make(rng))
        for look in looks:
            part = look(rng, {})
            at = rng.randrange(max(len(text) - len(part), 0) + 1)
            text[at : at + len(part)] = part
        return "".join(text)

    return made


def _aheads(part: Syntax) -> list[Syntax]:
    match part:
        case Mark(_, inner):
            return [] if inner is None else [inner]
        case Seq(parts) | Either(parts):
            return [look for each in parts for look in _aheads(each)]
        case Repeat(inner, _, _) | Group(inner, _):
            return _aheads(inner)
        case _:
            return []


def _core(part: Syntax) -> Syntax:
    """Return what a look-ahead looks for, without what may stand before and after it."""
    if not isinstance(part, Seq):
        return part
    return Seq(tuple(each for each in part.parts if not (isinstance(each, Repeat) and each.low == 0)))
