"""Samples and their spread, the targets and their verdicts, and the report as text."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import TypeAlias

from benchmarks.servers import BARE, PLAIN

WIDE = 0.05
"""From this spread on, quartiles are not trusted: then every round must say the same."""

START, END = "<!-- the last whole run, written by `make bench` -->", "<!-- end of the last whole run -->"

Table: TypeAlias = Sequence[Sequence[str]]
"""Lines of cells, the first as the head."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the report: ratios of what was measured in the same round or, with a unit, figures by themselves."""

    measure: str
    against: str
    samples: Sequence[float]
    unit: str = ""

    @property
    def median(self) -> float:
        """The middle sample."""
        return median(self.samples)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third quartile."""
        low, _, high = quantiles([*self.samples, *self.samples[: len(self.samples) == 1]], n=4, method="inclusive")
        return low, high

    @property
    def spread(self) -> float:
        """The distance of the quartiles, as a part of the median."""
        low, high = self.quartiles
        return (high - low) / self.median if self.median else 0.0

    @property
    def cells(self) -> Sequence[str]:
        """The median with its unit, and the spread; what was measured once has none."""
        value = f"{self.median:,.0f}" if self.unit and self.median >= 100 else f"{self.median:,.3g}"
        wide = f"{self.spread:.1%}" if len(self.samples) > 1 else "-"
        return [f"{value} {self.unit}" if self.unit else f"{self.median:,.2f}", wide]


@dataclass(frozen=True, slots=True)
class Target:
    """What a row of a section is to reach: at least or at most a bound."""

    section: str
    measure: str
    against: str
    kind: str
    bound: float

    def verdict(self, row: Row) -> str:
        """Say whether a row is as it should be; that cannot be said of a bound amid the samples."""
        low, high = (min(row.samples), max(row.samples)) if row.spread > WIDE else row.quartiles
        if low < self.bound < high:
            return "too close to say"
        reached = row.median >= self.bound if self.kind == "at least" else row.median <= self.bound
        return "met" if reached else "MISSED"


SAME, TRANSPORT = "plain Starlette, same bytes", "httpx's ASGI transport to plain Starlette"
TITLE, SUMMARY, RETRIEVE, LIST = (f"{each}: throughput" for each in ("title", "summary", "retrieve", "list of ten"))
ELSEWHERE = "the title operation under another name and path: throughput"
START_UP, MEMORY, IN_PROCESS = "start to the first right answer", "peak memory", "title in process: time of a call"
DOCUMENTED, GENERATED = "GET with a documented answer: throughput", "POST with {} made fields: throughput"
JSON, YAML = ("start on a large document in " + each for each in ("JSON", "YAML"))
LARGE_MEMORY, MANY = "peak memory on a large document", "2,000 operations: throughput"
MANY_START = "start on 2,000 operations"
STEADY, FEW, FIELDS = "Steady", "7 operations", {3: 2.0, 30: 1.5, 300: 1.5}
"""Others, and how often their throughput is to be reached, by the number of fields that are made."""
LINES, FILES, BEFORE = "lines of code in mockserver/", "files of code in mockserver/", "before the rebuild"
WRONG, GROWN, WARMED = "soak: wrong answers", "soak: memory at the end", "after the warm-up"

TARGETS = (
    Target("title", TITLE, PLAIN, "at least", 1.25),
    Target("title", TITLE, BARE, "at least", 0.52),
    Target("operations", SUMMARY, SAME, "at least", 0.9),
    Target("operations", RETRIEVE, SAME, "at least", 0.9),
    Target("operations", LIST, SAME, "at least", 0.75),
    Target("elsewhere", ELSEWHERE, "title", "at least", 0.9),
    Target("start", START_UP, PLAIN, "at most", 1.35),
    Target("title", MEMORY, PLAIN, "at most", 1.5),
    Target("in-process", IN_PROCESS, TRANSPORT, "at most", 1.05),
    Target("documented", DOCUMENTED, SAME, "at least", 1.0),
    *(Target("generated", GENERATED.format(n), STEADY, "at least", bound) for n, bound in FIELDS.items()),
    Target("large", JSON + ", the first time", STEADY, "at most", 2.5),
    Target("large", YAML + ", from the cache", STEADY, "at most", 2.5),
    Target("large", YAML + ", the first time", STEADY, "at most", 6),
    Target("large", LARGE_MEMORY, "-", "at most", 120),
    Target("many", MANY_START, "-", "at most", 1000),
    Target("many", MANY, FEW, "at least", 0.95),
    Target("code", LINES, BEFORE, "at most", 0.95),
    Target("code", FILES, "-", "at most", 120),
    Target("soak", WRONG, "-", "at most", 0),
    Target("soak", GROWN, WARMED, "at most", 1.05),
)


@dataclass(frozen=True, slots=True)
class Section:
    """What one part of the benchmark found; `failed` says why it could not be measured."""

    title: str
    rows: Sequence[Row] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All that a run found: what it ran on, a sentence each, and the sections by their names."""

    machine: Sequence[str]
    sections: Mapping[str, Section]
    whole: bool

    def reached(self) -> Table:
        """Make the table of the targets; in a partial run, of those whose sections ran."""
        asked = [each for each in TARGETS if self.whole or each.section in self.sections]
        head = ["to reach", "compared with", "bound", "measured", "spread", "verdict"]
        return [head, *(self._line(each) for each in asked)]

    def _line(self, target: Target) -> Sequence[str]:
        section = self.sections.get(target.section, Section(""))
        key = (target.measure, target.against)
        row = next((each for each in section.rows if (each.measure, each.against) == key), None)
        found = ["-", "-", "**NOT MEASURED**"] if row is None else [*row.cells, target.verdict(row)]
        return [*key, f"{target.kind} {target.bound:g}", *found]

    def measured(self) -> Table:
        """Make the table of all rows that no target is set for."""
        targets = {(each.measure, each.against) for each in TARGETS}
        rows = [row for each in self.sections.values() for row in each.rows]
        others = [row for row in rows if (row.measure, row.against) not in targets]
        return [["measured", "compared with", "median", "spread"], *([e.measure, e.against, *e.cells] for e in others)]

    def as_text(self) -> str:
        """Write it as Markdown, the targets first."""
        lines = [*self.machine, *under("To reach", self.reached())]
        failed = [f"- **NOT MEASURED: {name}**: {each.failed}" for name, each in self.sections.items() if each.failed]
        lines += ["", *failed] if failed else []
        lines += under("Also measured", self.measured())
        for each in self.sections.values():
            lines += [line for table in each.tables for line in under(each.title, table)]
        notes = [f"- {each.title}: {note}" for each in self.sections.values() for note in each.notes]
        return "\n".join([*lines, *(["", "### Notes", "", *notes] if notes else []), ""])

    def as_json(self) -> str:
        """Write it for programs, with all samples."""
        return json.dumps({"to_reach": self.reached(), **asdict(self)}, indent=1, ensure_ascii=False) + "\n"


def under(heading: str, table: Table) -> Iterator[str]:
    """Write a table as Markdown, line by line, under a heading; nothing for a table without lines."""
    head, *rest = table
    if not rest:
        return
    yield from ("", f"### {heading}", "")
    for line in (head, ["---"] * len(head), *rest):
        yield "| " + " | ".join(re.sub(r"[|\n]", " ", cell) for cell in line) + " |"


def placed(document: str, text: str) -> str:
    """Put a report between the two marks of a document, in the place of the one before."""
    before, start, rest = document.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"the document lacks a mark, {START} or {END}, between which the report goes")
    return f"{before}{start}\n\n{text}\n{end}{after}"
