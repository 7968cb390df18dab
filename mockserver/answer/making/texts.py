"""Texts that satisfy a string schema: by its format, its pattern, its name, and its lengths."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from random import Random
from typing import NamedTuple

from mockserver.answer.making import pattern as patterns
from mockserver.answer.making import words
from mockserver.answer.making.formats import FORMATS
from mockserver.answer.making.words import Text
from mockserver.contract.schema import Schema
from mockserver.messages import Json

TRIALS = 24
"""How many texts of a way are tried, to see how often they are right."""

TRIES = 400
"""How many texts are drawn in search of a right one."""

ENDLESS = 1 << 40
"""Stands for no greatest length."""


class Wanted(NamedTuple):
    """What a text must satisfy, and what is known of its meaning."""

    low: int = 0
    high: int = ENDLESS
    formats: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    name: str = ""
    description: str = ""
    faked: str = ""
    """The call that `x-faker` names."""
    encoding: str = ""
    hint: Text | None = None
    locale: str = words.ENGLISH


@lru_cache(maxsize=2048)
def text(wanted: Wanted) -> Text | None:
    """Return what makes such texts; None if no way was found to make one."""
    usual = _plain(wanted)
    if not wanted.formats and not wanted.patterns:
        return _fitted(usual, wanted.low, wanted.high, wanted.locale)
    is_right = _judge(wanted)
    best: Text | None = None
    most = 0
    for make in _ways(wanted, usual):
        right = _share(make, is_right)
        if right == TRIALS:
            return make if _is_simple(wanted) else _chosen(make, is_right)
        if right > most:
            best, most = make, right
    if best is None:
        best = next((make for make in _ways(wanted, usual) if _search(make, is_right) is not None), None)
    return None if best is None else _chosen(best, is_right)


def _is_simple(wanted: Wanted) -> bool:
    """Return whether texts that are right a few times are right always."""
    free = wanted.low == 0 and wanted.high == ENDLESS
    return (
        free and len(wanted.patterns) + len(wanted.formats) == 1 and not any("(?" in each for each in wanted.patterns)
    )


def _judge(wanted: Wanted) -> Callable[[str], bool]:
    """Return what says whether a text is right."""
    parts: list[Json] = [{}, *({"format": each} for each in wanted.formats)]
    parts += [{"pattern": each} for each in wanted.patterns]
    schema: Json = {"type": "string", "minLength": wanted.low, "allOf": parts}
    if wanted.high < ENDLESS:
        schema["maxLength"] = wanted.high
    return Schema(schema, "", "made").is_valid


def _share(make: Text, is_right: Callable[[str], bool]) -> int:
    """Count how many of some texts are right."""
    return sum(is_right(make(Random(seed))) for seed in range(TRIALS))


def _search(make: Text, is_right: Callable[[str], bool]) -> str | None:
    rng = Random(0)
    drawn = (make(rng) for _ in range(TRIES))
    return next((each for each in drawn if is_right(each)), None)


def _chosen(make: Text, is_right: Callable[[str], bool]) -> Text:
    """Return what draws until a text is right; one found now is the last resort."""
    last = _search(make, is_right) or ""

    def made(rng: Random) -> str:
        for _ in range(TRIES):
            text = make(rng)
            if is_right(text):
                return text
        return last

    return made


def _ways(wanted: Wanted, usual: Text) -> Iterator[Text]:
    """Yield ways to make a text, the likeliest first; what they make may be wrong."""
    if wanted.faked:
        yield usual
    for name in wanted.formats:
        if name in FORMATS:
            yield from _formatted(name, wanted)
    if wanted.hint is not None or _is_named(wanted):
        yield _fitted(usual, wanted.low, wanted.high, wanted.locale)
    for pattern in wanted.patterns:
        yield from _patterned(pattern, wanted)
    yield _fitted(usual, wanted.low, wanted.high, wanted.locale)
    if len(wanted.patterns) > 1:
        yield from _joined(wanted)


def _formatted(name: str, wanted: Wanted) -> Iterator[Text]:
    known = FORMATS[name]
    if known.usual is not None:
        yield known.usual(wanted.locale)
    for pattern in known.patterns:
        yield from _patterned(pattern, wanted, anchored=True)
    if not known.patterns and known.usual is not None:
        yield _fitted(known.usual(wanted.locale), wanted.low, wanted.high, wanted.locale)


def _patterned(pattern: str, wanted: Wanted, *, anchored: bool = False) -> Iterator[Text]:
    try:
        make = patterns.texts(pattern)
        over = None if anchored else patterns.overlaid(pattern, make)
    except (patterns.PatternError, RecursionError):
        return
    yield over or make
    if over is not None:
        yield make
    try:
        sized = patterns.sized(pattern, wanted.low, wanted.high)
        yield sized
        over = None if anchored else patterns.overlaid(pattern, sized)
    except (patterns.PatternError, RecursionError):
        return
    if over is not None:
        yield over


def _joined(wanted: Wanted) -> Iterator[Text]:
    """Yield texts of all patterns, one after another: right where they have no anchors."""
    try:
        makers = [patterns.texts(each) for each in wanted.patterns]
    except (patterns.PatternError, RecursionError):
        return
    yield lambda rng: "".join([make(rng) for make in makers])


def _is_named(wanted: Wanted) -> bool:
    return words.by_name(wanted.name, wanted.locale) is not None


def _plain(wanted: Wanted) -> Text:
    """Return what makes texts by `x-faker`, the hint, the name or the description; sentences where nothing is known."""
    if wanted.faked and (found := words.faked(wanted.faked, wanted.locale)):
        return words.pick(tuple(map(str, found)))
    if wanted.hint is not None:
        return wanted.hint
    if wanted.encoding in ("base64", "base64url"):
        usual = FORMATS[wanted.encoding].usual
        if usual is not None:
            return usual(wanted.locale)
    return (
        words.by_name(wanted.name, wanted.locale)
        or words.by_description(wanted.description, wanted.locale)
        or words.sentence(wanted.locale)
    )


def _fitted(make: Text, low: int, high: int, locale: str) -> Text:
    """Return what fills up and cuts made texts, so that their length is right."""
    if low == 0 and high == ENDLESS:
        return make
    if low == 0 and all(len(make(Random(seed))) <= high for seed in range(TRIALS)):
        return lambda rng: make(rng)[:high]
    fill = words.sentence(locale)

    def made(rng: Random) -> str:
        text = make(rng)
        while len(text) < low:
            text += " " + fill(rng)
        if len(text) > high:
            short = text[:high]
            cut = short if text[high] in " .,;" else short.rpartition(" ")[0].rstrip(" .,;") or short.rstrip()
            text = cut if len(cut) >= max(low, 1) else short
        return text

    return made
