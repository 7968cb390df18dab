"""Two workers over one Redis beside one: what it costs that they share their sessions."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.children import Cores, Stop
from benchmarks.figures import Aim, Figure, Row, Section, divided, series
from benchmarks.growth_workers import on_every_core
from benchmarks.kept import lacking, redis_server
from benchmarks.measure import CONNECTIONS, Plan, Running, Subject, in_slices, mock_with, wrk
from benchmarks.processes import tree_seconds

NAME = "Two workers"
PROCESSOR = "processor time per request over Redis"
ONE, TWO = "one worker", "two workers"
SESSIONS = 1_000
SECONDS = 2
"""How long a slice of load lasts."""

SAME = Aim("at most", 1.15)


@dataclass(frozen=True, slots=True)
class Slice:
    """What the workers did in one slice of load."""

    requests_per_second: float
    processor_us: float
    """Processor time of all processes of the server for one request, in microseconds."""
    commands: float
    """Commands that Redis was sent for one request."""


def two_workers(cores: Cores, plan: Plan) -> Section:
    """Measure both, unless this machine has no Redis."""
    why = lacking()
    if why:
        return Section(NAME, [], [], [], notes=[f"**NOT MEASURED**: {why}."])
    rows: list[Row] = []
    figures: list[Figure] = []
    with redis_server(cores.load) as port:
        for where, servers in _places(port, cores).items():
            found = in_slices(f"two workers{where}", servers, cores, plan, partial(_slice, port))
            more = _figures(where, found)
            spent = more[0].by_server
            rows.append(
                Row(PROCESSOR + where, ONE, divided(spent[TWO], spent[ONE]), None if where else SAME),
            )
            figures += more
    return Section(NAME, rows, figures, _how(plan), _commands())


def _places(redis: int, cores: Cores) -> Mapping[str, Sequence[Subject]]:
    """Give the servers as they are usually placed, on all cores, and all on one."""
    servers = _subjects(redis)
    return {"": [on_every_core(each, cores) for each in servers], ", all on one core": servers}


def _figures(where: str, found: Mapping[str, Sequence[Slice]]) -> list[Figure]:
    def figure(name: str, unit: str, digits: int, field: str) -> Figure:
        samples = {server: series([getattr(each, field) for each in slices]) for server, slices in found.items()}
        return Figure(name + where, unit, digits, samples)

    return [
        figure(PROCESSOR, "µs", 1, "processor_us"),
        figure("commands to Redis per request", "commands", 2, "commands"),
        figure("throughput over Redis", "requests/s", 0, "requests_per_second"),
    ]


def _subjects(redis: int) -> Sequence[Subject]:
    """Give the two servers, each with a database of its own in Redis."""

    def subject(name: str, workers: int) -> Subject:
        store = f"redis://127.0.0.1:{redis}/{workers}"
        return mock_with(name, "--store", store, "--workers", str(workers), sessions=SESSIONS)

    return subject(ONE, 1), subject(TWO, 2)


def _slice(redis: int, subject: Subject, running: Running, cores: Cores, length: int) -> Slice:
    """Load one, and count what its processes and a Redis did meanwhile."""
    before, sent = tree_seconds(running.process.pid), commands_sent(redis)
    requests, seconds = wrk(subject, running.port, cores, SECONDS, length)
    spent, sent = tree_seconds(running.process.pid) - before, commands_sent(redis) - sent
    return Slice(requests / seconds, spent / requests * 1e6, sent / requests)


def commands_sent(port: int) -> int:
    """Ask a Redis how many commands it has got so far."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"INFO stats\r\nQUIT\r\n")
        told = b""
        while part := connection.recv(65536):
            told += part
    for line in told.splitlines():
        name, _, value = line.partition(b":")
        if name == b"total_commands_processed":
            return int(value)
    raise Stop("Redis did not say how many commands it has got")


def _how(plan: Plan) -> Sequence[str]:
    return [
        f"{plan.sides} rounds; in each a mock with one worker and one with two start anew on one Redis, in databases "
        f"of their own, and are loaded in turn for {SECONDS} s, {plan.slices} times, over {CONNECTIONS} connections; "
        f"each call names one of {SESSIONS:,} sessions, drawn by chance.",
        "The processes of the servers may use every core, as workers do; the load and Redis are on one of them. "
        "A second row has all processes of the servers on the other one.",
        "Processor time is that of all processes of a server together.",
    ]


def _commands() -> Sequence[str]:
    serve = ".cache/bench/venv/bin/mockserver serve --port <port> --seed 0 --store redis://127.0.0.1:<redis>"
    return [f"{serve}/{workers} --workers {workers}" for workers in (1, 2)]
