"""The check, measured: how fast it asks, how many planted faults it sees, and what Schemathesis sees of the same."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import schemathesis
from benchmarks.children import Cores, output, say
from benchmarks.environment import MOCKSERVER, PYTHON, ROOT
from benchmarks.figures import Aim, Figure, Row, Section, divided, series
from benchmarks.measure import Plan, first_answer, mock_with, serving
from mockserver.check.mutants.run import BROKEN, ODD

CASES = 2_000
OURS, OTHER = "mockserver check", f"Schemathesis {schemathesis.VERSION}"
CLIENTS = ROOT / ".cache" / "clients"

_IN_PROCESS = """\
import json, sys, time
from mockserver.check.provider.command import contracts_of
from mockserver.check.provider.command import placed
from mockserver.check.provider.run import Options
from mockserver.check.provider.run import check
from mockserver.check.target import of_handler
from mockserver.engine import Mock
from mockserver.engine import read_contracts
from mockserver.settings import Settings

began = time.perf_counter()
with of_handler(Mock(Settings(seed=0)).handle, 5.0) as target:
    report = check(target, placed(read_contracts("auto")), Options(examples=int(sys.argv[1])))
print(json.dumps({**report.figures, "problems": len(report.errors), "seconds": time.perf_counter() - began}))
"""


def checking(cores: Cores, plan: Plan) -> Section:
    """Measure all of it; in a quick run a part of the catalogue, and no matrix."""
    rounds = 5 if plan.counted else 2
    loopback = [_loopback(cores, number, rounds) for number in range(1, rounds + 1)]
    inside = [_inside(cores) for _ in range(rounds)]
    rows = [
        Row(f"{CASES:,} cases, on loopback", "-", series(loopback), Aim("at most", 20), "s", 1),
        Row(f"{CASES:,} cases, in process", "-", series(inside), Aim("at most", 10), "s", 1),
    ]
    step = 1 if plan.counted else 12
    found, figures = _catalogue(step)
    rows += found
    if plan.counted:
        rows.append(Row("the matrix of all releases, environments cached", "-", _matrix(), Aim("at most", 180), "s", 0))
    return Section("The check", rows, figures, _how(rounds, step), _commands())


def _loopback(cores: Cores, number: int, rounds: int) -> float:
    """Check a served mock by the command; give the seconds that 2,000 cases would take."""
    say(f"check on loopback: round {number} of {rounds}")
    mock = mock_with("mockserver")
    with serving(mock, cores) as running:
        first_answer(mock.name, running)
        command: list[str | Path] = [
            MOCKSERVER,
            "check",
            f"http://127.0.0.1:{running.port}",
            "--examples",
            "1000",
            "--quiet",
        ]
        figures = _figures(output([*command, "--report", "json"], cores.load))
    return float(figures["seconds"]) / float(figures["cases"]) * CASES


def _inside(cores: Cores) -> float:
    """Check a Handler in one process; give the seconds that 2,000 cases would take."""
    told = json.loads(output([PYTHON, "-c", _IN_PROCESS, "1000"], cores.load).splitlines()[-1])
    if told["problems"]:
        raise RuntimeError(f"the check accuses the mock: {told}")
    return float(told["seconds"]) / float(told["cases"]) * CASES


def _figures(text: str) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(text)["figures"]
    return figures


def _catalogue(step: int) -> tuple[list[Row], list[Figure]]:
    """Let both look at every server of the catalogue, or at every so many-th."""
    broken, odd = BROKEN[::step], ODD[::step]
    say(f"mutants: {len(broken)} and {len(odd)} servers")
    with _all_cores():
        names = [each.name for each in (*broken, *odd)] if step > 1 else []
        ours = _figures(output([MOCKSERVER, "mutants", *names, "--quiet", "--report", "json"], allowed=(0, 1)))
    theirs = schemathesis.judged((*broken, *odd))
    killed, alarms = theirs[: len(broken)], theirs[len(broken) :]
    scores = {
        OURS: (ours["killed"] / len(broken), ours["false alarms"], ours["seconds"]),
        OTHER: (
            sum(each.found for each in killed) / len(broken),
            sum(each.found for each in alarms),
            sum(each.seconds for each in theirs),
        ),
    }
    rows = [
        Row("planted faults seen", "-", series([scores[OURS][0] * 100]), Aim("at least", 100), "%", 1),
        Row("servers that only look odd, accused", "-", series([scores[OURS][1]]), Aim("at most", 0), "servers", 0),
        Row("the whole catalogue", "-", series([scores[OURS][2]]), Aim("at most", 180), "s", 0),
        Row("time for a server", OTHER, divided(*(series([scores[each][2]]) for each in (OURS, OTHER)))),
    ]
    texts = (("planted faults seen", "%", 1, 100), ("servers that only look odd, accused", "servers", 0, 1))
    figures = [
        *(
            Figure(text, unit, digits, {name: series([score[at] * by]) for name, score in scores.items()})
            for at, (text, unit, digits, by) in enumerate(texts)
        ),
        Figure("servers one after the other", "s", 0, {name: series([score[2]]) for name, score in scores.items()}),
    ]
    return rows, [*figures, *_missed([each.name for each in killed if not each.found])]


def _missed(names: Sequence[str]) -> Iterator[Figure]:
    """Say what Schemathesis did not see, for whoever wants to look."""
    say(f"not seen by Schemathesis: {', '.join(names) or 'nothing'}")
    yield Figure("planted faults that it alone misses", "servers", 0, {OURS: series([0]), OTHER: series([len(names)])})


def _matrix() -> Any:
    """Run the matrix twice: the first makes what environments are missing, the second is timed."""
    seconds: list[float] = []
    with _all_cores():
        for text in ("environments", "timed"):
            say(f"matrix: {text}")
            command: list[str | Path] = [MOCKSERVER, "matrix", "--cache", CLIENTS, "--quiet", "--report", "json"]
            seconds.append(float(_figures(output(command))["seconds"]))
    return series(seconds[1:])


@contextmanager
def _all_cores() -> Iterator[None]:
    """Let what is started use every core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _how(rounds: int, step: int) -> list[str]:
    part = "" if step == 1 else f" In this run only every {step}th server of it."
    return [
        f"Cases: {rounds} rounds of the check with 1,000 drawn requests, scaled to {CASES:,} cases; "
        "on loopback the server has one core and the check the other.",
        f"The catalogue: {len(BROKEN)} servers that break the contract in one way each, {len(ODD)} that look odd and "
        f"are right.{part} Ours looks at them in one process, with the mock as it is by default.",
        "Schemathesis runs as its command, with all its checks, from the contract of the era, until its first failure "
        f"or for {schemathesis.LONGEST} s; each server is on a socket and begins anew, as strict as it expects "
        f"(unknown sessions are 404, one key is right, `--strict`); {schemathesis.AT_ONCE} run at once. "
        "Time is that of all runs, as if one after the other.",
        "Each sees the catalogue that was made for ours: what Schemathesis misses is mostly state and meaning, which a "
        "generic checker cannot know.",
    ]


def _commands() -> list[str]:
    checker = MOCKSERVER.relative_to(ROOT)
    st = schemathesis.COMMAND.relative_to(ROOT)
    told = " ".join(schemathesis.arguments("2.6", "http://127.0.0.1:<port>", schemathesis.LONGEST))
    return [
        f"{checker} check http://127.0.0.1:<port> --examples 1000 --quiet --report json",
        f"{checker} mutants --quiet --report json",
        f"{st} {told.replace(str(ROOT) + '/', '')}",
        f"{checker} matrix --cache {CLIENTS.relative_to(ROOT)} --quiet --report json",
    ]
