"""Prometheus finds what was counted, with labels that no client can make up, and nothing is counted unless asked."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from mockserver.engine import Mock
from mockserver.testing import MockServer, open_mock
from tests.needs import Running
from tests.talk import KEY, TITLE

HEADERS = {"authorization": KEY}
METRICS = "/__mock__/metrics"
STREAM = "/api/v1/chat/ses-1/messages/stream"


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read metrics as an independent reader does, by name and labels."""
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


class Counted:
    """What a mock has counted."""

    def __init__(self, text: str) -> None:
        self.samples = samples(text)

    def sum(self, name: str, **labels: str) -> float:
        """Sum the samples of a name that have some labels."""
        wanted = set(labels.items())
        return sum(value for (found, own), value in self.samples.items() if found == name and wanted <= set(own))

    def values(self, label: str) -> set[str]:
        """Return all values of a label."""
        return {value for _, own in self.samples for name, value in own if name == label}


def counted(server: MockServer) -> Counted:
    answer = server.http_client().get(METRICS)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return Counted(answer.text)


def send(server: MockServer, *bodies: Mapping[str, object]) -> None:
    for body in bodies:
        server.http_client(headers=HEADERS).post(TITLE, json=body)


def test_requests_are_counted_by_operation_status_source_and_whose_fault() -> None:
    with open_mock(live=True, metrics=True) as server:
        send(server, {"first_message": "x"}, {"first_message": "x"}, {})
        found, call = counted(server), {"operation": "set_title", "method": "POST"}
        requests = "mockserver_requests_total"
        assert found.sum(requests, **call, status="200", source="simulated", fault="") == 2
        assert found.sum(requests, **call, status="422", source="mock", fault="client") == 1
        assert found.sum("mockserver_request_duration_seconds_count", **call) == 3
        assert found.sum("mockserver_request_duration_seconds_bucket", **call, le="+Inf") == 3
        assert found.sum("mockserver_request_duration_seconds_sum", **call) > 0
        assert found.sum("mockserver_request_bytes_total", **call) == 2 * len('{"first_message":"x"}') + 2
        answers = sum(each.answer_size for each in server.journal)
        assert found.sum("mockserver_response_bytes_total", **call) == answers > 0


def test_a_stubs_faults_are_counted_by_their_kind() -> None:
    with open_mock(live=True, metrics=True) as server:
        server.stub.create("set_title", status=500, faults={"delay": 0.001})
        send(server, {"first_message": "x"})
        found = counted(server)
        assert found.sum("mockserver_faults_total", operation="set_title", kind="delay") == 1
        assert found.sum("mockserver_requests_total", operation="set_title", status="500") == 1


def test_what_a_client_makes_up_becomes_no_label() -> None:
    with open_mock(live=True, metrics=True) as server:
        client = server.http_client(headers=HEADERS)
        for number in range(20):
            client.request(("PROPFIND", "MKCOL")[number % 2], f"/no/such/{number}")
            client.get(f"/scope/s{number}/no/path{number}")
        found = counted(server)
        assert found.values("method") == {"other", "GET"}
        assert found.values("operation") == {""}
        assert found.sum("mockserver_requests_total", method="other") == 20
        assert "no/such" not in str(found.samples)
        assert "path1" not in str(found.samples)


def test_streams_are_open_until_they_are_closed_and_their_bytes_count_then() -> None:
    with open_mock(live=True, metrics=True, stream_delay=30.0) as server, httpx.Client(timeout=30) as client:
        body = {"prompt": "x", "index_ids": ["idx-1"]}
        with client.stream("POST", server.base_url + STREAM, json=body, headers=HEADERS) as answer:
            assert answer.status_code == 200
            assert counted(server).sum("mockserver_streams_open") == 1
        server.http_client().get("/__mock__/health")
        for _ in range(200):
            if not (found := counted(server)).sum("mockserver_streams_open"):
                break
        assert found.sum("mockserver_streams_open") == 0


def test_what_is_kept_is_told() -> None:
    with open_mock(live=True, metrics=True) as server:
        server.stub.create("set_title", status=500)
        server.allow_unused()
        send(server, {}, {"first_message": "x"})
        server.http_client(headers=HEADERS).get(TITLE.replace("/title", ""))
        found = counted(server)
        assert found.sum("mockserver_stubs") == 1
        assert found.sum("mockserver_journal_entries") == 3
        assert found.sum("mockserver_scopes") == 1


def test_unless_asked_nothing_is_counted_and_the_route_says_how() -> None:
    with open_mock(live=True) as server:
        assert type(server.mock) is Mock
        answer = server.http_client().get(METRICS)
        assert (answer.status_code, "--metrics" in answer.json()["detail"]) == (404, True)
    code = "import sys; from mockserver.testing import open_mock\nwith open_mock(live=True): print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "mockserver.control.app" in loaded
    assert not {"prometheus_client", "mockserver.control.metrics"} & set(loaded)


def test_other_sites_may_not_read_them() -> None:
    with open_mock(live=True, metrics=True) as server:
        assert server.http_client().get(METRICS, headers={"origin": "http://evil.example"}).status_code == 403
        assert server.http_client().get(METRICS, headers={"host": "evil.example"}).status_code == 403


def test_several_workers_are_counted_together(tmp_path: Path) -> None:
    options = ("--metrics", "--workers", "2", "--store", f"sqlite:///{tmp_path}/s.db", "--contract", "2.6")
    server = Running([sys.executable, "-m", "mockserver", "serve", "--port", "0", *options], tmp_path / "log")
    try:
        url = re.search(r"http://[\d.:]+\d", server.said("ready at"))
        assert url
        for _ in range(12):  # each on a connection of its own, which either worker may take
            httpx.post(url[0] + TITLE, json={"first_message": "x"}, headers=HEADERS, timeout=30)
        texts = [httpx.get(url[0] + METRICS, timeout=30).text for _ in range(6)]
        for text in texts:
            assert Counted(text).sum("mockserver_requests_total", operation="set_title", status="200") == 12
            assert Counted(text).sum("mockserver_records") == 1
    finally:
        server.kill()
