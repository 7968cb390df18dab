"""Counts what a mock answers, for Prometheus; loaded only where that is wanted."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec import structs
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from mockserver.api import Draft
from mockserver.clock import stopwatch
from mockserver.contract.router import Match
from mockserver.control.admin import ControlResponse
from mockserver.engine import Mock, Served
from mockserver.journal.exchange import Entry
from mockserver.messages import Json, Request, Response, Stream
from mockserver.settings import Settings
from mockserver.stub.rules import Taken

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which several workers count together."""

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The bounds of the durations, in seconds: most answers take less than a millisecond."""

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"))
"""The methods that are told apart; a client may send any word."""

_CALL = ("operation", "method")

_join: Callable[[CollectorRegistry, str], object] = MultiProcessCollector
_mark_dead: Callable[[int, str], object] = mark_process_dead


class Meter:
    """What is counted. Labels come of the contract and of fixed lists, never of a client's words."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "mockserver_requests",
            "Requests, by whose fault it is if something was wrong (as X-Mock-Fault).",
            (*_CALL, "status", "source", "fault"),
            registry=registry,
        )
        self._damage = Counter(
            "mockserver_faults", "Answers damaged on purpose by a stub.", ("operation", "kind"), registry=registry
        )
        self._seconds = Histogram(
            "mockserver_request_duration_seconds",
            "Seconds until an answer is made; pauses that a stub asks for come after it.",
            _CALL,
            registry=registry,
            buckets=BUCKETS,
        )
        self._received = Counter("mockserver_request_bytes", "Bytes of request bodies.", _CALL, registry=registry)
        self._sent = Counter("mockserver_response_bytes", "Bytes of answers' bodies.", _CALL, registry=registry)
        self._streams = Gauge(
            "mockserver_streams_open", "Streams being sent.", registry=registry, multiprocess_mode="livesum"
        )

    def count(
        self, request: Request, match: Match, response: Response, faults: Iterable[Json], seconds: float | None
    ) -> Response:
        """Count an exchange; return the answer, whose stream counts itself when it is closed."""
        operation = "" if match.operation is None else match.operation.id
        call = operation, request.method if request.method in METHODS else "other"
        fault = response.findings[0].fault if response.findings else ""
        self._requests.labels(*call, response.status, response.source, fault).inc()
        for each in faults:
            self._damage.labels(operation, each if isinstance(each, str) else next(iter(each), "")).inc()
        if seconds is not None:
            self._seconds.labels(*call).observe(seconds)
        self._received.labels(*call).inc(len(request.body))
        sent = self._sent.labels(*call)
        if response.stream is None:
            sent.inc(len(response.body))
            return response
        self._streams.inc()
        return structs.replace(response, stream=self._counted(response.stream, sent))

    def _counted(self, stream: Stream, sent: Counter) -> Stream:
        def close(count: int) -> bytes:
            self._streams.dec()
            last = stream.close(count)
            sent.inc(sum(len(chunk.data) for chunk in stream.chunks[:count]) + len(last))
            return last

        return stream._replace(close=close)


class MeteredMock(Mock):
    """A mock that counts what it answers."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.meter, self._running = Meter(), threading.local()

    def handle(self, request: Request) -> Response:
        """Answer a request, and take the time."""
        self._running.since = stopwatch()
        return super().handle(request)

    def _finish(
        self, served: Served, request: Request, match: Match, draft: Draft, taken: Taken | None, at: int
    ) -> Response:
        response = super()._finish(served, request, match, draft, taken, at)
        since, self._running.since = getattr(self._running, "since", None), None
        faults = () if taken is None or response.source == "mock" else taken.faults
        return self.meter.count(request, match, response, faults, None if since is None else stopwatch() - since)

    def record(self, entry: Entry) -> None:
        """Record an exchange that was answered elsewhere, and count it."""
        super().record(entry)
        self.meter.count(entry.request, entry.match, entry.response, entry.faults, None)


class _Sizes(Collector):
    """What the store keeps, looked at when it is asked for."""

    def __init__(self, mock: Mock) -> None:
        self._mock = mock

    def collect(self) -> Iterator[GaugeMetricFamily]:
        store = self._mock.store
        active = store.active_scopes()
        yield GaugeMetricFamily("mockserver_records", "Records that are kept.", len(store))
        yield GaugeMetricFamily("mockserver_scopes", "Scopes that keep records.", len(store.scopes()))
        stubs = sum(len(store.stubs(scope)) for scope in active)
        yield GaugeMetricFamily("mockserver_stubs", "Stubs that were created.", stubs)
        if not store.shared_log:  # a database would have to read all of them to count them
            entries = sum(len(store.entries(scope)) for scope in active)
            yield GaugeMetricFamily("mockserver_journal_entries", "Exchanges in the journals.", entries)


def exposition(mock: Mock) -> ControlResponse:
    """Write what was counted, by all workers, in Prometheus's text format."""
    folder = os.environ.get(FOLDER)
    registry = mock.meter.registry if isinstance(mock, MeteredMock) and not folder else CollectorRegistry()
    if folder:
        _forget_the_dead(Path(folder))
        _join(registry, folder)
    sizes = CollectorRegistry()
    sizes.register(_Sizes(mock))
    return ControlResponse(content=(generate_latest(registry), generate_latest(sizes)), media=CONTENT_TYPE_LATEST)


def _forget_the_dead(folder: Path) -> None:
    """Count no stream as open whose worker has ended: it can no longer say so."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            _mark_dead(pid, str(folder))
