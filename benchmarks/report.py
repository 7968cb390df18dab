"""The report: what was measured as one record, as JSON and as BENCHMARKS.md."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.environment import PYTHON, ROOT, Machine
from benchmarks.figures import WIDE, Figure, Row, Section, Series
from benchmarks.measure import BODY, HANDLER, PATH, Plan, callgrind_command, handler_arguments
from benchmarks.targets import parts_of_path, to_reach

TOO_WIDE = "too wide to rely on"

WORSE = 0.05
"""From this growth on, a count of instructions is flagged."""

PATH_TOLD = (
    "The path of a title call, by processor time: the server and its event loop (uvicorn, httptools, the socket) are "
    "what the bare ASGI callable takes,\n"
    "the rest is that of the Handler and of the edge (reading the request from ASGI, and writing the answer to it), "
    "in the proportion that they have in process without a server."
)

MANY = 7
"""With more servers than this, a table of figures has a line for each of them."""

BUSY = 0.5
"""From this load average on, a machine is said not to have been idle."""


@dataclass(frozen=True, slots=True)
class Instructions:
    """Instructions of one request in the Handler alone, beside the committed count, if one is comparable."""

    per_request: float
    committed: float | None

    @property
    def change(self) -> float | None:
        """The growth since the committed count, as a part of it."""
        return None if self.committed is None else self.per_request / self.committed - 1


@dataclass(frozen=True, slots=True)
class Results:
    """All that a run gave."""

    taken: str
    command: str
    plan: Plan
    one_core: bool
    machine: Machine
    versions: Mapping[str, str]
    sections: Sequence[Section]
    instructions: Instructions | None


def as_json(results: Results) -> str:
    """Write the results for programs."""
    counted = results.instructions
    made: dict[str, Any] = {
        "taken": results.taken,
        "command": results.command,
        "plan": asdict(results.stub),
        "machine": asdict(results.machine),
        "versions": dict(results.versions),
        "to_reach": asdict(to_reach(results.sections)),
        "rows": [_row_json(section, each) for section in results.sections for each in section.rows],
        "figures": [
            {
                "section": section.name,
                "measure": each.measure,
                "unit": each.unit,
                "server": server,
                **_series_json(series),
            }
            for section in results.sections
            for each in section.figures
            for server, series in each.by_server.items()
        ],
        "tables": [
            {"section": section.name, **asdict(each)} for section in results.sections for each in section.tables
        ],
        "instructions": counted and {**asdict(counted), "change": counted.change},
        "notes": [note for section in results.sections for note in section.notes],
        "commands": list(_commands(results)),
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _series_json(series: Series) -> dict[str, Any]:
    return {
        "median": series.median,
        "quartiles": series.quartiles,
        "spread": series.spread,
        "samples": series.samples,
    }


def _row_json(section: Section, row: Row) -> dict[str, Any]:
    return {
        "section": section.name,
        "measure": row.measure,
        "against": row.against,
        "unit": row.unit or "ratio",
        "bar": None if row.aim is None else str(row.aim),
        "verdict": row.verdict,
        **_series_json(row.series),
    }


def as_markdown(results: Results) -> str:
    """Write the results for people."""
    sections = [_section(each) for each in results.sections]
    parts = [
        _intro(results),
        _reached(results.sections),
        *sections,
        _counted(results),
        _machine(results),
        _how(results),
    ]
    return "# Benchmarks\n\n" + "\n".join(parts)


def _reached(sections: Sequence[Section]) -> str:
    """Write what is to be reached, and where the time of a call goes."""
    table, parts = to_reach(sections), parts_of_path(sections)
    told = "" if parts is None else f"\n{PATH_TOLD}\n\n{_table(parts.head, parts.rows)}"
    return f"## To reach\n\n{_table(table.head, table.rows)}{told}"


def _intro(results: Results) -> str:
    return (
        f"Written by `{results.command}` on {results.taken}.\n"
        "The mock validates each request and each answer; the plain servers beside it validate nothing.\n"
        "What is compared is measured side by side, in one run: "
        "a ratio is one figure divided by the other's of the same round; the tables give its median.\n"
        "A row without another server, or with a unit, is a figure by itself, and holds for this machine only.\n"
        "Spread is the distance of the quartiles divided by the median; "
        f"above {WIDE:.0%} a figure is too noisy to rely on; one that was taken once has none.\n"
        "A bar is called met, or not, only if it lies outside the quartiles; "
        "of a figure that is too noisy, only if every round says the same.\n"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _spread(series: Series) -> str:
    if len(series.samples) == 1:
        return "-"
    return f"{series.spread:.1%}" + (f" ({TOO_WIDE})" if series.wide else "")


def _section(section: Section) -> str:
    rows = [
        [
            each.measure,
            each.against,
            f"{each.series.median:,.{each.digits}f} {each.unit}".strip(),
            _spread(each.series),
            f"{each.aim or '-'} {each.unit if each.aim else ''}".strip(),
            each.verdict,
        ]
        for each in section.rows
    ]
    head = ["measure", "compared with", "figure", "spread", "bar", "verdict"]
    parts = [_table(head, rows)] if rows else []
    parts += [f"{note}\n" for note in section.notes]
    parts += [_table(each.head, each.rows) for each in section.tables]
    parts += [_figures(section.figures)] if section.figures else []
    return f"## {section.name}\n\n" + "\n".join(parts)


def _figures(figures: Sequence[Figure]) -> str:
    """Write figures, those of the same servers in one table, or by units where there are many servers."""
    tables: dict[tuple[str, ...], list[Figure]] = {}
    for each in figures:
        servers = tuple(each.by_server)
        tables.setdefault(servers if len(servers) <= MANY else (*servers, each.unit), []).append(each)
    return "\n".join(_of_many(found) if len(found[0].by_server) > MANY else _of_few(found) for found in tables.values())


def _of_few(figures: Sequence[Figure]) -> str:
    """Write a line for each figure."""
    rows = [
        [f"{each.measure}, {each.unit}", *(_cell(series, each.digits) for series in each.by_server.values())]
        for each in figures
    ]
    return _table(["figure", *figures[0].by_server], rows)


def _of_many(figures: Sequence[Figure]) -> str:
    """Write a line for each server; what is too wide to rely on is marked."""

    def cell(figure: Figure, series: Series) -> str:
        return f"{'~' if series.wide else ''}{series.median:,.{figure.digits}f} ± {series.spread:.0%}"

    servers = figures[0].by_server
    rows = [[server, *(cell(each, each.by_server[server]) for each in figures)] for server in servers]
    return _table([f"{figures[0].unit} (~: {TOO_WIDE})", *(each.measure for each in figures)], rows)


def _cell(series: Series, digits: int) -> str:
    return f"{series.median:,.{digits}f} ± {_spread(series)}"


def _counted(results: Results) -> str:
    return "## Instructions\n\n" + counted(results) + "\n"


def counted(results: Results) -> str:
    """Say how many instructions a request costs, and whether that has grown."""
    found = results.instructions
    if found is None:
        return "Not counted: valgrind is not installed."
    text = f"{found.per_request:,.0f} instructions for one request in the Handler alone, counted by callgrind"
    if found.committed is None or found.change is None:
        return f"{text};\nno committed count is of the same interpreter and processor."
    flag = f"WORSE by more than {WORSE:.0%}" if found.change > WORSE else f"not worse by more than {WORSE:.0%}"
    return f"{text};\nthe committed count is {found.committed:,.0f}, the change {found.change:+.1%}: {flag}."


def _machine(results: Results) -> str:
    machine = results.machine
    shared = (
        "one core for the server and the load together" if results.one_core else "one for the server, one for the load"
    )
    busy = " (not idle: other processes ran beside)" if machine.load_before > BUSY else ""
    lines = [
        f"Processor: {machine.processor}; usable cores: {machine.cores} ({shared}).",
        f"Memory: {machine.memory_mib:,} MiB.",
        f"Kernel: {machine.kernel}.",
        f"Python: {machine.python}.",
        f"Load average of the minute before the run: {machine.load_before:.2f}{busy}.",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in results.versions.items()) + ".",
    ]
    return "## Machine and versions\n\n" + "\n".join(f"- {line}" for line in lines) + "\n"


def _how(results: Results) -> str:
    plan = results.plan
    general = [
        "The mock is installed from a wheel of this tree into `.cache/bench/venv`, "
        "with the versions of `constraints.txt`, and started as a user starts it.",
        "It and the plain servers run on uvicorn in the same configuration, which is compared before the run.",
        f"Instructions: those of {2 * plan.calls} requests less those of {plan.calls}, divided by {plan.calls}.",
    ]
    parts = ["\n".join(f"- {line}" for line in general)]
    for section in (each for each in results.sections if each.how):
        parts.append(f"{section.name}:\n\n" + "\n".join(f"- {line}" for line in section.how))
    text, commands = "\n\n".join(parts), "\n".join(_commands(results))
    return f"## How it is measured\n\n{text}\n\n```\n{commands}\n```\n\nThe request: `POST {PATH}` with `{BODY}`.\n"


def _commands(results: Results) -> Iterator[str]:
    """Give the commands that were run, with places relative to the project."""
    for section in results.sections:
        yield from section.commands
    for count in (results.plan.calls, 2 * results.plan.calls):
        *command, body = callgrind_command(
            handler_arguments(count, HANDLER.relative_to(ROOT)), PYTHON.relative_to(ROOT)
        )
        yield f"{' '.join(command)} '{body}'"


def summary(results: Results, *, all_of_it: bool = True) -> str:
    """Say in the terminal what came out."""
    head = [_intro(results), _reached(results.sections)] if all_of_it else []
    return "\n".join([*head, *map(_section, results.sections), *([counted(results)] if all_of_it else [])])
