"""The report: what was measured as one record, as JSON and as BENCHMARKS.md."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.environment import MOCKSERVER, PYTHON, ROOT, Machine
from benchmarks.figures import WIDE, Ratio, Series
from benchmarks.measure import BODY, HANDLER, PATH, Plan, callgrind_command, wrk_command

WORSE = 0.05
"""From this growth on, a count of instructions is flagged."""

BUSY = 0.5
"""From this load average on, a machine is said not to have been idle."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement of every server: server -> samples."""

    measure: str
    unit: str
    digits: int
    by_server: Mapping[str, Series]


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
    ratios: Sequence[Ratio]
    figures: Sequence[Figure]
    instructions: Instructions | None


def as_json(results: Results) -> str:
    """Write the results for programs."""
    counted = results.instructions
    made: dict[str, Any] = {
        "taken": results.taken,
        "command": results.command,
        "plan": asdict(results.plan),
        "machine": asdict(results.machine),
        "versions": dict(results.versions),
        "ratios": [_ratio_json(each) for each in results.ratios],
        "figures": [
            {"measure": each.measure, "unit": each.unit, "server": server, **_series_json(series)}
            for each in results.figures
            for server, series in each.by_server.items()
        ],
        "instructions": counted and {**asdict(counted), "change": counted.change},
        "commands": list(_commands(results.plan)),
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _series_json(series: Series) -> dict[str, Any]:
    return {
        "median": series.median,
        "quartiles": series.quartiles,
        "spread": series.spread,
        "samples": series.samples,
    }


def _ratio_json(ratio: Ratio) -> dict[str, Any]:
    aim = None if ratio.aim is None else str(ratio.aim)
    said = {"measure": ratio.measure, "against": ratio.against, "aim": aim, "reached": ratio.verdict}
    return {**said, **_series_json(ratio.series)}


def as_markdown(results: Results) -> str:
    """Write the results for people."""
    parts = [_ratios(results), _figures(results), _counted(results), _machine(results), _how(results)]
    return "# Benchmarks\n\n" + "\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _spread(series: Series) -> str:
    return f"{series.spread:.1%}" + (" (too wide to rely on)" if series.wide else "")


def _ratios(results: Results) -> str:
    rows = [
        [
            each.measure,
            each.against,
            f"{each.series.median:.2f}",
            _spread(each.series),
            str(each.aim or "-"),
            each.verdict,
        ]
        for each in results.ratios
    ]
    intro = (
        f"Written by `{results.command}` on {results.taken}.\n"
        "The mock validates each request and each answer; the references validate nothing.\n"
        "A ratio is the mock's figure divided by the reference's of the same round; the table gives its median.\n"
        "Spread is the distance of the quartiles divided by the median; "
        f"above {WIDE:.0%} a figure is too noisy to rely on.\n"
        "An aim is called reached, or not, only if it lies outside the quartiles; "
        "of a figure that is too noisy, only if every round says the same.\n"
    )
    return intro + "\n" + _table(["measure", "compared with", "ratio", "spread", "aim", "reached"], rows)


def _figures(results: Results) -> str:
    servers = list(results.figures[0].by_server)
    rows = [
        [
            f"{each.measure}, {each.unit}",
            *(f"{series.median:,.{each.digits}f} ± {_spread(series)}" for series in each.by_server.values()),
        ]
        for each in results.figures
    ]
    text = "## Figures\n\nMedians of the rounds, with their spread. They hold for this machine only.\n\n"
    return text + _table(["measure", *servers], rows)


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
    lines = [
        "The mock is installed from a wheel of this tree into `.cache/bench/venv`, "
        "with the versions of `constraints.txt`, and started as a user starts it.",
        "plain Starlette: `benchmarks/reference.py`, an app with one route that parses the JSON and returns JSON.",
        "bare ASGI: a callable that returns a constant of the same length and reads nothing.",
        "All run on the same uvicorn with the same configuration, which is compared before the run.",
        f"Load: {plan.rounds} rounds; in each, every server in turn is started anew, "
        f"warmed up for {plan.warm} s and loaded for {plan.load} s.",
        "Before and after the load the answer is checked; a failed request, or answers of another length, end the run.",
        "Processor time is the server's user and system time during the load, divided by the requests.",
        "Peak memory is VmHWM after the load.",
        f"Start: {plan.starts} rounds, from the start of a new process to the first right answer, asked for every ms.",
        f"Instructions: those of {2 * plan.calls} requests less those of {plan.calls}, divided by {plan.calls}.",
    ]
    commands = "\n".join(_commands(plan))
    text = "\n".join(f"- {line}" for line in lines)
    return f"## How it is measured\n\n{text}\n\n```\n{commands}\n```\n\nThe request: `POST {PATH}` with `{BODY}`.\n"


def _commands(plan: Plan) -> Iterator[str]:
    """Give the commands that were run, with places relative to the project."""
    python, start = PYTHON.relative_to(ROOT), "import benchmark_reference; benchmark_reference.main()"
    yield f"{MOCKSERVER.relative_to(ROOT)} serve --port <port> --seed 0"
    yield f'{python} -c "{start}" plain <port>'
    yield f'{python} -c "{start}" bare <port> <answer>'
    yield " ".join(wrk_command(plan.load, "<script>", "<port>"))
    for count in (plan.calls, 2 * plan.calls):
        *command, body = callgrind_command(count, python, HANDLER.relative_to(ROOT))
        yield f"{' '.join(command)} '{body}'"


def summary(results: Results) -> str:
    """Say in the terminal what came out."""
    return "\n".join([_ratios(results), _figures(results), counted(results)])
