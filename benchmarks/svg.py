"""Curves as SVG: text as text, on a ground of its own that is light or dark as the reader's screen is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

WIDE, HIGH = 430, 300
"""Size of one chart, in pixels."""

LEFT, RIGHT, TOP, BOTTOM = 58, 16, 66, 46
"""What stands around the field in which the lines are."""

APART = 20.0
"""From this ratio of the largest figure to the smallest on, the figures stand on a logarithmic scale."""

STYLE = """\
svg { color-scheme: light dark; }
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 13px; }
.quiet { fill: #59636e; font-size: 11px; }
.ground { fill: #ffffff; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.a { stroke: #2a78d6; } circle.a { fill: #2a78d6; }
.b { stroke: #c2501d; } circle.b { fill: #c2501d; }
.c { stroke: #15805a; } circle.c { fill: #15805a; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .quiet { fill: #9198a1; } .ground { fill: #0d1117; } .grid { stroke: #3d444d; }
  .a { stroke: #539bf5; } circle.a { fill: #539bf5; }
  .b { stroke: #ee8a5c; } circle.b { fill: #ee8a5c; }
  .c { stroke: #3fb98a; } circle.c { fill: #3fb98a; }
}
"""

_CLASSES = "abc"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: points by x."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Chart:
    """Up to three lines over one x; a 0 on a logarithmic x stands alone at its left."""

    title: str
    x: str
    y: str
    lines: Sequence[Line]
    note: str = ""
    """What is said below the title."""
    dots: bool = True


class Axis(NamedTuple):
    """Where values stand along a side: `place` gives a part of its length, 0 to 1."""

    place: Callable[[float], float]
    ticks: Sequence[float]


def page(charts: Sequence[Chart], described: str, columns: int = 2) -> str:
    """Draw charts side by side; `described` says to those who cannot see it what the picture shows."""
    columns = min(columns, len(charts))
    wide, high = WIDE * columns, HIGH * ceil(len(charts) / columns)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        'role="img" aria-labelledby="what">',
        f'<title id="what">{escape(described)}</title>',
        f"<style>\n{STYLE}</style>",
        f'<rect class="ground" width="{wide}" height="{high}"/>',
    ]
    for number, chart in enumerate(charts):
        x, y = WIDE * (number % columns), HIGH * (number // columns)
        parts += [f'<g transform="translate({x} {y})">', *_chart(chart), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _chart(chart: Chart) -> Iterator[str]:
    across = axis([x for line in chart.lines for x, _ in line.points], zero=False)
    up = axis([y for line in chart.lines for _, y in line.points], zero=True)

    def at(x: float, y: float) -> Point:
        return LEFT + across.place(x) * (WIDE - LEFT - RIGHT), HIGH - BOTTOM - up.place(y) * (HIGH - TOP - BOTTOM)

    yield _text(LEFT, 18, chart.title, "title")
    yield _text(LEFT, 34, chart.note, "quiet")
    yield from _legend(chart.lines)
    for tick in up.ticks:
        _, y = at(across.ticks[0], tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 6, y + 4, short(tick), "quiet", "end")
    for tick in across.ticks:
        x, _ = at(tick, up.ticks[0])
        yield _text(x, HIGH - BOTTOM + 16, short(tick), "quiet", "middle")
    yield _text((LEFT + WIDE - RIGHT) / 2, HIGH - 12, f"{chart.x}; up: {chart.y}", "quiet", "middle")
    for name, line in zip(_CLASSES, chart.lines, strict=False):
        yield from _line(name, [(x, *at(x, y)) for x, y in line.points], dots=chart.dots)


def _legend(lines: Sequence[Line]) -> Iterator[str]:
    """Name the lines; a single one is named by the title."""
    x = float(LEFT)
    for name, line in zip(_CLASSES, lines, strict=False):
        if len(lines) > 1:
            yield f'<line class="line {name}" x1="{x:.0f}" x2="{x + 16:.0f}" y1="48" y2="48"/>'
            yield _text(x + 21, 52, line.name)
            x += 36 + 6.6 * len(line.name)


def _line(name: str, points: Sequence[tuple[float, float, float]], *, dots: bool) -> Iterator[str]:
    alone = points[0][0] == 0 and dots
    drawn = " ".join(f"{x:.1f},{y:.1f}" for _, x, y in points[1 if alone else 0 :])
    yield f'<polyline class="line {name}" points="{drawn}"/>'
    if dots:
        yield from (f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for _, x, y in points)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def axis(values: Sequence[float], *, zero: bool) -> Axis:
    """Make the scale of some values: logarithmic where they lie far apart, else linear, from 0 if `zero`."""
    positive = [value for value in values if value > 0] or [1.0]
    if max(positive) / min(positive) >= APART and min(values) >= 0:
        return _logarithmic(min(positive), max(positive), with_zero=min(values) == 0)
    return _linear(0.0 if zero else min(values), max(values))


def _logarithmic(least: float, most: float, *, with_zero: bool) -> Axis:
    low, high = floor(log10(least) + 1e-9), ceil(log10(most) - 1e-9)
    first = low - 1 if with_zero else low

    def place(value: float) -> float:
        return ((log10(value) if value > 0 else first) - first) / (high - first)

    return Axis(place, [*([0.0] if with_zero else []), *(10.0**power for power in range(low, high + 1))])


def _linear(low: float, high: float) -> Axis:
    step = _step((high - low) / 5 or 1.0)
    bottom, top = floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step
    top = top if top > bottom else bottom + step
    count = round((top - bottom) / step)
    return Axis(lambda value: (value - bottom) / (top - bottom), [bottom + step * each for each in range(count + 1)])


def _step(least: float) -> float:
    """Give the smallest of 1, 2, 5, 10, 20, ... that is not below a number."""
    power = 10.0 ** floor(log10(least))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= least * (1 - 1e-9))


def short(value: float) -> str:
    """Write a number as briefly as can be: 0.5, 20, 5k, 1M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
