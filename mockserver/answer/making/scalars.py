"""Numbers and texts of a resolved schema, by its keywords and by what its name means."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

from mockserver.answer.making import numbers, texts, words
from mockserver.answer.making.formats import FORMATS
from mockserver.answer.making.keywords import examples
from mockserver.answer.making.nodes import ScalarShape, never
from mockserver.api import Hints
from mockserver.contract.resolved import View, keywords, said
from mockserver.messages import Json

FASTAPI = "fastapi:"
"""Begins the names of the fields of FastAPI's errors."""

_FASTAPI_TEXTS: Mapping[str, words.Text] = {
    FASTAPI + "type": lambda _: "value_error",
    FASTAPI + "loc": words.pick(("body", "query", "path")),
    FASTAPI + "msg": lambda _: "Value error, the value is not accepted",
}


class Meaning(NamedTuple):
    """What is known of a value beside its schema."""

    name: str
    """The name of the property."""
    hints: Hints | None
    locale: str
    is_valid: Callable[[Json], bool]
    """Judges values by the whole schema."""


def number(view: View, meaning: Meaning, *, whole: bool) -> ScalarShape:
    """Return the shape of numbers."""
    bounds = numbers.Bounds({name: [each.value for each in found] for name, found in view.words.items()}, whole=whole)
    if bounds.is_empty:
        return never("no number is within its limits", view.pointer)
    drawn = words.faked(words.call_of(said(view, "x-faker")), meaning.locale)
    faked = [each for each in drawn if isinstance(each, int | float) and not isinstance(each, bool)]
    faked = [each for each in faked if meaning.is_valid(each)]
    if faked:
        return ScalarShape(lambda: words.pick(faked))
    hinted = None if meaning.hints is None else meaning.hints.numbers.get(meaning.name)
    usual = hinted or words.range_of(meaning.name)
    return ScalarShape(lambda: numbers.number(bounds, usual, whole=whole))


def text(view: View, meaning: Meaning) -> ScalarShape:
    """Return the shape of texts. Those that can fail are tried now, others are made ready when first needed."""
    wanted = _wanted(view, meaning)
    if wanted.low > wanted.high:
        return never("no text is so long and so short", view.pointer)
    cost = 1 + wanted.low // 64
    if not (wanted.formats or wanted.patterns) or _is_known(wanted):
        return ScalarShape(lambda: texts.text(wanted) or _no_text, cost)
    make = texts.text(wanted)
    if make is None and (shown := [each for each in examples(view) if meaning.is_valid(each)]):
        make = words.pick(shown)
    if make is None:
        return never("no text was found that has its pattern, format and length", view.pointer)
    return ScalarShape(lambda: make, cost)


def _wanted(view: View, meaning: Meaning) -> texts.Wanted:
    def of(word: str) -> list[Any]:
        return [each.value for each in keywords(view, word)]

    hinted = None if meaning.hints is None else meaning.hints.texts.get(meaning.name)
    return texts.Wanted(
        low=int(max(of("minLength"), default=0)),
        high=int(min(of("maxLength"), default=texts.ENDLESS)),
        formats=tuple(dict.fromkeys(of("format"))),
        patterns=tuple(dict.fromkeys(of("pattern"))),
        name=meaning.name.removeprefix(FASTAPI),
        description=str(said(view, "description", "")),
        faked=words.call_of(said(view, "x-faker")),
        encoding=str(said(view, "contentEncoding", "")),
        hint=_FASTAPI_TEXTS.get(meaning.name) or hinted,
        locale=meaning.locale,
    )


def _is_known(wanted: texts.Wanted) -> bool:
    """Return whether texts are of a known format and nothing else."""
    is_free = (wanted.low, wanted.high) == (0, texts.ENDLESS)
    return is_free and not wanted.patterns and len(wanted.formats) == 1 and wanted.formats[0] in FORMATS


def _no_text(_: Random) -> str:
    return ""
