"""The comparison as a picture: a bar for each server, whether it answers rightly, and what it refuses."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

PLACE = "docs/benchmarks.svg"
"""Where it is kept, relative to the project."""

SECTION, MEASURE, ANSWERS = "Other tools", "throughput, 16 connections", "answers"

WIDE, LINE, TOP = 860, 26, 74
"""The width, the height of a line, and where the first line begins, in pixels."""

NAMES, BARS, LONGEST, RIGHT, REFUSES = 196, 208, 380, 700, 794
"""Where names end, where bars begin and how long the longest is, and where the two marks stand."""

GROUPS = (("mock", "mocks of the contract"), ("bound", "bounds: no mock, nothing is validated"))
"""The kinds of servers as the results name them, those of tools beside the first, with their headings."""

STYLE = """\
svg { color-scheme: light dark; }
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 15px; } .quiet { fill: #59636e; font-size: 12px; }
.ours { font-weight: 600; } .yes { fill: #15805a; } .no { fill: #c2501d; }
.ground { fill: #ffffff; } rect.mock { fill: #2a78d6; } rect.tool { fill: #9aa4b0; } rect.bound { fill: #d1d9e0; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .quiet { fill: #9198a1; } .yes { fill: #3fb98a; } .no { fill: #ee8a5c; }
  .ground { fill: #0d1117; } rect.mock { fill: #539bf5; } rect.tool { fill: #6e7781; } rect.bound { fill: #3d444d; }
}
"""


class Bar(NamedTuple):
    """One server of the picture."""

    name: str
    kind: str
    """mock, tool or bound."""
    rate: float
    """Requests a second."""
    right: bool
    """Whether its answers are."""
    refused: str
    """How many of the bad requests it refuses as it should: "3 of 6"."""


def bars(results: Mapping[str, Any]) -> list[Bar]:
    """Read the bars from the results as they are written, the longest first; none where nothing was compared."""
    rates = {
        each["server"]: each["median"]
        for each in results["figures"]
        if each["section"] == SECTION and each["measure"] == MEASURE
    }
    tables = [each for each in results.get("tables", []) if each["section"] == SECTION and each["name"] == ANSWERS]
    lines = [dict(zip(table["head"], row, strict=True)) for table in tables for row in table["rows"]]
    found = [
        Bar(each["server"], each["kind"], rates[each["server"]], each["right"] == "yes", each["refused rightly"])
        for each in lines
    ]
    return sorted(found, key=lambda bar: -bar.rate)


def drawn(results: Mapping[str, Any]) -> str:
    """Draw the picture from the results as they are written; empty where nothing was compared."""
    found = bars(results)
    if not found:
        return ""
    high = TOP + LINE * (len(found) + len(GROUPS)) + 44
    told = ", ".join(f"{each.name} {each.rate:,.0f}" for each in found)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {high}" width="{WIDE}" height="{high}" '
        'role="img" aria-labelledby="what">',
        f'<title id="what">{escape(f"Title calls a second over 16 connections: {told}")}</title>',
        f"<style>\n{STYLE}</style>",
        f'<rect class="ground" width="{WIDE}" height="{high}"/>',
        *_head(),
        *_lines(found),
        _text(16, high - 16, _caption(results), "quiet"),
    ]
    return "\n".join([*parts, "</svg>\n"])


def _head() -> Iterator[str]:
    yield _text(16, 26, "Title calls a second, each server on one core, 16 connections", "title")
    for x, words in ((RIGHT, ("answer", "is right")), (REFUSES, ("bad requests", "refused rightly"))):
        for number, line in enumerate(words):
            yield _text(x, 44 + 15 * number, line, "quiet", "middle")


def _lines(found: Sequence[Bar]) -> Iterator[str]:
    y, longest = TOP, max(each.rate for each in found)
    for kind, heading in GROUPS:
        yield _text(16, y + 17, heading, "quiet")
        y += LINE
        for each in found:
            if (each.kind == "bound") == (kind == "bound"):
                yield from _bar(each, y, each.rate / longest * LONGEST)
                y += LINE


def _bar(bar: Bar, y: float, length: float) -> Iterator[str]:
    yield _text(NAMES, y + 17, bar.name, "ours" if bar.kind == "mock" else "", "end")
    yield f'<rect class="{bar.kind}" x="{BARS}" y="{y + 4}" width="{length:.1f}" height="{LINE - 8}" rx="3"/>'
    yield _text(BARS + length + 7, y + 17, f"{bar.rate:,.0f}", "ours" if bar.kind == "mock" else "")
    yield _text(RIGHT, y + 17, *(("✓", "yes") if bar.right else ("✗", "no")), "middle")
    done, _, asked = bar.refused.partition(" of ")
    yield _text(REFUSES, y + 17, bar.refused, "yes" if done == asked else "no", "middle")


def _caption(results: Mapping[str, Any]) -> str:
    machine = results["machine"]
    return f"{machine['processor']}, {machine['python']}, {results['taken']}; how it was measured: BENCHMARKS.md"


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
