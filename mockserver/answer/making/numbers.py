"""Numbers between bounds, in exact steps."""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from random import Random
from typing import Any, TypeAlias

from mockserver.messages import Json

Number: TypeAlias = Callable[[Random], Json]

USUAL = (0, 100)
"""The range of a number about which nothing is known."""

_FORMATS: Mapping[str, tuple[int, int]] = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
_LARGEST = 2**63
"""The first number that is not written as a whole one, since writers of JSON take 64 bits."""


class Bounds:
    """What numbers must keep: limits, which may be excluded, and the step; exact."""

    def __init__(self, words: Mapping[str, Sequence[Json]], *, whole: bool) -> None:
        low: list[tuple[Fraction, bool]] = [(_exact(each), False) for each in words.get("minimum", ())]
        low += [(_exact(each), True) for each in words.get("exclusiveMinimum", ())]
        high: list[tuple[Fraction, bool]] = [(_exact(each), False) for each in words.get("maximum", ())]
        high += [(_exact(each), True) for each in words.get("exclusiveMaximum", ())]
        for name in words.get("format", ()):
            if name in _FORMATS and whole:
                low.append((Fraction(_FORMATS[name][0]), False))
                high.append((Fraction(_FORMATS[name][1]), False))
        self.low: Fraction | None
        self.high: Fraction | None
        self.low, self.opens = max(low) if low else (None, False)
        self.high, self.closes = min(high, key=lambda pair: (pair[0], not pair[1])) if high else (None, False)
        self.step: Fraction | None = Fraction(1) if whole else None
        for each in words.get("multipleOf", ()):
            self.step = _exact(each) if self.step is None else _common(self.step, _exact(each))

    def steps(self, step: Fraction, low: Fraction | None, high: Fraction | None) -> tuple[int | None, int | None]:
        """Return the least and the greatest multiple of a step within bounds, as counts of steps."""
        first = None if low is None else math.ceil(low / step)
        last = None if high is None else math.floor(high / step)
        if first is not None and low == self.low and self.opens and first * step == low:
            first += 1
        if last is not None and high == self.high and self.closes and last * step == high:
            last -= 1
        return first, last

    @property
    def is_empty(self) -> bool:
        """Whether there is no such number."""
        if self.step is not None:
            first, last = self.steps(self.step, self.low, self.high)
            return first is not None and last is not None and first > last
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and (self.opens or self.closes))


def _exact(value: Json) -> Fraction:
    """Return a number as it is written: 0.1 is a tenth."""
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


def _common(one: Fraction, other: Fraction) -> Fraction:
    """Return the least common multiple of two steps."""
    return Fraction(math.lcm(one.numerator, other.numerator), math.gcd(one.denominator, other.denominator))


def number(bounds: Bounds, usual: tuple[float, float] | None, *, whole: bool) -> Number:
    """Return what makes numbers within bounds, of the usual range as far as that is allowed."""
    if bounds.step is not None:
        return _stepped(bounds, bounds.step, usual or USUAL, whole=whole)
    low, high = _usual(bounds, usual or USUAL)
    span = high - low
    scale = next((10**power for power in range(2, 7) if span * 10**power >= 100), None)
    if scale is None:
        return _between(bounds, low, high)
    first, last = bounds.steps(Fraction(1, scale), low, high)
    if first is None or last is None or first > last:
        return _between(bounds, low, high)
    count = last - first + 1
    return lambda rng: (first + int(rng.random() * count)) / scale


def _between(bounds: Bounds, low: Fraction, high: Fraction) -> Number:
    """Return what makes numbers in a range in which there is no round one."""
    if low == high:
        return _constant(_written(low, whole=False))
    first, width = float(low), float(high) - float(low)
    least = float(low) if not bounds.opens or low != bounds.low else math.nextafter(float(low), math.inf)
    most = float(high) if not bounds.closes or high != bounds.high else math.nextafter(float(high), -math.inf)
    return lambda rng: min(max(first + width * (0.001 + 0.998 * rng.random()), least), most)


def _constant(value: Json) -> Number:
    return lambda _: value


def _usual(bounds: Bounds, usual: tuple[float, float]) -> tuple[Fraction, Fraction]:
    """Return the range of numbers: what is usual, as far as it is allowed, else beside what is allowed."""
    least, most = Fraction(usual[0]), Fraction(usual[1])
    width = max(most - least, Fraction(1))
    low = (
        bounds.low if bounds.low is not None else min(least, bounds.high - width) if bounds.high is not None else least
    )
    high = bounds.high if bounds.high is not None else max(most, low + width)
    inside = max(low, least), min(high, most)
    return inside if inside[0] < inside[1] else (low, high)


def _stepped(bounds: Bounds, step: Fraction, usual: tuple[float, float], *, whole: bool) -> Number:
    first, last = bounds.steps(step, *_usual(bounds, usual))
    if first is None or last is None or first > last:
        first, last = bounds.steps(step, bounds.low, bounds.high)
        if first is None:
            first = last - 100 if last is not None else 0
        last = min(first + 100, last) if last is not None else first + 100
    if whole and step.denominator == 1 and max(abs(first), abs(last)) * step < _LARGEST:
        return _whole(first, last - first + 1, int(step))
    count = last - first + 1
    return lambda rng: _written((first + int(rng.random() * count)) * step, whole=whole)


def _whole(first: int, count: int, step: int) -> Number:
    if count > 2**50:
        return lambda rng: rng.randrange(first, first + count) * step
    if step == 1:
        return lambda rng: first + int(rng.random() * count)
    return lambda rng: (first + int(rng.random() * count)) * step


def _written(value: Fraction, *, whole: bool) -> Any:
    """Return a number of JSON: whole where it is and 64 bits hold it, else the nearest of floating point."""
    exact = whole or (value.denominator == 1 and abs(value) > 2**53)
    return int(value) if exact and abs(value) < _LARGEST else float(value)
