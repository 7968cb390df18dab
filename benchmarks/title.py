"""The title call beside servers that validate nothing: throughput, processor time, start, memory."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.children import Cores, say
from benchmarks.environment import MOCKSERVER, PYTHON, ROOT
from benchmarks.figures import Aim, Figure, Row, Section, Series, divided, series
from benchmarks.many import asked, holding, told
from benchmarks.measure import Loaded, Plan, first_answer, in_turn, loaded, serving, start_time, subjects, wrk_command

NAME = "The title call"
OURS, PLAIN, BARE = "mockserver", "plain Starlette", "bare ASGI"
THROUGHPUT, PROCESSOR, START, MEMORY = "throughput", "processor time per request", "start", "peak memory"
HANDLER = "processor time in the Handler alone"
APP = "processor time in the ASGI application alone"
CALLS = 400
"""Calls of one batch in the Handler."""

AIMS = (
    (THROUGHPUT, PLAIN, Aim("at least", 1.2)),
    (THROUGHPUT, BARE, Aim("at least", 0.6)),
    (PROCESSOR, PLAIN, None),
    (PROCESSOR, BARE, None),
    (START, PLAIN, Aim("at most", 1.4)),
    (MEMORY, PLAIN, Aim("at most", 1.5)),
)
"""The ratios that are reported, with what is aimed at."""


def title(cores: Cores, plan: Plan) -> Section:
    """Measure all of it."""
    servers = subjects(_constant(cores))
    in_turn("start, not counted", servers, 1, lambda each: start_time(each, cores))
    starts = in_turn("start", servers, plan.starts, lambda each: start_time(each, cores))
    loads = in_turn("load", servers, plan.rounds, lambda each: loaded(each, cores, plan))
    figures = _figures(starts, loads)
    inside = [Figure(name, "µs", 1, {OURS: found}) for name, found in _alone(cores, plan).items()]
    return Section(NAME, _rows(figures), [*figures, *inside], _how(plan), list(_commands(plan)))


def _alone(cores: Cores, plan: Plan) -> Mapping[str, Series]:
    """Time the same call in the Handler and in the application, in turn, without a server; in microseconds."""
    say(f"in the Handler and in the application: {plan.rounds} batches")
    places = {HANDLER: "handler", APP: "app"}
    found: dict[str, list[float]] = {name: [] for name in places}
    with holding("title", 1, cores.server) as process:
        told(process)
        for _ in range(plan.rounds + 1):
            for name, place in places.items():
                found[name].append(asked(process, f"{place} title {CALLS}") * 1e6)
    return {name: series(samples[1:]) for name, samples in found.items()}  # the first one is not counted


def _constant(cores: Cores) -> str:
    """Give an answer of the mock, for the bare server to repeat."""
    mock = subjects("")[0]
    with serving(mock, cores) as running:
        return first_answer(mock.name, running).body.decode()


def _figures(starts: dict[str, list[float]], loads: dict[str, list[Loaded]]) -> tuple[Figure, ...]:
    rates = {name: series([each.requests_per_second for each in found]) for name, found in loads.items()}
    times = {name: series([each.processor_us for each in found]) for name, found in loads.items()}
    peaks = {name: series([each.peak_kib / 1024 for each in found]) for name, found in loads.items()}
    return (
        Figure(THROUGHPUT, "requests/s", 0, rates),
        Figure(PROCESSOR, "µs", 1, times),
        Figure(START, "ms", 0, {name: series(found) for name, found in starts.items()}),
        Figure(MEMORY, "MiB", 1, peaks),
    )


def _rows(figures: Sequence[Figure]) -> tuple[Row, ...]:
    by_measure: dict[str, Mapping[str, Series]] = {each.measure: each.by_server for each in figures}
    return tuple(
        Row(measure, against, divided(by_measure[measure][OURS], by_measure[measure][against]), aim)
        for measure, against, aim in AIMS
    )


def _how(plan: Plan) -> Sequence[str]:
    return [
        "plain Starlette: `benchmarks/reference.py`, an app with one route that parses the JSON and returns JSON.",
        "bare ASGI: a callable that returns a constant of the same length and reads nothing.",
        f"Load: {plan.rounds} rounds; in each, every server in turn is started anew, "
        f"warmed up for {plan.warm} s and loaded for {plan.load} s.",
        "Before and after the load the answer is checked; a failed request, or answers of another length, end the run.",
        "Processor time is the server's user and system time during the load, divided by the requests.",
        "Peak memory is VmHWM after the load.",
        f"Start: {plan.starts} rounds, from the start of a new process to the first right answer, asked for every ms.",
        f"In the Handler and in the application alone: {plan.rounds} batches of {CALLS} title calls each, in turn, "
        "in one process without a server, while the other core is idle: all takes less time there than under load.",
    ]


def _commands(plan: Plan) -> Iterator[str]:
    python, start = PYTHON.relative_to(ROOT), "import benchmark_reference; benchmark_reference.main()"
    yield f"{MOCKSERVER.relative_to(ROOT)} serve --port <port> --seed 0"
    yield f'{python} -c "{start}" plain <port>'
    yield f'{python} -c "{start}" bare <port> <answer>'
    yield " ".join(wrk_command(plan.load, "<script>", "<port>"))
