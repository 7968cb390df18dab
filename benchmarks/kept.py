"""The stores beside each other: title calls over a socket, sessions in memory, in a file, in Redis."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.children import Cores, Stop, child
from benchmarks.environment import PYTHON
from benchmarks.figures import Aim, Figure, Row, Section, divided, series
from benchmarks.measure import PATIENCE, Plan, Subject, beside, free_port, mock_with

MEMORY, SQLITE, REDIS = "memory", "SQLite", "Redis"
THIRD = Aim("at least", 0.33)


def stores(cores: Cores, plan: Plan) -> Section:
    """Measure all stores that this machine has."""
    servers = [mock_with(MEMORY), mock_with(SQLITE, "--store", "sqlite:///sessions.db")]
    missing = lacking()
    if missing:
        return _section(servers, cores, plan, [f"Redis was not measured: {missing}."])
    with redis_server(cores.load) as port:
        return _section([*servers, mock_with(REDIS, "--store", f"redis://127.0.0.1:{port}/0")], cores, plan, [])


def _section(servers: Sequence[Subject], cores: Cores, plan: Plan, notes: Sequence[str]) -> Section:
    found = beside("stores", servers, cores, plan)
    rates = {name: series([each.requests_per_second for each in slices]) for name, slices in found.items()}
    spent = {name: series([each.processor_us for each in slices]) for name, slices in found.items()}
    rows = [
        Row("throughput of title", f"{name} beside {MEMORY}", divided(rates[name], rates[MEMORY]), aim)
        for name, aim in ((SQLITE, THIRD), (REDIS, None))
        if name in rates
    ]
    figures = [
        Figure("throughput of title", "requests/s", 0, rates),
        Figure("processor time of title", "µs", 1, spent),
    ]
    return Section("Stores", rows, figures, _how(plan), list(_commands(servers)), notes)


def lacking() -> str:
    """Say what is missing for Redis to be measured; nothing if all is there."""
    if shutil.which("redis-server") is None:
        return "there is no redis-server on this machine"
    probe = subprocess.run([PYTHON, "-c", "import redis"], capture_output=True, check=False)
    return "Python's client of Redis is not installed" if probe.returncode else ""


@contextmanager
def redis_server(core: int) -> Iterator[int]:
    """Run a Redis that writes nothing to disk, on a free port, which is given."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        with child(["redis-server", *options], core, stdout=subprocess.DEVNULL) as process:
            deadline = time.perf_counter() + PATIENCE
            while process.poll() is None and time.perf_counter() < deadline:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                except ConnectionRefusedError:
                    time.sleep(0.01)
                    continue
                yield port
                return
            raise Stop("redis-server did not start")


def _how(plan: Plan) -> Sequence[str]:
    return [
        f"{plan.sides} rounds; in each a mock with each store is started anew, and they are loaded in turn "
        f"for a second, {plan.slices} times, by the load of the first section.",
        f"{SQLITE} has an empty file in the folder for temporary files; "
        f"{REDIS} keeps nothing on disk, and runs on the core of the load.",
    ]


def _commands(servers: Sequence[Subject]) -> Iterator[str]:
    yield ".cache/bench/venv/bin/mockserver serve --port <port> --seed 0 --store sqlite:///sessions.db"
    if len(servers) > 2:
        yield ".cache/bench/venv/bin/mockserver serve --port <port> --seed 0 --store redis://127.0.0.1:<redis>/0"
