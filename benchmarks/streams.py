"""Streamed turns beside an app that streams constant events: the first event, and many streams at once."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from benchmarks.children import Cores, Stop, processor_seconds, say
from benchmarks.environment import PYTHON
from benchmarks.figures import Aim, Figure, Row, Section, divided, series
from benchmarks.listening import Told, connected, follow, follow_all, in_order
from benchmarks.measure import PATIENCE, Plan, Running, Subject, first_answer, mock_with, serving

MOCK, PLAIN = "mockserver", "plain Starlette"
CROWD = 500
RATE = 50
"""Events a second of each stream, where they are paced."""

SOON = Aim("at most", 5.0)
ALL = Aim("at least", CROWD)


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many streams at once went."""

    whole: int
    """How many were complete and in order."""
    seconds: float
    """From the first request to the last end."""
    events: int
    processor_seconds: float
    """Processor time of the server."""
    late_ms: float
    """How much later than it should the latest of a hundred ended, where they are paced."""


def streams(cores: Cores, plan: Plan) -> Section:
    """Measure all of it."""
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        events = Path(folder) / "events.json"
        events.write_text(json.dumps(_usual_turn(cores)), "utf-8")
        firsts = _firsts(_servers(events, 0), cores, plan)
        crowds = {rate: _crowds(_servers(events, rate), rate, cores, plan) for rate in (0, RATE)}
    rows, figures = _first_rows(firsts)
    for rate, found in crowds.items():
        more_rows, more_figures = _crowd_rows(rate, found)
        rows, figures = [*rows, *more_rows], [*figures, *more_figures]
    return Section("Streams", rows, figures, _how(plan), list(_commands()))


def _servers(events: Path, rate: int) -> tuple[Subject, Subject]:
    start = "import benchmark_reference; benchmark_reference.main()"

    def plain(port: int) -> list[str | Path]:
        return [PYTHON, "-c", start, "streaming", str(port), events, str(rate)]

    return mock_with(MOCK, "--stream-rate", str(rate)), Subject(PLAIN, plain)


def _usual_turn(cores: Cores) -> list[str]:
    """Give the events of a turn that is as long as most, for the other server to repeat."""
    mock = mock_with(MOCK)
    with serving(mock, cores) as running:
        first_answer(MOCK, running)
        with connected(running.port) as connection:
            turns = sorted((follow(connection, f"ses-{number}").events() for number in range(51)), key=len)
    return [event + "\n\n" for event in turns[len(turns) // 2]]


def _ready(subject: Subject, running: Running) -> None:
    """Wait until a server listens, and follow one stream, which is not counted."""
    if subject.name == MOCK:
        first_answer(MOCK, running)
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline and running.process.poll() is None:
        try:
            with connected(running.port) as connection:
                follow(connection, "ses-first")
            return
        except ConnectionRefusedError:
            time.sleep(0.002)
    raise Stop(f"{subject.name} does not stream")


def _side_by_side(
    what: str, servers: Sequence[Subject], cores: Cores, rounds: int, one: Callable[[Mapping[str, Running], int], None]
) -> None:
    """Start all servers anew in each round, and measure once all of them run."""
    for number in range(1, rounds + 1):
        say(f"{what}: round {number} of {rounds}")
        with ExitStack() as stack:
            running = {each.name: stack.enter_context(serving(each, cores)) for each in servers}
            for each in servers:
                _ready(each, running[each.name])
            one(running, number)


def _firsts(servers: Sequence[Subject], cores: Cores, plan: Plan) -> dict[str, list[list[float]]]:
    """Follow turns one after the other, at the servers in turn; give the ms to each first event, by rounds."""
    found: dict[str, list[list[float]]] = {each.name: [] for each in servers}

    def one(running: Mapping[str, Running], _: int) -> None:
        with ExitStack() as stack:
            lines = {name: stack.enter_context(connected(each.port)) for name, each in running.items()}
            times: dict[str, list[float]] = {name: [] for name in lines}
            for turn in range(-10, plan.turns):
                for name, connection in lines.items():
                    told = follow(connection, f"ses-{turn:06d}")
                    if turn >= 0:
                        times[name].append((told.first - told.began) * 1000)
            for name, each in times.items():
                found[name].append(each)

    _side_by_side("first event", servers, cores, plan.crowds, one)
    return found


def _crowds(servers: Sequence[Subject], rate: int, cores: Cores, plan: Plan) -> dict[str, list[Crowd]]:
    """Follow many streams at once, at the servers in turn."""
    found: dict[str, list[Crowd]] = {each.name: [] for each in servers}
    constant: list[str] = []

    def one(running: Mapping[str, Running], number: int) -> None:
        for name in sorted(running, reverse=number % 2 == 0):
            before = processor_seconds(running[name].process.pid)
            told = follow_all(running[name].port, [f"ses-{number:02d}{each:04d}" for each in range(CROWD)])
            spent = processor_seconds(running[name].process.pid) - before
            if name == PLAIN and not constant:
                constant.extend(told[0].events())
            found[name].append(_crowd(told, spent, rate, constant if name == PLAIN else None))

    _side_by_side(f"{CROWD} streams, {rate or 'no'} events a second set", servers, cores, plan.crowds, one)
    return found


def _crowd(told: Sequence[Told], spent: float, rate: int, expected: Sequence[str] | None) -> Crowd:
    turns = [each.events() for each in told]
    whole = sum(in_order(each) and expected in (None, each) for each in turns)
    seconds = max(each.ended for each in told) - min(each.began for each in told)
    late = [
        each.ended - each.began - (len(turn) - 1) / rate if rate else 0.0
        for each, turn in zip(told, turns, strict=True)
    ]
    return Crowd(whole, seconds, sum(map(len, turns)), spent, quantiles(late, n=100, method="inclusive")[98] * 1000)


def _first_rows(firsts: Mapping[str, Sequence[Sequence[float]]]) -> tuple[list[Row], list[Figure]]:
    usual = {name: series([median(each) for each in rounds]) for name, rounds in firsts.items()}
    slow = {
        name: series([quantiles(each, n=100, method="inclusive")[98] for each in rounds])
        for name, rounds in firsts.items()
    }
    rows = [
        Row("first event after the request, median", "-", usual[MOCK], SOON, "ms"),
        Row("first event after the request, 99th percentile", "-", slow[MOCK], SOON, "ms"),
        Row("first event, median", PLAIN, divided(usual[MOCK], usual[PLAIN])),
        Row("first event, 99th percentile", PLAIN, divided(slow[MOCK], slow[PLAIN])),
    ]
    figures = [
        Figure("first event, median", "ms", 2, usual),
        Figure("first event, 99th percentile", "ms", 2, slow),
    ]
    return rows, figures


def _crowd_rows(rate: int, found: Mapping[str, Sequence[Crowd]]) -> tuple[list[Row], list[Figure]]:
    name = f"{CROWD} streams at once, " + (f"{rate} events/s each" if rate else "as fast as can be")
    lasting = {server: series([each.seconds * 1000 for each in crowds]) for server, crowds in found.items()}
    paced = {server: series([each.seconds / each.events * 1e6 for each in crowds]) for server, crowds in found.items()}
    spent = {
        server: series([each.processor_seconds / each.events * 1e6 for each in crowds])
        for server, crowds in found.items()
    }
    late = {server: series([each.late_ms for each in crowds]) for server, crowds in found.items()}
    whole = series([float(each.whole) for each in found[MOCK]])
    rows = [Row(f"{name}: complete and in order", "-", whole, ALL, "streams", 0)]
    figures = [Figure(f"{name}: until all have ended", "ms", 0, lasting)]
    if rate:
        rows.append(Row(f"{name}: lateness of the end, 99th percentile", PLAIN, divided(late[MOCK], late[PLAIN])))
        figures.append(Figure(f"{name}: lateness of the end, 99th percentile", "ms", 0, late))
    else:
        rows.append(Row(f"{name}: time per event", PLAIN, divided(paced[MOCK], paced[PLAIN])))
        figures.append(Figure(f"{name}: time per event", "µs", 1, paced))
    rows.append(Row(f"{name}: processor time per event", PLAIN, divided(spent[MOCK], spent[PLAIN])))
    figures.append(Figure(f"{name}: processor time per event", "µs", 1, spent))
    return rows, figures


def _how(plan: Plan) -> Sequence[str]:
    return [
        "plain Starlette: an app with one route that parses the JSON and gives a StreamingResponse of constant events, "
        "those of one turn of the mock that is as long as most.",
        f"First event: {plan.crowds} rounds; in each, {plan.turns} turns one after the other at each server, by turns, "
        "on connections that stay open, each of a new session; "
        "from the sending of the request to the arrival of `event:`.",
        f"{CROWD} streams at once: {plan.crowds} rounds; the connections are open, the requests are sent in one go, "
        "each of a new session; from the first request to the last end. "
        "The server has one core, the client the other.",
        "In order is a turn whose pieces add up to the texts after them, and that ends with its one stop; "
        "a stream of the plain app, if it is equal to the others.",
        "Lateness is the time from the request to the end of a stream, less that of its pauses.",
    ]


def _commands() -> Iterator[str]:
    yield f".cache/bench/venv/bin/mockserver serve --port <port> --seed 0 --stream-rate {RATE}"
    start = "import benchmark_reference; benchmark_reference.main()"
    yield f'.cache/bench/venv/bin/python -c "{start}" streaming <port> <events> {RATE}'
