"""Curves as SVG: text as text, on a ground of its own that is light or dark as the reader's screen is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

WIDE, HIGH = 430, 320
"""Size of one chart, in pixels."""

LEFT, RIGHT, TOP, BOTTOM = 58, 26, 92, 46
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


FEW = 8
"""Up to so many different x stand at the side themselves."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: points by x, and what is said of it below the title."""

    name: str
    points: Sequence[Point]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Up to three lines over one x; a 0 on a logarithmic x stands alone at its left."""

    title: str
    x: str
    y: str
    lines: Sequence[Line]
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
    across = across_axis([x for line in chart.lines for x, _ in line.points])
    up = up_axis([y for line in chart.lines for _, y in line.points])

    def at(x: float, y: float) -> Point:
        return LEFT + across.place(x) * (WIDE - LEFT - RIGHT), HIGH - BOTTOM - up.place(y) * (HIGH - TOP - BOTTOM)

    yield _text(LEFT, 18, chart.title, "title")
    yield from _legend(chart.lines)
    yield _text(8, TOP - 12, chart.y, "quiet")
    for tick in up.ticks:
        _, y = at(across.ticks[0], tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 6, y + 4, short(tick), "quiet", "end")
    for tick in across.ticks:
        x, _ = at(tick, up.ticks[0])
        yield _text(x, HIGH - BOTTOM + 16, short(tick), "quiet", "middle")
    yield _text((LEFT + WIDE - RIGHT) / 2, HIGH - 12, chart.x, "quiet", "middle")
    for name, line in zip(_CLASSES, chart.lines, strict=False):
        yield from _line(name, [(x, *at(x, y)) for x, y in line.points], dots=chart.dots)


def _legend(lines: Sequence[Line]) -> Iterator[str]:
    """Name the lines, one below the other; a single one is named by the title."""
    for number, (name, line) in enumerate(zip(_CLASSES, lines, strict=False)):
        y = 35 + 16 * number
        if len(lines) > 1:
            yield f'<line class="line {name}" x1="{LEFT}" x2="{LEFT + 16}" y1="{y - 4}" y2="{y - 4}"/>'
            yield _text(LEFT + 21, y, f"{line.name}: {line.note}" if line.note else line.name, "quiet")
        else:
            yield _text(LEFT, y, line.note, "quiet")


def _line(name: str, points: Sequence[tuple[float, float, float]], *, dots: bool) -> Iterator[str]:
    alone = points[0][0] == 0 and dots
    drawn = " ".join(f"{x:.1f},{y:.1f}" for _, x, y in points[1 if alone else 0 :])
    yield f'<polyline class="line {name}" points="{drawn}"/>'
    if dots:
        yield from (f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for _, x, y in points)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def across_axis(values: Sequence[float]) -> Axis:
    """Make the scale of the x: few of them are its ticks; far apart they stand on a logarithmic one, 0 left of all."""
    ticks = sorted(set(values))
    if len(ticks) > FEW or len(ticks) < 2:
        return _linear(min(values), max(values), 7)
    positive = [tick for tick in ticks if tick > 0]
    if positive[-1] / positive[0] < APART or ticks[0] < 0:
        return Axis(lambda value: (value - ticks[0]) / (ticks[-1] - ticks[0]), ticks)
    return Axis(_logarithmic(log10(positive[0]), log10(positive[-1]), with_zero=ticks[0] == 0), ticks)


def up_axis(values: Sequence[float]) -> Axis:
    """Make the scale of the figures: logarithmic where they lie far apart, else from 0 on."""
    least, most = min(values), max(values)
    if least <= 0 or most / least < APART:
        return _linear(min(0.0, least), most)
    low, high = floor(log10(least) + 1e-9), ceil(log10(most) - 1e-9)
    return Axis(_logarithmic(low, high, with_zero=False), [10.0**power for power in range(low, high + 1)])


def _logarithmic(low: float, high: float, *, with_zero: bool) -> Callable[[float], float]:
    """Give the place of a value between two powers of ten; 0 stands one power below the least."""
    first = low - 1 if with_zero else low
    return lambda value: ((log10(value) if value > 0 else first) - first) / (high - first)


def _linear(low: float, high: float, most: int = 5) -> Axis:
    """Make an even scale with about so many parts, between round numbers."""
    step = _step((high - low) / most or 1.0)
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
