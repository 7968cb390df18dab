"""How figures grow with workers, sessions, the journal, the contract and streams at once: curves, and their orders."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from benchmarks.children import Cores
from benchmarks.environment import PYTHON, ROOT
from benchmarks.figures import Figure, Row, Section, Series, Table, divided
from benchmarks.growth_curves import (
    FOLLOWED,
    JOURNALS,
    OPERATIONS,
    TITLED,
    UNCOUNTED,
    Curve,
    journal,
    operations,
    sessions,
    streams,
)
from benchmarks.growth_fit import BETTER, ORDERS, STEADY, Fit, fitted
from benchmarks.growth_workers import SLICES, workers
from benchmarks.many import CALLS, INSIDE
from benchmarks.measure import Plan
from benchmarks.svg import Chart, Line, page

SHARED = 0.9
"""From this slope on, workers are said to share the work."""

PICTURE = "docs/benchmarks/growth.svg"


def growth(cores: Cores, plan: Plan) -> Section:
    """Measure all of it."""
    curves = [curve for part in (workers, sessions, journal, operations, streams) for curve in part(cores, plan)]
    fits = [_fit(each) for each in curves]
    return Section(
        "Growth",
        [_row(each) for each in curves],
        [Figure(_called(each), each.unit, each.digits, _by_size(each)) for each in curves],
        _how(plan),
        list(_commands()),
        notes=[f"![Figures at growing sizes]({PICTURE})"],
        tables=[orders(curves, fits)],
        pictures={PICTURE: page(charts(curves, fits), "How figures grow with what there is; the tables say the same.")},
    )


def _fit(curve: Curve) -> Fit:
    """Fit a curve; its figure at 0, where there is one, stands outside."""
    noise = median(found.spread for found in curve.points.values())
    fit = fitted({float(size): found.median for size, found in curve.points.items() if size}, noise)
    return replace(fit, order="-") if curve.unit == "requests/s" else fit


def _called(curve: Curve) -> str:
    return f"{curve.chart}: {curve.line}"


def _by_size(curve: Curve) -> dict[str, Series]:
    return {f"{size:,} {_counted(size, curve.over)}": found for size, found in curve.points.items()}


def _counted(size: int, over: str) -> str:
    """Name what grows, of one and of many."""
    name, rest = over.partition(" ")[::2]
    return " ".join(filter(None, (name.removesuffix("s") if size == 1 else name, rest)))


def _row(curve: Curve) -> Row:
    least, most = min(curve.points), max(curve.points)
    ratio = divided(curve.points[most], curve.points[least])
    return Row(_called(curve), f"{most:,} {curve.over} beside {least:,}", ratio)


def orders(curves: Sequence[Curve], fits: Sequence[Fit]) -> Table:
    """Tell what was fitted; where a figure is flat, nothing has to be explained."""
    return Table(
        "Order of growth",
        ("curve", "sizes", "slope", "order", "residual", "why"),
        [_told(curve, fit) for curve, fit in zip(curves, fits, strict=True)],
    )


def _told(curve: Curve, fit: Fit) -> Sequence[str]:
    sizes = [size for size in curve.points if size]
    return (
        _called(curve),
        f"{min(sizes):,} to {max(sizes):,} {curve.over}",
        f"{fit.exponent:+.2f}",
        fit.order,
        f"{fit.residual:.1%}" if len(sizes) > 2 else "-",
        curve.why if _falls_short(curve, fit) else "",
    )


def _falls_short(curve: Curve, fit: Fit) -> bool:
    """Say whether a throughput grows less, or a cost more, than it should: workers should share the work."""
    if curve.unit == "requests/s":
        return fit.exponent < (SHARED if curve.over == "workers" else -STEADY)
    return fit.order != "O(1)" and fit.growth > 1 + STEADY


def charts(curves: Sequence[Curve], fits: Sequence[Fit]) -> list[Chart]:
    """Put the curves of one chart together, with what was fitted."""
    by_chart: dict[str, list[tuple[Curve, Fit]]] = {}
    for curve, fit in zip(curves, fits, strict=True):
        by_chart.setdefault(curve.chart, []).append((curve, fit))
    return [
        Chart(
            name,
            found[0][0].over,
            found[0][0].unit,
            [Line(curve.line, _medians(curve), _noted(fit)) for curve, fit in found],
        )
        for name, found in by_chart.items()
    ]


def _medians(curve: Curve) -> list[tuple[float, float]]:
    return [(size, found.median) for size, found in curve.points.items()]


def _noted(fit: Fit) -> str:
    """Say in a few words how a curve grows."""
    order = f"slope {fit.exponent:.2f}" if fit.order == "-" else fit.order
    return f"{order}, {fit.growth:.2f} times from first to last"


def _how(plan: Plan) -> Sequence[str]:
    return [
        "A figure is fitted, by least squares of the relative distances, with a constant and one of "
        f"{', '.join(ORDERS)}; one is believed where it leaves at most {BETTER:.0%} of the residual of "
        f"a simpler one, which must be above {STEADY:.0%} and above the usual spread. "
        "The residual is the root mean square of the distances. The slope is that of the logarithms. "
        "A size of 0 is left out.",
        f"Workers: {plan.sides} rounds; in each, so many workers are started anew on an empty store and loaded "
        f"{SLICES} times for a second. They may use all cores, the load (and Redis) only the last one. "
        "Memory is PSS: what a worker shares with others is counted in parts.",
        f"Sessions: a process for each size, all on one core, are asked in turn, {plan.batches} times after "
        f"{UNCOUNTED} that are not counted, for {CALLS['title']} title calls of sessions drawn by chance; "
        "the time is processor time.",
        f"Journal: mocks with each `--journal-size` are loaded until it is full, then in turn, {plan.slices} times for "
        f"a second; in process as for sessions, after {TITLED:,} title calls.",
        f"Operations: the contract of 2.6 with copies of its title call at paths of their own; {plan.sides} starts "
        f"and {plan.slices} seconds of load each, in turn. Memory is VmHWM after the first answer.",
        f"Streams: {plan.sides} rounds; for each number a server anew, and {FOLLOWED:,} turns in all, each of a new "
        "session, all of them whole and in order. Memory is VmHWM.",
    ]


def _commands() -> Iterator[str]:
    serve = ".cache/bench/venv/bin/mockserver serve --port <port> --seed 0"
    yield f"{serve} --store sqlite:///sessions.db --workers <workers>"
    yield f"{PYTHON.relative_to(ROOT)} -P {INSIDE.relative_to(ROOT)} hold create <sessions> 0"
    yield f"{serve} --journal-size <{'|'.join(map(str, JOURNALS))}>"
    yield f"{PYTHON.relative_to(ROOT)} -P {INSIDE.relative_to(ROOT)} hold title {TITLED} 0 <journal size>"
    yield f"{serve} --contract <contract with {', '.join(map(str, OPERATIONS))} operations>"
