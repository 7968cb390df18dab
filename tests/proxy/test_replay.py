"""A replay answers with what was recorded, in its order, and says what was not recorded and what nobody asked for."""

import json
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mockserver.api import make_settings
from mockserver.control.app import make_app
from mockserver.messages import DEFAULT_SCOPE, Request
from mockserver.proxy.recording import FILE, read_recordings
from mockserver.proxy.replay import ReplayMock, summary
from mockserver.server.uvicorn import running as on_a_socket
from tests.commands import run
from tests.needs import free_port, running
from tests.proxy.services import contract_file
from tests.strategies import ROOT


def line(number: int, method: str, path: str, status: int, answer: Any, **more: Any) -> str:
    """Write an exchange as a recording has it."""
    path, _, query = path.partition("?")
    body = more.pop("body", "")
    kind = more.pop("kind", "application/json")
    text = answer if isinstance(answer, str) else json.dumps(answer)
    value = {
        "number": number,
        "at": "2026-01-01T00:00:00Z",
        "scope": "default",
        "operation": None,
        "contract": "pets",
        "source": "service",
        "attempt": 0,
        "findings": [],
        "stub": None,
        "faults": [],
        "request": {
            "method": method,
            "path": path,
            "query": query,
            "values": {},
            "headers": [["content-type", "application/json"]],
            "body": body,
            "size": len(body),
        },
        "answer": {"status": status, "headers": [["content-type", kind]], "body": text, "size": len(text)},
        **more,
    }
    return json.dumps(value)


LINES = (
    line(1, "GET", "/pets?limit=1&a=b", 200, [{"id": 1, "name": "Rex"}]),
    line(2, "POST", "/pets", 201, {"id": 2, "name": "Tom"}, body='{"id": 2, "name": "Tom"}'),
    line(3, "GET", "/pets/2", 404, {}),
    line(4, "GET", "/pets/2", 200, {"id": 2, "name": "Tom"}),
    line(5, "DELETE", "/pets/2", 204, ""),
    line(6, "GET", "/events", 200, 'data: {"n": 1}\n\ndata: {"n": 2}\n\n', kind="text/event-stream", pauses=[0, 5]),
)


@contextmanager
def replayed(folder: Path, *lines: str, **settings: Any) -> Iterator[tuple[httpx.Client, ReplayMock]]:
    """Replay a recording on a socket."""
    (folder / FILE).write_text("\n".join(lines or LINES) + "\n")
    chosen = make_settings({"contract": str(contract_file(folder)), **settings})
    mock = ReplayMock(chosen, read_recordings(folder))
    with on_a_socket(make_app(chosen, mock)) as url, httpx.Client(base_url=url) as client:
        yield client, mock


def test_a_request_gets_what_was_recorded_for_it(tmp_path: Path) -> None:
    with replayed(tmp_path) as (client, mock):
        answer = client.get("/pets?a=b&limit=1")
        assert answer.content == b'[{"id": 1, "name": "Rex"}]'
        assert answer.headers["x-mock-source"] == "recorded"
        assert (
            client.post(
                "/pets", content=b'{"name":"Tom","id":2}', headers={"content-type": "application/json"}
            ).status_code
            == 201
        )
        assert client.delete("/pets/2").status_code == 204
        assert client.get("/events").text == 'data: {"n": 1}\n\ndata: {"n": 2}\n\n'
    assert [each.source for each in mock.exchanges(DEFAULT_SCOPE)] == ["recorded"] * 4
    assert [each.violations for each in mock.exchanges(DEFAULT_SCOPE)] == [()] * 4
    assert mock.exchanges(DEFAULT_SCOPE)[3].answer.count(b"data") == 2


def test_equal_requests_are_answered_in_the_recorded_order_and_the_last_stays(tmp_path: Path) -> None:
    with replayed(tmp_path) as (client, _):
        assert [client.get("/pets/2").status_code for _ in range(4)] == [404, 200, 200, 200]
        other = {"x-mock-scope": "other"}
        assert [client.get("/pets/2", headers=other).status_code for _ in range(2)] == [404, 200]
        client.post("/__mock__/scopes/other/reset")
        assert client.get("/pets/2", headers=other).status_code == 404


def test_a_path_that_the_api_has_itself_names_no_scope(tmp_path: Path) -> None:
    document = json.loads(contract_file(tmp_path).read_text())
    document["paths"] = {"/scope/{job}": document["paths"]["/pets/{id}"]}
    document["paths"]["/scope/{job}"]["get"]["parameters"][0]["name"] = "job"
    del document["paths"]["/scope/{job}"]["delete"]
    (tmp_path / "jobs.json").write_text(json.dumps(document))
    (tmp_path / FILE).write_text(line(1, "GET", "/scope/some%20job", 200, {"id": 1, "name": "Rex"}) + "\n")
    mock = ReplayMock(make_settings({"contract": str(tmp_path / "jobs.json")}), read_recordings(tmp_path))
    assert mock.handle(Request("GET", "/scope/some%20job")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("GET", "/pets?limit=2", None, "GET /pets?limit=2 was not recorded; the nearest is #1"),
        ("POST", "/pets", {"id": 3, "name": "Tim"}, "the nearest is #2, POST /pets, with another body"),
        ("PUT", "/pets/2", None, "with another method"),
        ("GET", "/dogs", None, "GET /dogs was not recorded, nor anything else of its path"),
    ],
)
def test_what_was_not_recorded_is_a_501_that_says_so(
    tmp_path: Path, method: str, path: str, body: Any, message: str
) -> None:
    with replayed(tmp_path) as (client, mock):
        answer = client.request(method, path, json=body)
    assert answer.status_code == 501
    assert answer.headers["x-mock-fault"] == "client"
    assert answer.headers["x-should-retry"] == "false"
    assert message in answer.headers["x-mock-message"]
    assert message in mock.unrecorded[0]
    assert [each.rule for each in mock.exchanges(DEFAULT_SCOPE)[0].violations] == ["unrecorded"]


def test_the_end_tells_what_was_never_asked_for(tmp_path: Path) -> None:
    with replayed(tmp_path) as (client, mock):
        client.get("/pets/2")
        client.get("/dogs")
    told = summary(mock)
    assert "never asked for: #4 GET /pets/2 -> 200" in told
    assert told[-1] == "1 of 6 recorded exchanges were asked for; 1 request was not recorded"
    assert sum(each.startswith("never asked for") for each in told) == 5


def test_secrets_of_a_request_are_not_compared(tmp_path: Path) -> None:
    hidden = line(1, "POST", "/pets?api_key=%5Bredacted%5D", 201, {}, body='{"password": "[redacted]"}')
    with replayed(tmp_path, hidden) as (client, _):
        assert client.post("/pets?api_key=mine", json={"password": "mine"}).status_code == 201


def test_forms_are_compared_without_their_boundary(tmp_path: Path) -> None:
    body = '--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--XX--\r\n'
    recorded = json.loads(line(1, "POST", "/upload", 200, {}, body=body))
    recorded["request"]["headers"] = [["content-type", "multipart/form-data; boundary=XX"]]
    with replayed(tmp_path, json.dumps(recorded)) as (client, _):
        assert client.post("/upload", files={"a": (None, "1")}).status_code == 200


def test_requests_are_judged_by_the_contract(tmp_path: Path) -> None:
    with replayed(tmp_path, line(1, "GET", "/pets?limit=x", 200, [])) as (client, mock):
        assert client.get("/pets?limit=x").headers["x-mock-pointer"] == "/query/limit"
    assert len(mock.exchanges(DEFAULT_SCOPE)[0].violations) == 1


def test_stubs_answer_before_the_recording(tmp_path: Path) -> None:
    with replayed(tmp_path) as (client, _):
        client.post("/__mock__/stubs", json={"operation": "getPet", "status": 404}).raise_for_status()
        assert client.get("/pets/2").headers["x-mock-source"] != "recorded"


@pytest.mark.parametrize(
    ("fail_on", "paths", "code"),
    [
        ("unrecorded", ("/pets/2",), 0),
        ("unrecorded", ("/dogs",), 1),
        ("unasked", ("/pets/2",), 1),
        ("any", ("/dogs",), 1),
        ("none", ("/dogs",), 0),
    ],
)
def test_the_exit_code_says_what_was_missing(tmp_path: Path, fail_on: str, paths: tuple[str, ...], code: int) -> None:
    (tmp_path / "rec").mkdir()
    (tmp_path / "rec" / FILE).write_text("\n".join(LINES) + "\n")
    port = free_port()
    command = [sys.executable, "-m", "mockserver", "replay", "rec", "--port", str(port), "--fail-on", fail_on]
    with running(command, tmp_path / "replay.log", PYTHONPATH=str(ROOT)) as process:
        process.said(f"mockserver replays 6 exchanges of rec at http://127.0.0.1:{port}")
        for path in paths:
            httpx.get(f"http://127.0.0.1:{port}{path}")
        assert process.end(signal.SIGINT) == code
        assert "of 6 recorded exchanges were asked for" in process.log.read_text()


def test_the_start_prints_the_token_of_the_page_and_what_makes_clients_trust_the_certificate(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("\n".join(LINES) + "\n")
    command = [sys.executable, "-m", "mockserver", "replay", ".", "--port", str(free_port()), "--control-remote"]
    with running([*command, "--tls"], tmp_path / "replay.log", PYTHONPATH=str(ROOT)) as process:
        written = process.said("export NODE_EXTRA_CA_CERTS=")
        assert "; its page is https://127.0.0.1:" in written
        assert re.search(r"other machines: https://127\.0\.0\.1:\d+/__mock__/\?token=[\w-]{20,}\n", written)
        assert re.search(r"export SSL_CERT_FILE=\S+/trust\.pem\n", written)


def test_a_folder_without_a_recording_is_a_usage_error(tmp_path: Path) -> None:
    done = run("replay", tmp_path, "--port", "0")
    assert done.returncode == 2
    assert "there is no recording here" in done.stderr


def test_a_stub_without_an_answer_damages_the_recorded_one(tmp_path: Path) -> None:
    with replayed(tmp_path) as (client, mock):
        stub = {"operation": "getPet", "faults": "empty-body"}
        client.post("/__mock__/stubs", json=stub).raise_for_status()
        assert [client.get("/pets/2").content for _ in range(2)] == [b"", b'{"id": 2, "name": "Tom"}']
    assert [each.stub for each in mock.exchanges(DEFAULT_SCOPE)] == [1, 0]
