"""The other tools of the benchmark: what they are given to read, how their answers are judged, who is compared."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV30SpecValidator

from benchmarks import peers, peers_install, reference
from benchmarks.children import Stop, child, peak_memory, processor_seconds, usable_cores
from benchmarks.measure import MESSAGE, SESSION, Load, Subject
from benchmarks.peers_documents import as_3_0, stubs, written
from benchmarks.peers_judge import BAD, Bad, Judged, Refused, asking, judged, refused
from benchmarks.peers_load import CONNECTIONS, GROUP, LeavingOut, Left, Measured, Pair, started, turns
from benchmarks.peers_servers import MOCK, PLAIN, Peer, shown
from benchmarks.peers_servers import peers as all_of_them
from benchmarks.peers_table import IN_TESTS, PACKAGES
from benchmarks.processes import tree, tree_memory, tree_seconds
from mockserver.check.target import Answer
from mockserver.contract.openapi import bundled
from mockserver.messages import Headers
from mockserver.server.uvicorn import running
from tests.strategies import ROOT

CONTRACT = bundled("2.6").document
ANSWER = {"session_id": SESSION, "generated_title": MESSAGE[:50], "last_updated_at": "2026-04-22T12:34:41.342245"}


def nodes(value: Any) -> Iterator[Any]:
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(each)


def test_the_contract_in_the_words_of_3_0_is_valid_there() -> None:
    OpenAPIV30SpecValidator(dict(as_3_0(CONTRACT))).validate()


def test_the_contract_in_the_words_of_3_0_keeps_what_may_be_null_and_what_is_constant() -> None:
    schemas = as_3_0(CONTRACT)["components"]["schemas"]
    title = schemas["ChatSessionSummary"]["properties"]
    assert title["generated_title"] == {
        "description": "The title made from the first message.",
        "example": "What were the main findings in Q3?...",
        "type": "string",
        "nullable": True,
    }
    assert title["job_metadata"]["allOf"] == [{"$ref": "#/components/schemas/JobMetadata"}]
    assert schemas["StopEvent"]["properties"]["type"]["enum"] == ["stop"]
    assert {"type": "null"} not in list(nodes(schemas))


def test_the_stubs_hold_the_contracts_schema_and_echo_the_session() -> None:
    right, wrong, other = stubs()["mappings"]
    (pattern,) = right["request"]["bodyPatterns"]
    assert json.loads(pattern["matchesJsonSchema"]) == CONTRACT["components"]["schemas"]["GenerateTitleParams"]
    assert "{{request.path.session_id}}" in right["response"]["body"]
    assert (wrong["response"]["status"], other["response"]["headers"]["Allow"]) == (422, "POST")
    assert right["priority"] < wrong["priority"] < other["priority"]


def judge(app: Any) -> Judged:
    with running(app) as url:
        return judged(asking(int(url.rpartition(":")[2])))


def test_the_mock_answers_rightly_and_refuses_every_bad_request_rightly(serve: Callable[..., str]) -> None:
    found = judged(asking(int(serve(seed=0).rpartition(":")[2])))
    assert found.right
    assert found.validates
    assert {name: each.well for name, each in found.refusals.items()} == {each.name: True for each in BAD}


def test_an_app_that_validates_nothing_may_be_right_but_refuses_badly() -> None:
    found = judge(reference.plain())
    assert found.right
    assert not found.validates
    assert [name for name, each in found.refusals.items() if each.well] == ["unknown method"]


def test_a_constant_answer_is_not_right_though_the_contract_allows_it() -> None:
    found = judge(reference.bare(json.dumps(ANSWER).encode()))
    assert (found.echoes, found.titled, found.kept) == (False, False, True)
    assert not found.right
    assert {each.told for each in found.refusals.values()} == {"200, taken"}


def test_an_answer_that_the_contract_forbids_is_not_right() -> None:
    found = judge(reference.bare(json.dumps({**ANSWER, "session_id": None}).encode()))
    assert not found.kept


NAMED = {"detail": [{"type": "missing", "loc": ["body", "first_message"], "msg": "Field required"}]}
UNNAMED = {"detail": [{"type": "missing", "loc": ["string"], "msg": "string"}]}


def answer(status: int, body: Any = None, failure: str = "", **headers: str) -> Answer:
    fields = [(b"content-type", b"application/json")]
    fields += [(name.encode(), value.encode()) for name, value in headers.items()]
    return Answer(status, Headers(fields), json.dumps(body).encode(), 0.1, failure)


def bad(name: str) -> Bad:
    return next(each for each in BAD if each.name == name)


@pytest.mark.parametrize(
    ("name", "got", "told", "well", "validates"),
    [
        ("missing field", answer(422, NAMED), "422", True, True),
        (
            "missing field",
            answer(422, UNNAMED),
            "422, first_message not named",
            False,
            True,
        ),
        ("missing field", answer(400, NAMED), "400, not in the form of the contract", False, True),
        (
            "missing field",
            answer(500, {"detail": "oh"}),
            "500, first_message not named",
            False,
            False,
        ),
        ("wrong type", answer(200, ANSWER), "200, taken", False, False),
        ("malformed JSON", answer(0, failure="timeout"), "no answer in 2 s", False, False),
        ("bad UTF-8", answer(0, failure="protocol"), "no answer: connection closed", False, False),
        ("bad UTF-8", answer(500), "500", False, False),
        ("unknown method", answer(405, allow="GET, POST"), "405", True, True),
        ("unknown method", answer(405), "405, no Allow", False, True),
    ],
)
def test_a_refusal_is_told_and_judged(name: str, got: Answer, told: str, well: bool, validates: bool) -> None:
    assert refused(bad(name), got) == Refused(told, well, validates)


@given(st.integers(1, 12), st.booleans())
def test_every_server_has_one_turn_a_round_soon_after_the_mock(count: int, backwards: bool) -> None:
    names = [MOCK, *(f"server {number}" for number in range(count))]
    order = list(turns(names, backwards=backwards))
    assert sorted(name for name in order if name != MOCK) == sorted(names[1:])
    since = 0
    for name in order:
        since = 0 if name == MOCK else since + 1
        assert since <= GROUP
    assert order[0] == MOCK


def load(rate: float, p99: float = 1.0) -> Load:
    return Load(int(rate), 1.0, 1, 0, 0.5, p99)


def measured(rate: float, *, ours: float = 300, validates: bool = True, p99: float = 1.0) -> Measured:
    refusals = {each.name: Refused("", well=False, refused=validates) for each in BAD}
    found = Measured(Judged(True, True, True, refusals), starts=[100.0], idle=[1.0], busy=[2.0])
    for each in CONNECTIONS:
        found.loads[each].append(load(rate, p99))
        found.pairs[each].append(Pair(load(ours, 3.0), load(rate, p99)))
    return found


FOUND = {
    MOCK: measured(300),
    PLAIN: measured(200, validates=False, p99=2.0),
    "careless": measured(150, validates=False),
    "careful": measured(100),
    "slow": measured(50),
}
TOOLS = ("careless", "careful", "slow")


def test_the_fastest_that_validates_is_compared_not_one_that_takes_all() -> None:
    first, second, *_ = peers.rows(FOUND, TOOLS)
    assert first.against.startswith("careful,")
    assert (first.series.median, str(first.aim), first.verdict) == (3.0, "at least 2.5", "met")
    assert (second.measure, second.against, second.series.median) == (peers.LATE, PLAIN, 1.5)


def test_without_a_tool_that_validates_there_is_no_fastest() -> None:
    rows = peers.rows({name: FOUND[name] for name in (MOCK, "careless")}, TOOLS)
    assert [row.aim for row in rows] == [None]


def test_ratios_are_of_the_pair_not_of_all_that_the_mock_did() -> None:
    assert peers.throughput_ratio(measured(100, ours=400), 16).median == 4.0


def test_every_server_has_its_line_in_every_table() -> None:
    kinds = dict.fromkeys(FOUND, "tool")
    for table in (peers.answers(FOUND, kinds), peers.refusals(FOUND)):
        assert [row[0] for row in table.rows] == list(FOUND)
        assert {len(row) for row in table.rows} == {len(table.head)}
    assert [row[0] for row in peers.ratios(FOUND).rows] == [name for name in FOUND if name != MOCK]


def failing() -> Peer:
    return Peer(Subject("broken", lambda _: [sys.executable, "-c", "raise SystemExit(3)"]))


def test_a_server_that_cannot_start_is_left_out_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    left, peer = Left(), failing()
    with LeavingOut(peer, left):
        started(peer, usable_cores())
    assert left == {"broken": "broken ended with exit code 3 before it answered"}
    assert left.among([peer]) == []
    assert "broken is left out" in capsys.readouterr().err


def test_the_mock_is_never_left_out() -> None:
    peer = replace(failing(), subject=Subject(MOCK, failing().subject.command))
    left = Left()
    with pytest.raises(Stop), LeavingOut(peer, left):
        started(peer, usable_cores())
    assert left == {}


def test_what_cannot_run_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert peers_install.lacking("wiremock") == "java is not installed"
    assert peers_install.lacking("steady") == "npm is not installed"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("npm error code E404\nnpm error 404 - GET https://example.org/x", "npm error code E404"),
        ("npm warn a\nnpm error see https://example.org/x in /srv/log", "npm error see <address> in <path>"),
        (
            "ERROR: No matching distribution found for connexion==9\n",
            "ERROR: No matching distribution found for connexion==9",
        ),
        ("", "no reason given"),
    ],
)
def test_a_reason_has_neither_addresses_nor_places(told: str, reason: str) -> None:
    assert peers_install.reason(told) == reason


def test_every_version_is_pinned() -> None:
    for what in (*IN_TESTS, *(each.what for each in PACKAGES.values())):
        assert re.search(r"[=@]\d+(\.\d+)+$", what), what


def test_commands_are_shown_without_places_of_this_machine() -> None:
    for peer in all_of_them("constant"):
        command = shown(peer, "constant")
        assert str(ROOT) not in command
        assert "<port>" in command
        assert "constant" not in command


def test_a_tree_is_a_process_and_all_below_it() -> None:
    assert sorted(tree(1, {2: 1, 3: 2, 4: 9})) == [1, 2, 3]


def test_memory_and_processor_time_are_those_of_a_process_and_its_children() -> None:
    work = "sum(range(10_000_000)); print(1, flush=True); input()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{work}'])"
    with child([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # by now the child has worked
        assert tree_seconds(process.pid) > processor_seconds(process.pid)
        assert tree_memory(process.pid) > peak_memory(process.pid) / 1024


def test_the_documents_are_written_where_the_tools_read_them(tmp_path: Path) -> None:
    folder = written(tmp_path)
    assert json.loads((folder / "contract.json").read_text("utf-8")) == CONTRACT
    assert json.loads((folder / "contract-3.0.json").read_text("utf-8"))["openapi"] == "3.0.3"
    assert json.loads((folder / "wiremock" / "mappings" / "title.json").read_text("utf-8")) == stubs()
