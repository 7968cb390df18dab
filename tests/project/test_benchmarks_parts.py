"""The parts of the benchmark: its load, its plain servers, its judgement of other tools, its soak."""

import asyncio
import http.client
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from benchmarks import pack, peers, reference, servers, soak
from benchmarks.calls import (
    FEW,
    LARGE,
    LARGE_FIELDS,
    MAKE,
    OPERATIONS,
    THING,
    document,
    install_pack,
    warmed,
    write,
    write_yaml,
)
from benchmarks.load import by_own, fill, is_whole
from benchmarks.peers import BAD, TOOLS, as_3_0, install, is_right, judged_by, reason, stubs, write_documents
from benchmarks.servers import ANY_TITLE, CHAT, TITLE_CALL, Answer, Call, Stop, ask
from mockserver.api import read_contracts
from mockserver.inspection import inspect
from mockserver.server.uvicorn import make_server, running
from mockserver.testing import open_mock

Serve = Callable[..., str]


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@contextmanager
def served(app: Any) -> Iterator[int]:
    with running(app) as url:
        yield port_of(url)


def control(port: int, method: str, route: str, body: object = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, f"/__mock__/{route}", json.dumps(body))
    answer = connection.getresponse()
    told = json.loads(answer.read())
    assert answer.status < 300, told
    connection.close()
    return told


# -- the load ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n12", True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n12\r\n", False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n12\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    ],
)
def test_an_answer_is_whole_when_all_that_its_head_declares_is_there(answer: bytes, whole: bool) -> None:
    assert is_whole(answer) is whole


def test_our_own_load_sends_each_number_once_and_counts_the_answers(serve: Serve) -> None:
    port = port_of(serve(seed=0))
    fill(port, ANY_TITLE, 40)
    kept = control(port, "GET", "sessions")["sessions"]
    assert sorted(each["session_id"] for each in kept) == [f"ses-{number:06d}" for number in range(40)]


def test_sessions_that_are_created_are_deleted_by_the_next_call(serve: Serve) -> None:
    port = port_of(serve(seed=0))
    found = by_own(port, Call("POST", CHAT, "{}", 201, delete=True), 10, most=100)
    assert (found.requests, found.failed) == (100, 0)
    journal = control(port, "GET", "journal")["exchanges"]
    methods = [each["request"]["method"] for each in journal]
    assert 0 < methods.count("DELETE") == methods.count("POST") - len(control(port, "GET", "sessions")["sessions"])


def test_a_load_that_is_answered_wrongly_ends_the_measurement(serve: Serve) -> None:
    with pytest.raises(Stop, match="not all were answered rightly"):
        fill(port_of(serve(seed=0)), Call("GET", "/nowhere"), 3)


def test_the_command_and_its_children_are_told_of_when_they_fail_or_take_too_long() -> None:
    assert servers.output([sys.executable, "-c", "print(1)"]) == "1\n"
    with pytest.raises(Stop, match="exit code 3"):
        servers.output([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(Stop, match=r"longer than 0\.1 s"):
        servers.output([sys.executable, "-c", "import time; time.sleep(60)"], limit=0.1)


# -- what is compared --------------------------------------------------------------------------------------------------


def test_the_plain_servers_run_on_uvicorn_as_the_mock_does() -> None:
    app = reference.bare(b"")
    ours, theirs = vars(make_server(app).config), vars(reference.configured(app))
    assert issubclass(ours.pop("http"), HttpToolsProtocol)
    assert theirs.pop("http") == "auto"  # which is httptools where it is installed
    assert ours == theirs


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.measure)
def test_every_operation_that_is_measured_is_answered_rightly(operation: Any, serve: Serve) -> None:
    port = port_of(serve(seed=0))
    operation.prepare(port)
    assert ask(port, operation.call).status == operation.call.status


def test_a_plain_app_returns_the_bytes_that_it_is_given() -> None:
    route = {"path": "/a/{id}", "method": "POST", "status": 201, "type": "application/json", "body": '{"a":1}'}
    events = {"path": "/b", "method": "GET", "status": 200, "type": "text/event-stream", "events": ["a\n\n", "b\n\n"]}
    with served(reference.same([route, events])) as port:
        made, told = ask(port, Call("POST", "/a/1", "{}")), ask(port, Call("GET", "/b"))
    assert (made.status, made.body) == (201, b'{"a":1}')
    assert (told.status, told.body) == (200, b"a\n\nb\n\n")


def test_the_pack_of_the_benchmark_answers_as_the_title_operation_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_pack(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "benchmark_pack", raising=False)
    assert pack.NAME in {each.name for each in metadata.entry_points(group="mockserver.apis")}
    body = {"words": servers.MESSAGE}
    with open_mock(api=pack.NAME) as mock, mock.http_client(headers=servers.HEADERS) as client:
        answer = client.post(pack.PATH.format(note_id="note-1"), json=body).json()
        refused = client.post(pack.PATH.format(note_id="note-1"), json={"words": 1})
        mock.allow_invalid("make_heading")
    assert (answer["note_id"], answer["heading"]) == ("note-1", servers.TITLE)
    assert refused.status_code == 422


def test_a_document_has_as_many_operations_as_it_says_and_no_problem(tmp_path: Path) -> None:
    for count in (FEW, 30):
        made = document(count, 5, example=True)
        OpenAPIV31SpecValidator(made).validate()
        (contract,) = read_contracts(str(write(tmp_path / "made.json", made)), None)
        assert (len(contract.operations), inspect(contract)) == (count, [])


def test_a_large_document_has_2_mib_in_json_and_in_yaml(tmp_path: Path) -> None:
    made = document(LARGE, LARGE_FIELDS)
    for path in (write(tmp_path / "made.json", made), write_yaml(tmp_path / "made.yaml", made)):
        assert 1.9 < path.stat().st_size / 2**20 < 2.4


def test_a_documented_answer_is_the_example(tmp_path: Path, serve: Serve) -> None:
    made = document(FEW, 5, example=True)
    port = port_of(serve(contract=str(write(tmp_path / "made.json", made)), seed=0))
    media = made["paths"]["/area0/things/{id}"]["get"]["responses"]["200"]["content"]["application/json"]
    assert json.loads(ask(port, THING).body) == media["example"]


def test_made_answers_have_all_fields_and_are_distinct(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["benchmarks.calls"], "WARM", 0.1)
    port = port_of(serve(contract=str(write(tmp_path / "made.json", document(1, 30, method="post"))), seed=0))
    assert len(json.loads(ask(port, MAKE).body)) == 30
    warmed(port)


@pytest.mark.parametrize(
    ("refused", "told"), [(200, "was not refused"), (422, "not distinct")], ids=["takes all", "answers alike"]
)
def test_a_tool_that_does_not_do_the_same_work_is_not_measured(
    refused: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_: int, call: Call) -> Answer:
        return Answer(200 if call is MAKE else refused, {}, b"{}", 0.0)

    monkeypatch.setattr(servers, "ask", answer)
    with pytest.raises(Stop, match=told):
        warmed(0)


# -- other tools -------------------------------------------------------------------------------------------------------


REFUSED = '{"detail": [{"type": "a", "loc": ["%s"], "msg": "b"}]}'


def judge(port: int) -> peers.Judgement:
    return judged_by(lambda call: ask(port, call))


def test_the_mock_answers_rightly_and_refuses_every_bad_request_rightly(serve: Serve) -> None:
    found = judge(port_of(serve(seed=0)))
    assert found.right
    assert all(each.endswith("✓") for each in found.refusals.values()), found.refusals


def test_an_app_that_validates_nothing_may_be_right_but_refuses_badly() -> None:
    with served(reference.plain()) as port:
        found = judge(port)
    assert found.right
    assert [name for name, each in found.refusals.items() if each.endswith("✓")] == ["unknown method"]


RIGHT = {"session_id": servers.SESSION, "generated_title": servers.TITLE, "last_updated_at": "2026-04-22T12:34:41"}


@pytest.mark.parametrize(
    ("changed", "right"),
    [
        ({}, True),
        ({"session_id": "ses-other"}, False),
        ({"generated_title": "Another title"}, False),
        ({"generated_title": None}, False),
        ({"job_metadata": 1}, False),
    ],
)
def test_an_answer_is_right_with_its_own_session_and_title_in_the_contracts_form(
    changed: Mapping[str, Any], right: bool
) -> None:
    body = {**RIGHT, "job_metadata": None, "index_ids": None, **changed}
    contract = yaml.safe_load(servers.CONTRACT.read_text("utf-8"))
    assert is_right(contract, TITLE_CALL, Answer(200, {}, json.dumps(body).encode(), 0.0)) is right


def test_a_constant_answer_is_not_right_and_refuses_nothing() -> None:
    with served(reference.bare(json.dumps(RIGHT).encode())) as port:
        found = judge(port)
    assert not found.right
    assert set(found.refusals.values()) == {"200, taken"}


@pytest.mark.parametrize(
    ("name", "status", "body", "headers", "told"),
    [
        ("missing field", 422, REFUSED % "first_message", {}, "422 ✓"),
        (
            "missing field",
            422,
            '{"detail": [{"type": "a", "loc": ["a"], "msg": "b"}]}',
            {},
            "422, first_message not named",
        ),
        ("missing field", 400, '"first_message"', {}, "400, not in the contract's form"),
        ("malformed JSON", 400, "", {}, "400 ✓"),
        ("malformed JSON", 500, "", {}, "500"),
        ("unknown method", 405, "", {"allow": "GET, POST"}, "405 ✓"),
        ("unknown method", 405, "", {}, "405, no Allow"),
        ("unknown method", 404, "", {}, "404, no Allow"),
        ("wrong type", 200, "{}", {}, "200, taken"),
    ],
)
def test_a_refusal_is_told_and_judged(name: str, status: int, body: str, headers: Mapping[str, str], told: str) -> None:
    found = judged_by(lambda _: Answer(status, headers, body.encode(), 0.0))
    assert found.refusals[name] == told


def test_a_server_that_does_not_answer_in_time_or_at_all_is_told() -> None:
    def send(call: Call) -> Answer:
        if call is BAD["malformed JSON"][0]:
            raise TimeoutError
        if call is BAD["wrong type"][0]:
            raise ConnectionResetError
        return Answer(500, {}, b"", 0.0)

    found = judged_by(send).refusals
    assert (found["malformed JSON"], found["wrong type"]) == ("no answer in 2 s", "connection closed")


def test_the_contract_in_the_words_of_3_0_is_valid_there_and_keeps_what_may_be_null(tmp_path: Path) -> None:
    write_documents(tmp_path)
    document = json.loads((tmp_path / "contract-3.0.json").read_text("utf-8"))
    OpenAPIV30SpecValidator(document).validate()
    summary = document["components"]["schemas"]["ChatSessionSummary"]["properties"]
    assert (summary["generated_title"]["type"], summary["generated_title"]["nullable"]) == ("string", True)
    assert summary["job_metadata"] == {**summary["job_metadata"], "nullable": True}
    assert document == as_3_0(json.loads((tmp_path / "contract.json").read_text("utf-8")))


def test_the_stubs_hold_the_contracts_schema_and_echo_the_session(tmp_path: Path) -> None:
    write_documents(tmp_path)
    contract = json.loads((tmp_path / "contract.json").read_text("utf-8"))
    right, wrong, other = stubs(contract)
    (pattern,) = right["request"]["bodyPatterns"]
    assert json.loads(pattern["matchesJsonSchema"]) == contract["components"]["schemas"]["GenerateTitleParams"]
    assert "{{request.path.session_id}}" in right["response"]["body"]
    assert (wrong["response"]["status"], other["response"]["headers"]["Allow"]) == (422, "POST")


def test_what_is_missing_for_a_tool_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    by_name = {each.name: each for each in TOOLS}
    for name, why in (("WireMock", "java is not installed"), ("Steady", "npm is not installed")):
        with pytest.raises(Stop, match=why):
            install(by_name[name])


def test_every_tool_has_a_pinned_version_and_a_command_with_its_port() -> None:
    for each in TOOLS:
        assert re.search(r"[=@]\d+(\.\d+)+$", each.package), each.package
        assert "40123" in map(str, each.command(40123))


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("npm failed:\nnpm error code E404\nnpm error 404 - GET https://example.org/x", "npm error code E404"),
        ("npm warn a\nnpm error see https://example.org/x in /srv/log", "npm error see <address> in <path>"),
        ("java is not installed", "java is not installed"),
        ("", "no reason given"),
    ],
)
def test_a_reason_has_neither_addresses_nor_paths(told: str, why: str) -> None:
    assert reason(told) == why


# -- the soak ----------------------------------------------------------------------------------------------------------


def soaked(port: int, seconds: float, *stubbed: Mapping[str, Any]) -> soak.Clients:
    """Run the clients of the soak, with stubs that they do not know of."""
    clients = soak.Clients(port)

    async def run() -> None:
        await clients.learn()
        for each in stubbed:
            control(port, "POST", "stubs", each)
        await clients.run(seconds)

    asyncio.run(run())
    return clients


def test_all_answers_of_a_soak_are_right(serve: Serve) -> None:
    found = soaked(port_of(serve(seed=0, clock=datetime.fromisoformat(soak.CLOCK))), 0.7)
    assert found.wrong == []
    assert {"learned", "title", "create", "turn", "whole turn", "refusal", "same refusal"} <= found.right.keys()


@pytest.mark.parametrize(
    ("stub", "kind"),
    [
        ({"operation": "set_title", "partial": {"generated_title": "Another"}}, "title"),
        ({"operation": "set_title", "faults": "close"}, "ConnectionResetError"),
        ({"operation": "stream", "faults": {"cut-stream": {"after": 1, "how": "end"}}}, "whole turn"),
        ({"operation": "create", "status": 503}, "create"),
        ({"operation": "retrieve", "partial": {"events": []}}, "IndexError"),
    ],
)
def test_a_wrong_answer_in_a_soak_is_seen(stub: Mapping[str, Any], kind: str, serve: Serve) -> None:
    port = port_of(serve(seed=0, clock=datetime.fromisoformat(soak.CLOCK)))
    found = soaked(port, 0.3, {**stub, "times": "always"})
    assert any(each.startswith(f"{kind}: ") for each in found.wrong), found.wrong
