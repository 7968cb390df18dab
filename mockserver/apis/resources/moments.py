"""Writes the time now as a field of an item does."""

from collections.abc import Callable
from functools import lru_cache

from mockserver.clock import Now, timestamp_of
from mockserver.contract.resolved import View, said
from mockserver.messages import Json

_MILLISECONDS = 10**11
"""A Unix time above this counts milliseconds."""


@lru_cache(maxsize=2)
def _to_the_second(second: int) -> str:
    return timestamp_of(second * 1_000_000_000)[:20]


class Clock:
    """Writes the time now."""

    def __init__(self, now: Now) -> None:
        self._now = now

    def text(self) -> str:
        """Return the time as RFC 3339 writes it, down to the millisecond."""
        second, rest = divmod(self._now(), 1_000_000_000)
        return f"{_to_the_second(second)}{rest // 1_000_000:03d}Z"

    def writer(self, view: View) -> Callable[[Json], Json] | None:
        """Return what writes the time for a field, given a value like it; None for a field that holds no time."""
        types, kind = view.types or frozenset(("string",)), said(view, "format")
        if "string" in types:
            if kind == "date":
                return lambda _: self.text()[:10]
            return (lambda _: self.text()) if kind == "date-time" else self._text_like
        return self._number_like if types & {"integer", "number"} else None

    def _text_like(self, like: Json) -> Json:
        is_moment = isinstance(like, str) and like[:4].isdigit() and "T" in like
        return self.text() if is_moment else None

    def _number_like(self, like: Json) -> Json:
        is_milli = isinstance(like, int | float) and like > _MILLISECONDS
        return self._now() // (1_000_000 if is_milli else 1_000_000_000)
