"""Other tools beside the mock, on the same contract and the same call: how fast, and whether the answers are right."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from benchmarks.children import Cores
from benchmarks.figures import Aim, Figure, Row, Section, Series, Table, divided, series
from benchmarks.measure import TITLE, Load, Plan, wrk_command
from benchmarks.peers_documents import written
from benchmarks.peers_install import lacking
from benchmarks.peers_judge import BAD, PATIENCE, Judged
from benchmarks.peers_load import CONNECTIONS, GROUP, WARM, WARM_TOOL, Left, Measured, measure
from benchmarks.peers_servers import DOCUMENTS, MOCK, PLAIN, Peer, peers, shown
from benchmarks.peers_table import PACKAGES
from benchmarks.picture import ANSWERS, PLACE, SECTION

NAME = SECTION
USUAL, MANY = 16, 256
"""Connections at which the servers are compared first, and those that show who is late."""

THROUGHPUT, LATE = f"throughput, {USUAL} connections", f"99th percentile, {MANY} connections"
FASTER, SOONER = Aim("at least", 2.5), Aim("at most", 1.2)
REFUSALS, RATIOS, LEFT_OUT = "bad requests", "ratios", "left out"

_CONSTANT = json.dumps(
    {
        "session_id": "ses-abc123",
        "generated_title": TITLE,
        "last_updated_at": "2026-04-22T12:34:41.342245",
        "job_metadata": None,
        "index_ids": None,
    },
    separators=(",", ":"),
)
"""What the bare server answers: one of the mock's answers."""


def other_tools(cores: Cores, plan: Plan) -> Section:
    """Measure all that can be installed."""
    written(DOCUMENTS)
    everyone = peers(_CONSTANT)
    problems = {name: lacking(name) for name in PACKAGES}
    left = Left({each.name: why for each in everyone if (why := problems.get(each.package, ""))})
    found = measure(everyone, cores, plan, left)
    commands = [shown(each, _CONSTANT) for each in everyone if each.name in found]
    loads = [" ".join(wrk_command(1, "<script>", "<port>", each)) for each in CONNECTIONS]
    return Section(
        NAME,
        rows(found, [each.name for each in everyone if each.kind == "tool"]),
        figures(found),
        _how(plan),
        [*commands, *loads],
        notes=_notes(everyone, found, left),
        tables=[
            answers(found, {each.name: each.kind for each in everyone}),
            *_left_out(left),
            refusals(found),
            ratios(found),
        ],
    )


def rows(found: Mapping[str, Measured], tools: Sequence[str]) -> list[Row]:
    """Give what the mock does as a part of what each other does; first what it is to reach."""
    others = [name for name in found if name != MOCK]
    fastest = fastest_that_validates({name: found[name] for name in tools if name in found})
    made = [Row(THROUGHPUT, name, throughput_ratio(found[name], USUAL)) for name in others]
    if PLAIN in found:
        late = Row(LATE, PLAIN, _late_ratio(found[PLAIN], MANY), SOONER)
        made.insert(0, late)
    if fastest:
        against = f"{fastest}, the fastest that refuses bad requests"
        ratio = throughput_ratio(found[fastest], USUAL)
        made.insert(0, Row(THROUGHPUT, against, ratio, FASTER))
    return made


def fastest_that_validates(found: Mapping[str, Measured]) -> str:
    """Name the tool with the highest throughput among those that refuse what the contract forbids; empty for none."""
    able = {name: throughput(each, USUAL).median for name, each in found.items() if each.judged.validates}
    return max(able, key=lambda name: able[name], default="")


def throughput(measured: Measured, connections: int) -> Series:
    """Give the requests a second of each slice."""
    return series([_rate(each) for each in measured.loads[connections]])


def throughput_ratio(measured: Measured, connections: int) -> Series:
    """Divide the mock's throughput by that of another, pair by pair."""
    pairs = measured.pairs[connections]
    return divided(series([_rate(each.ours) for each in pairs]), series([_rate(each.theirs) for each in pairs]))


def _late_ratio(measured: Measured, connections: int) -> Series:
    pairs = measured.pairs[connections]
    return divided(series([each.ours.p99_ms for each in pairs]), series([each.theirs.p99_ms for each in pairs]))


def _rate(load: Load) -> float:
    return load.requests / load.seconds


def figures(found: Mapping[str, Measured]) -> list[Figure]:
    """Give what was measured of each server by itself."""

    def figure(name: str, unit: str, digits: int, of: Callable[[Measured], Series]) -> Figure:
        return Figure(name, unit, digits, {server: of(each) for server, each in found.items()})

    def late(connections: int, field: str) -> Callable[[Measured], Series]:
        return lambda each: series([getattr(load, field) for load in each.loads[connections]])

    return [
        *(
            figure(f"throughput, {_over(count)}", "requests/s", 0, partial(throughput, connections=count))
            for count in CONNECTIONS
        ),
        *(figure(f"median, {_over(count)}", "ms", 2, late(count, "p50_ms")) for count in CONNECTIONS),
        *(figure(f"99th percentile, {_over(count)}", "ms", 2, late(count, "p99_ms")) for count in CONNECTIONS),
        figure("start", "ms", 0, lambda each: series(each.starts)),
        figure("memory, idle", "MiB", 0, lambda each: series(each.idle)),
        figure("memory, under load", "MiB", 0, lambda each: series(each.busy)),
    ]


def _over(connections: int) -> str:
    return "1 connection" if connections == 1 else f"{connections} connections"


def ratios(found: Mapping[str, Measured]) -> Table:
    """Give the mock's figure divided by that of each other, in the pairs of the same round."""
    head = [f"{MOCK} divided by", *(f"throughput, {each}" for each in CONNECTIONS)]
    head += [f"99th percentile, {each}" for each in CONNECTIONS]
    lines = []
    for name, each in found.items():
        if name != MOCK:
            parts = [throughput_ratio(each, count) for count in CONNECTIONS]
            parts += [_late_ratio(each, count) for count in CONNECTIONS]
            lines.append([name, *(f"{part.median:.2f} ± {part.spread:.0%}" for part in parts)])
    return Table(RATIOS, head, lines)


def answers(found: Mapping[str, Measured], kinds: Mapping[str, str]) -> Table:
    """Say of each server whether its answers are right, and how many bad requests it refuses as it should."""
    head = ["server", "kind", "session id echoed", "title from the message", "allowed by the contract"]
    lines = [[name, kinds[name], *_judgements(each.judged)] for name, each in found.items()]
    return Table(ANSWERS, [*head, "right", "refused rightly"], lines)


def _judgements(judged: Judged) -> Sequence[str]:
    refused = f"{sum(each.well for each in judged.refusals.values())} of {len(judged.refusals)}"
    return [*map(_yes, (judged.echoes, judged.titled, judged.kept, judged.right)), refused]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def refusals(found: Mapping[str, Measured]) -> Table:
    """Say of each server what became of each bad request; what was refused rightly is marked."""
    head = ["server", *(each.name for each in BAD)]

    def cells(judged: Judged) -> list[str]:
        told = [judged.refusals[each.name] for each in BAD]
        return [f"{each.told} ✓" if each.well else each.told for each in told]

    return Table(REFUSALS, head, [[name, *cells(each.judged)] for name, each in found.items()])


def _left_out(left: Mapping[str, str]) -> list[Table]:
    return [Table(LEFT_OUT, ["LEFT OUT", "why"], [list(each) for each in left.items()])] if left else []


def _notes(everyone: Sequence[Peer], found: Mapping[str, Measured], left: Mapping[str, str]) -> list[str]:
    used = {PACKAGES[each.package].what for each in everyone if each.package and each.name in found}
    notes = [f"![Title calls a second, beside other tools]({PLACE})"]
    notes.append(f"Installed from their registries: {', '.join(sorted(used))}." if used else "")
    if left:
        notes.append(f"**LEFT OUT of the comparison: {', '.join(left)}**; the reasons stand below.")
    notes.append("A refusal marked ✓ is as the service's would be; how that is judged stands below.")
    return [note for note in notes if note]


def _how(plan: Plan) -> Sequence[str]:
    return [
        "Prism, Steady and Mockoon read the contract 2.6 as OpenAPI 3.1, connexion the same in the words of 3.0; "
        "WireMock has stubs by hand, which validate the body by the contract's schema and build the answer by "
        "templates. Their logs of requests are off; programs are started without the launchers of their packages.",
        "On granian, one worker serves the same apps as on uvicorn; these three show what another server would give.",
        "All servers are on one core with all their threads and processes, the load is on the other.",
        f"Starts: {plan.peer_starts} rounds, from a new process to the first answer with 200, asked for every ms.",
        f"Load: {plan.peer_sides} times all servers are started and warmed up, {WARM} s, the tools {WARM_TOOL}; "
        f"then {plan.peer_rounds} rounds, every other one backwards: "
        f"each is loaded for a second at {', '.join(map(str, CONNECTIONS))} connections, "
        f"and the mock again before every {GROUP} others. A ratio is of a server and the mock just before it.",
        "Memory is the resident memory of all processes of a server; what they share is counted for each.",
        "Right: two calls with different sessions and messages tell the session that was asked for and a title that "
        "begins as its message, and the answer is one that the contract allows.",
        f"Bad requests, each on a connection of its own and given {PATIENCE:g} s: refused rightly (✓) is 422 with the "
        "field named, in the form of the contract; for malformed JSON and bad UTF-8 any 4xx; "
        "for an unknown method 405 with Allow.",
    ]
