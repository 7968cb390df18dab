"""What a test pays: a call, a fixture, the stop of a server, the plugin; beside what else there is for it."""

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.children import Cores, output, say
from benchmarks.environment import ROOT, peers_python
from benchmarks.figures import Aim, Figure, Row, Section, Series, divided, series
from benchmarks.measure import Plan
from benchmarks.peers_table import IN_TESTS

CALLS = ROOT / "benchmarks" / "calls.py"
NAME = "In tests"
OURS, STARLETTE = "mockserver", "httpx to Starlette"
ASYNC = "httpx, async"
OTHERS = ("respx", "pytest-httpserver")
PER_ROUND = 300

NOT_MORE = Aim("at most", 1.0)


def in_tests(cores: Cores, plan: Plan) -> Section:
    """Measure all of it."""
    python = peers_python()
    say("in tests: calls by each way")
    told = json.loads(output([python, "-P", CALLS, str(plan.rounds), str(PER_ROUND)], cores.server))
    found = {name: {way: series(samples) for way, samples in by_way.items()} for name, by_way in told.items()}
    plugin = _plugin(python, cores, plan)
    rows = [
        *(
            Row(f"time of a call, {by}", STARLETTE, divided(found[by][OURS], found[by][STARLETTE]), Aim("at most", 1.1))
            for by in (ASYNC, "official client, async")
        ),
        *(
            Row(f"time of a call, {by}", other, divided(found[by][OURS], found[by][other]), NOT_MORE)
            for by in ("httpx", "official client")
            for other in OTHERS
        ),
        Row("set-up and reset for a test, in process", "-", found["set-up in process"][OURS], Aim("at most", 1), "ms"),
        Row(
            "set-up and reset for a test, on a socket", "-", found["set-up on a socket"][OURS], Aim("at most", 3), "ms"
        ),
        Row("stop of the server", "-", found["stop"][OURS], Aim("at most", 100), "ms"),
        Row("what the unused plugin adds to a start of pytest", "-", plugin, Aim("at most", 5), "ms"),
    ]
    figures = [
        *(
            Figure(f"a call, {by}", "µs", 0, found[by])
            for by in (ASYNC, "official client, async", "httpx", "official client")
        ),
        Figure("stop of the server", "ms", 1, found["stop"]),
    ]
    return Section(NAME, rows, figures, _how(plan), list(_commands(plan, python)))


def _plugin(python: Path, cores: Cores, plan: Plan) -> Series:
    """Measure how much longer pytest takes to start and to collect nothing with the plugin than without it.

    Both are starts of a new process; a round is the difference of the fastest of some of each, in turn.
    """
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        (Path(folder) / "test_nothing.py").write_text("", "utf-8")
        base: list[str | Path] = [python, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", folder]

        def once(*options: str) -> float:
            began = time.perf_counter()
            output([*base, *options], cores.server, allowed=(0, 5))
            return (time.perf_counter() - began) * 1000

        samples = []
        for number in range(1, plan.rounds + 1):
            say(f"in tests: starts of pytest, round {number} of {plan.rounds}")
            pairs = [(once("-p", "no:mockserver"), once()) for _ in range(5)]
            samples.append(min(pair[1] for pair in pairs) - min(pair[0] for pair in pairs))
        return series(samples)


def _how(plan: Plan) -> Sequence[str]:
    peers = ", ".join(IN_TESTS)
    return [
        f"All ways in one process, in turn, {plan.rounds} rounds of {PER_ROUND} calls each; with {peers} "
        "from the package index.",
        f"{STARLETTE}: httpx's own ASGI transport to `benchmarks/reference.py`'s plain app, which validates nothing; "
        "it is async only, so only async calls are compared with it.",
        "respx and pytest-httpserver answer with a constant; the latter over a socket.",
        f"Set-up and reset: `open_mock` entered and left, as the fixture does, {10 * plan.rounds} times; "
        "on a socket: behind the one socket of a test run.",
        "Stop: the slower of a server that was never asked and one with a connection open.",
        "The plugin: new processes of pytest that collect an empty file, with it and with `-p no:mockserver`, in turn; "
        "a round is the difference of the fastest of five each.",
    ]


def _commands(plan: Plan, python: Path) -> Iterator[str]:
    yield f"{python.relative_to(ROOT)} -P {CALLS.relative_to(ROOT)} {plan.rounds} {PER_ROUND}"
    yield f"{python.relative_to(ROOT)} -m pytest -q --collect-only -p no:cacheprovider [-p no:mockserver] <folder>"
