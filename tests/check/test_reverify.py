"""What was recorded is asked for again, and what has drifted is told."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mockserver.proxy.recording import FILE
from tests.commands import Done, run
from tests.proxy.services import contract_file, json_answer, raw_service, sends
from tests.proxy.test_replay import line

REX = {"id": 1, "name": "Rex"}
DOGS = ("GET", "/dogs", 200)
"""A request of no operation, which only the recording judges."""


def reverified(
    folder: Path, answer: bytes | Callable[[socket.socket, bytes], None], *options: str, lines: tuple[str, ...] = ()
) -> tuple[Done, list[bytes]]:
    """Ask a service that answers so for a recording again; also return what it received, without the first request."""
    (folder / FILE).write_text("\n".join(lines or (line(1, "GET", "/pets", 200, [REX]),)) + "\n")
    serve = sends(answer) if isinstance(answer, bytes) else answer
    with raw_service(serve) as service:
        done = run("reverify", folder, service.url, "--contract", contract_file(folder), *options)
    return done, service.received[1:]


def found(done: Done) -> list[tuple[str, str, str]]:
    report = json.loads(done.stdout)
    return [(each["rule"], each["where"], each["level"]) for each in report["problems"]]


def test_a_service_that_answers_as_recorded_has_not_drifted(tmp_path: Path) -> None:
    done, received = reverified(tmp_path, json_answer([{"id": 7, "name": "Tom"}, REX]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "recordings 1, same 1, drifted 0, skipped 0" in done.stdout
    assert received[0].startswith(b"GET /pets HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({"a": 1}, {}, [("field-gone", "/response/body/a", "error")]),
        ({"a": {"b": 1}}, {}, [("field-gone", "/response/body/a", "error")]),
        ({}, {"a": {"b": 1}}, [("field-new", "/response/body/a", "warning")]),
        ({"a": 1}, {"a": "1"}, [("field-type", "/response/body/a", "error")]),
        ({"a": {"b": 1}}, {"a": "1"}, [("field-type", "/response/body/a", "error")]),
        ({"a": 1}, {"a": 2.5}, []),
        ({"a": None}, {"a": 2}, []),
        ({"a": 2}, {"a": None}, []),
        ([{"a": 1}, {"b": 1}], [{"b": 1, "a": 1}], []),
        ([{"a": 1}], [], []),
        ([], [{"a": 1}], []),
        (
            [{"a": 1}],
            [{"b": "x"}],
            [("field-gone", "/response/body/*/a", "error"), ("field-new", "/response/body/*/b", "warning")],
        ),
    ],
)
def test_the_shape_of_a_body_is_compared_and_not_its_values(
    tmp_path: Path, before: Any, now: Any, expected: list[tuple[str, str, str]]
) -> None:
    done, _ = reverified(tmp_path, json_answer(now), "--report", "json", lines=(line(1, *DOGS, before),))
    assert found(done) == expected
    assert done.returncode == int(any(level == "error" for _, _, level in expected))


def test_a_field_can_be_ignored(tmp_path: Path) -> None:
    lines = (line(1, *DOGS, {"a": {"b": 1}}),)
    done, _ = reverified(tmp_path, json_answer({"a": {}}), "--ignore", "b", lines=lines)
    assert done.returncode == 0


def test_another_status_or_type_is_drift(tmp_path: Path) -> None:
    lines = (line(1, *DOGS, {}), line(2, "GET", "/cats", 200, {}))

    def answer(connection: socket.socket, request: bytes) -> None:
        is_dogs = request.startswith(b"GET /dogs")
        plain = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n{}"
        connection.sendall(json_answer({}, "404 Not Found") if is_dogs else plain)

    done, _ = reverified(tmp_path, answer, "--report", "json", lines=lines)
    assert found(done) == [
        ("status", "/response/status", "error"),
        ("content-type", "/response/header/content-type", "error"),
    ]
    assert "#1 GET /dogs" in done.stdout
    assert done.returncode == 1


def test_the_contract_judges_both_answers(tmp_path: Path) -> None:
    lines = (line(1, "GET", "/pets", 200, [{"id": 1}]),)
    done, _ = reverified(tmp_path, json_answer([{"id": 2}]), "--report", "json", lines=lines)
    assert [rule for rule, _, _ in found(done)] == ["recording", "contract"]


def test_events_are_compared_together(tmp_path: Path) -> None:
    lines = (line(1, "GET", "/events", 200, 'data: {"n": 1}\n\ndata: {"n": 2, "m": 1}\n\n', kind="text/event-stream"),)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    done, _ = reverified(tmp_path, head + b'data: {"n": "x"}\n\n', "--report", "json", lines=lines)
    assert sorted(found(done)) == [
        ("field-gone", "/response/body/m", "error"),
        ("field-type", "/response/body/n", "error"),
    ]


def test_a_service_that_breaks_off_is_told(tmp_path: Path) -> None:
    cut = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n[]"
    done, _ = reverified(tmp_path, cut, "--report", "json")
    assert [rule for rule, _, _ in found(done)] == ["answered"]


def test_what_changes_something_is_left_out_if_asked(tmp_path: Path) -> None:
    lines = (line(1, "POST", "/pets", 201, REX, body=json.dumps(REX)), line(2, "GET", "/pets", 200, [REX]))
    done, received = reverified(tmp_path, json_answer([REX]), "--read-only", lines=lines)
    assert (done.returncode, len(received)) == (0, 1)
    assert "recordings 2, same 1, drifted 0, skipped 1" in done.stdout


def test_a_request_with_hidden_secrets_is_not_sent(tmp_path: Path) -> None:
    lines = (line(1, "POST", "/pets", 201, REX, body='{"password": "[redacted]"}'),)
    done, received = reverified(tmp_path, json_answer(REX, "201 Created"), lines=lines)
    assert received == []
    assert "held secrets" in done.stdout


def test_a_secret_that_was_hidden_in_a_recording_is_no_break_of_the_contract(tmp_path: Path) -> None:
    document = json.loads(contract_file(tmp_path).read_text())
    pet = document["paths"]["/pets"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["items"]
    pet["properties"]["api_key"]["pattern"] = "^k-[0-9]+$"
    (tmp_path / "strict.json").write_text(json.dumps(document))
    lines = (line(1, "GET", "/pets", 200, [{**REX, "api_key": "[redacted]"}]),)
    answer = json_answer([{**REX, "api_key": "k-1"}])
    done, _ = reverified(tmp_path, answer, "--contract", str(tmp_path / "strict.json"), lines=lines)
    assert done.returncode == 0, done.stdout


def test_the_key_goes_where_the_contract_says_and_is_in_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(contract_file(tmp_path).read_text())
    document["components"] = {"securitySchemes": {"k": {"type": "apiKey", "in": "query", "name": "api_key"}}}
    document["security"] = [{"k": []}]
    (tmp_path / "keyed.json").write_text(json.dumps(document))
    monkeypatch.setenv("SHOP_KEY", "planted-key-77")
    recorded = json.loads(line(1, "GET", "/pets?a=b&api_key=%5Bredacted%5D", 200, [REX]))
    recorded["request"]["headers"].append(["authorization", "Bearer [redacted]"])
    options = ("--contract", str(tmp_path / "keyed.json"), "--api-key-env", "SHOP_KEY")
    done, received = reverified(tmp_path, json_answer(["planted-key-77"]), *options, lines=(json.dumps(recorded),))
    assert received[0].startswith(b"GET /pets?a=b&api_key=planted-key-77 HTTP/1.1\r\n")
    assert b"[redacted]" not in received[0]
    assert "planted-key-77" not in done.stdout + done.stderr


def test_a_service_elsewhere_is_only_asked_if_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(line(1, "GET", "/pets", 200, [REX]) + "\n")
    done = run("reverify", tmp_path, "https://api.example.com", "--contract", contract_file(tmp_path))
    assert done.returncode == 2
    assert "--allow-remote" in done.stderr


def test_without_a_service_the_run_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(line(1, "GET", "/pets", 200, [REX]) + "\n")
    done = run("reverify", tmp_path, "http://127.0.0.1:1", "--contract", contract_file(tmp_path))
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr


@pytest.mark.parametrize("form", ["terminal", "markdown", "junit", "sarif", "github"])
def test_every_format_tells_the_drift(tmp_path: Path, form: str) -> None:
    done, _ = reverified(tmp_path, json_answer([{"id": 1}]), "--report", form)
    assert done.returncode == 1
    assert "the field is gone" in done.stdout
