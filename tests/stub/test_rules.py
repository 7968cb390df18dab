"""Which stub a request gets: the order, how often, by which chance; and what a stub cannot say."""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.engine import Mock
from mockserver.errors import StubError
from mockserver.messages import Json, Response
from mockserver.settings import Settings
from mockserver.stub.rules import MOST_RESPONSES, StubEntry, read_spec, read_stubs
from tests.conftest import settings
from tests.strategies import BODIES, json_values, operations, own_document, target, write_document
from tests.talk import MESSAGE, TITLE, ask, header, value, whole

STILL = datetime(2026, 4, 22, 12)
TITLED = f"{MESSAGE}..."


def mock_of(**options: Any) -> Mock:
    return Mock(settings(**{"seed": 0, "contract": "2.6", "clock": STILL, **options}))


def stub(mock: Mock, operation: str = "set_title", scope: str = "default", **said: Any) -> StubEntry:
    """Create a stub."""
    return mock.served.stubs.add(scope, {"operation": operation, **said})


def title(mock: Mock, message: Json = MESSAGE, **headers: str | None) -> Response:
    """Ask for a title."""
    body = {"first_message": message}
    return ask(mock.handle, "POST", TITLE, body, query="", **headers)


def statuses(mock: Mock, count: int, **headers: str | None) -> list[int]:
    """Ask for some titles, and give the statuses."""
    return [title(mock, **headers).status for _ in range(count)]


# The form


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"operation": "x"}, {"operation": "x", "when": {}, "answers": [{}]}),
        ({"operation": "x", "when": None}, {"operation": "x", "when": {}, "answers": [{}]}),
        ({"operation": "*", "status": 429}, {"operation": "*", "when": {}, "answers": [{"status": 429}]}),
        (
            {"operation": "x", "answers": [{"status": 429}, {}], "probability": 0.5},
            {"operation": "x", "when": {}, "answers": [{"status": 429}, {}], "probability": 0.5},
        ),
        (
            {"operation": "x", "body": None, "times": "always"},
            {"operation": "x", "when": {}, "answers": [{"body": None, "times": "always"}]},
        ),
    ],
)
def test_a_single_answer_may_stand_in_its_entry(given: Json, read: Json) -> None:
    assert read_spec(given) == read
    assert read_spec(read) == read


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        5,
        [],
        "set_title",
        {},
        {"operation": None},
        {"operation": 5},
        {"operation": "set_title", "answer": {}},
        {"operation": "set_title", 5: {}},
        {"operation": "set_title", "answers": []},
        {"operation": "set_title", "answers": None},
        {"operation": "set_title", "answers": {"status": 429}},
        {"operation": "set_title", "answers": "429"},
        {"operation": "set_title", "answers": [{}] * (MOST_RESPONSES + 1)},
        {"operation": "set_title", "answers": [{}], "status": 429},
        {"operation": "set_title", "answers": [5]},
        {"operation": "set_title", "answers": [{"times": "always"}, {}]},
        {"operation": "set_title", "when": "Q3"},
        {"operation": "set_title", "when": ["Q3"]},
        {"operation": "set_title", "when": {"no_such_name": 1}},
        {"operation": "set_title", "when": {"body": {"first_message": {"$regex": "("}}}},
        {"operation": "no_such_operation"},
        {"operation": "set_title", "probability": 0},
        {"operation": "set_title", "probability": 1.1},
        {"operation": "set_title", "probability": -0.5},
        {"operation": "set_title", "probability": True},
        {"operation": "set_title", "probability": "0.5"},
        {"operation": "set_title", "probability": float("nan")},
        {"operation": "set_title", "status": 299},
        {"operation": "*", "status": 299},
        {"operation": "*", "status": 201},
        {"operation": "*", "faults": "cut-stream"},
    ],
    ids=lambda wrong: str(wrong)[:60],
)
def test_what_cannot_be_meant_is_refused_and_not_kept(wrong: Any) -> None:
    mock = mock_of()
    with pytest.raises(StubError) as refused:
        mock.served.stubs.add("default", wrong)
    assert refused.value.what
    assert refused.value.why or refused.value.fix
    assert mock.served.stubs.entries("default") == ()


@given(
    json_values
    | st.dictionaries(
        st.sampled_from(["operation", "when", "answers", "probability", "status", "body", "times"]),
        json_values | st.sampled_from(["set_title", "*", "always", [{}], {"first_message": "x"}, 429, 1]),
    )
)
@example({"operation": "set_title", "when": {"query": {"project_id": {"$absent": True}}}})
def test_whatever_is_stubbed_is_taken_or_refused(given: Json) -> None:
    mock = mock_of()
    try:
        entry = mock.served.stubs.add("default", given)
    except StubError:
        return
    assert mock.served.stubs.entries("default") == (entry,)
    assert title(mock).status in range(200, 600)


def test_an_unknown_operation_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        StubError, match="there is no operation 'retitle'\n  fix: there are create, delete, get_summary"
    ):
        stub(mock_of(), "retitle")


# The order


class Case(NamedTuple):
    """A made-up stub: its status, for which of two messages, how often (None is always)."""

    status: int
    message: str | None
    times: int | None


cases = st.builds(
    Case,
    st.sampled_from([400, 403, 404, 409, 429, 500, 502, 503, 504]),
    st.sampled_from([None, "a", "b"]),
    st.none() | st.integers(1, 3),
)


def expected_of(stubbed: Sequence[Case], messages: Sequence[str]) -> list[int]:
    """Give the statuses by the rule in words: what ends first, in its order; then what lasts, the latest first."""
    left = [case.times for case in stubbed]
    found = []
    for message in messages:
        fitting = [index for index, case in enumerate(stubbed) if case.message in (None, message)]
        ending = [index for index in fitting if stubbed[index].times is not None and left[index]]
        lasting = [index for index in fitting if stubbed[index].times is None]
        chosen = ending[0] if ending else lasting[-1] if lasting else None
        if chosen is not None and left[chosen] is not None:
            left[chosen] = (left[chosen] or 0) - 1
        found.append(200 if chosen is None else stubbed[chosen].status)
    return found


@given(st.lists(cases, max_size=6), st.lists(st.sampled_from("ab"), max_size=12), st.booleans())
def test_what_ends_comes_first_in_its_order_then_what_lasts_the_latest_first(
    stubbed: list[Case], messages: list[str], anything: bool
) -> None:
    mock = mock_of()
    for case in stubbed:
        when = {} if case.message is None else {"body": {"first_message": case.message}}
        times = "always" if case.times is None else case.times
        stub(mock, "*" if anything else "set_title", when=when, status=case.status, times=times)
    assert [title(mock, message).status for message in messages] == expected_of(stubbed, messages)


@given(st.lists(st.tuples(st.sampled_from([400, 429, 503]), st.integers(1, 3)), min_size=1, max_size=5), st.booleans())
def test_the_answers_of_an_entry_come_one_after_the_other(answers: list[tuple[int, int]], endless: bool) -> None:
    mock = mock_of()
    steps: list[Json] = [{"status": status, "times": times} for status, times in answers]
    if endless:
        steps[-1]["times"] = "always"
    entry = stub(mock, answers=steps)
    expected = [status for status, times in answers for _ in range(times)]
    rest = answers[-1][0] if endless else 200
    assert statuses(mock, len(expected) + 3) == [*expected, rest, rest, rest]
    assert entry.total == (None if endless else len(expected))


def test_an_answer_of_which_nothing_is_said_is_the_usual_one() -> None:
    mock = mock_of()
    stub(mock, answers=[{"status": 429}, {}, {"status": 503}])
    answers = [title(mock) for _ in range(4)]
    assert [each.status for each in answers] == [429, 200, 503, 200]
    assert answers[1].body == answers[3].body
    assert value(answers[1])["generated_title"] == TITLED
    assert [each.stub for each in mock.exchanges("default")] == [1, 1, 1, 0]


def test_what_comes_after_an_answer_that_is_given_always_is_refused() -> None:
    with pytest.raises(StubError, match="is never used\n  fix: put it last"):
        stub(mock_of(), answers=[{"status": 429, "times": "always"}, {}])


def test_a_stub_is_that_of_its_operation_and_of_its_scope() -> None:
    mock = mock_of()
    stub(mock, "get_summary", status=429)
    stub(mock, scope="other", status=503)
    assert statuses(mock, 1) == [200]
    assert statuses(mock, 2, x_mock_scope="other") == [503, 200]
    assert ask(mock.handle, "GET", TITLE.replace("title", "summary")).status == 429


def test_what_is_stubbed_for_any_operation_meets_whatever_comes_first() -> None:
    mock = mock_of()
    stub(mock, "*", status=429, times=3)
    found = []
    for name, operation in operations("2.6").items():
        response = whole(ask(mock.handle, operation.method, target(operation), BODIES.get(name)))
        found.append(response.status == 429)
    assert found == [True] * 3 + [False] * 4


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ({"first_message": MESSAGE}, True),
        ({"first_message": "other"}, False),
        ({"first_message": re.compile("q3", re.IGNORECASE)}, True),
        ({"first_message": {"$regex": "^Q3"}}, False),
        ({"first_message": lambda text: len(text) > 5}, True),
        ({"session_id": "ses-abc123"}, True),
        ({"session_id": "ses-other"}, False),
        ({"project_id": {"$absent": True}}, True),
        ({"query": {"project_id": {"$regex": "."}}}, False),
        ({"headers": {"X-Note": "yes"}}, True),
        ({"headers": {"x-note": "no"}}, False),
        ({"first_message": MESSAGE, "session_id": "ses-other"}, False),
    ],
)
def test_only_a_request_that_is_as_expected_gets_the_answer(when: Json, fits: bool) -> None:
    mock = mock_of()
    stub(mock, when=when, status=429)
    assert title(mock, x_note="yes").status == (429 if fits else 200)


def test_once_is_once_however_many_ask_at_the_same_time() -> None:
    mock = mock_of()
    stub(mock, status=429, times=20)
    stub(mock, status=503, times=20)
    with ThreadPoolExecutor(8) as pool:
        found = Counter(pool.map(lambda _: title(mock).status, range(100)))
    assert found == {429: 20, 503: 20, 200: 60}


def test_a_changed_answer_is_the_one_that_is_given() -> None:
    mock = mock_of()
    entry = stub(mock, status=429, times="always")
    assert statuses(mock, 1) == [429]
    mock.served.stubs.add("default", {"operation": "set_title", "status": 503, "times": "always"}, entry.number)
    assert statuses(mock, 1) == [503]
    with pytest.raises(StubError, match="there is no stub 99"):
        mock.served.stubs.add("default", {"operation": "set_title"}, 99)
    with pytest.raises(StubError):
        mock.served.stubs.add("default", {"operation": "set_title", "status": 299}, entry.number)
    assert statuses(mock, 1) == [503]


def test_a_stub_that_is_off_answers_nothing_and_is_not_missed() -> None:
    mock = mock_of()
    entry = stub(mock, status=503, times="always", off=True)
    assert (statuses(mock, 2), mock.served.stubs.unused("default")) == ([200, 200], {})
    mock.served.stubs.add("default", {"operation": "set_title", "status": 503, "off": False}, entry.number)
    assert statuses(mock, 2) == [503, 200]
    with pytest.raises(StubError, match="whether a stub is off"):
        stub(mock, off="yes")


def test_a_stub_outlives_a_reload() -> None:
    mock = mock_of()
    stub(mock, answers=[{"status": 429}, {"status": 503}])
    assert statuses(mock, 1) == [429]
    mock.reload()
    assert statuses(mock, 2) == [503, 200]


# Chance


def decisions(mock: Mock, count: int, scope: str = "default") -> list[bool]:
    return [status == 503 for status in statuses(mock, count, x_mock_scope=scope)]


@given(st.integers(0, 2**32), st.floats(0.05, 1))
def test_the_same_seed_takes_the_same_decisions(seed: int, probability: float) -> None:
    found = []
    for _ in range(2):
        mock = mock_of(seed=seed)
        stub(mock, status=503, times="always", probability=probability)
        found.append(decisions(mock, 20))
    assert found[0] == found[1]


def test_another_seed_takes_other_decisions() -> None:
    found = set()
    for seed in range(10):
        mock = mock_of(seed=seed)
        stub(mock, status=503, times="always", probability=0.5)
        found.add(tuple(decisions(mock, 20)))
    assert len(found) == 10


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_an_answer_is_given_about_as_often_as_its_probability_says(probability: float) -> None:
    mock = mock_of(journal_size=0)
    stub(mock, status=503, times="always", probability=probability)
    share = sum(decisions(mock, 2_000)) / 2_000
    assert abs(share - probability) < 0.04  # more than three standard deviations


def test_decisions_of_two_entries_and_of_two_scopes_are_their_own() -> None:
    mock = mock_of()
    for scope in ("default", "other"):
        stub(mock, scope=scope, status=503, times="always", probability=0.5, when={"first_message": MESSAGE})
        stub(mock, scope=scope, status=503, times="always", probability=0.5, when={"first_message": "b"})
    one = decisions(mock, 40)
    other = [title(mock, "b").status == 503 for _ in range(40)]
    elsewhere = decisions(mock, 40, "other")
    assert len({tuple(one), tuple(other), tuple(elsewhere)}) == 3


def test_decisions_do_not_depend_on_what_was_stubbed_in_other_scopes() -> None:
    alone, beside = mock_of(), mock_of()
    for number in range(5):
        stub(beside, scope=f"other-{number}", status=429)
    for mock in (alone, beside):
        stub(mock, status=503, times="always", probability=0.5, delay={"uniform": [0, 1]})
    assert decisions(alone, 30) == decisions(beside, 30)
    delays = [[each.delivery for each in (title(mock) for _ in range(10))] for mock in (alone, beside)]
    assert delays[0] == delays[1]
    assert len(set(delays[0])) > 2


def test_a_probable_answer_may_end() -> None:
    mock = mock_of()
    stub(mock, status=503, times=3, probability=0.25)
    found = decisions(mock, 40)
    assert sum(found) == 3
    assert found[:3] != [True] * 3


def test_what_chance_passes_over_is_left_to_the_next() -> None:
    mock = mock_of()
    stub(mock, status=429, times="always")
    stub(mock, status=503, times="always", probability=0.5)
    assert set(statuses(mock, 40)) == {429, 503}


# Who wins


@pytest.mark.parametrize(
    "wish", ["code=429", "example=rate-limited", "dynamic=true", "seed=4", "code=200, dynamic=false"]
)
def test_a_preference_wins_over_the_stub_and_does_not_use_it_up(wish: str) -> None:
    mock = mock_of()
    stub(mock, status=503, faults="reset")
    preferred = title(mock, prefer=wish)
    assert (preferred.status, preferred.delivery) == (429 if "429" in wish or "rate" in wish else 200, None)
    assert header(preferred, "x-mock-fault") is None
    stubbed = title(mock)
    assert stubbed.status == 503
    assert stubbed.delivery is not None


def test_a_preference_of_others_is_none() -> None:
    mock = mock_of()
    stub(mock, status=503)
    assert title(mock, prefer="respond-async, wait=10").status == 503


BAD: dict[str, tuple[int, Callable[[Mock], Response]]] = {
    "no key": (401, lambda mock: title(mock, authorization=None)),
    "a wrong body": (422, lambda mock: title(mock, 5)),
    "no body": (422, lambda mock: ask(mock.handle, "POST", TITLE)),
    "a wrong query": (422, lambda mock: ask(mock.handle, "POST", TITLE, {"first_message": "x"}, query="project_id=x")),
    "another method": (405, lambda mock: ask(mock.handle, "PUT", TITLE, {"first_message": "x"})),
    "another path": (404, lambda mock: ask(mock.handle, "POST", TITLE + "s", {"first_message": "x"})),
    "a slash": (307, lambda mock: ask(mock.handle, "POST", TITLE + "/", {"first_message": "x"})),
    "a bad preference": (400, lambda mock: title(mock, prefer="code=abc")),
    "an unmet preference": (400, lambda mock: title(mock, prefer="code=299")),
    "a bad scope": (400, lambda mock: title(mock, x_mock_scope="a b")),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_is_refused_whatever_is_stubbed_and_does_not_use_it_up(case: str) -> None:
    status, send = BAD[case]
    mock = mock_of()
    stub(mock, status=503, faults="reset")
    stub(mock, "*", status=429, delay=30)
    refused = send(mock)
    assert (refused.status, refused.delivery) == (status, None)
    assert statuses(mock, 3) == [503, 429, 200]


def test_a_session_that_is_not_there_stays_so_but_the_stub_is_used() -> None:
    mock = mock_of(unknown_sessions="404")
    stub(mock, faults="reset")
    missing = title(mock)
    assert (missing.status, missing.delivery) == (404, None)
    assert mock.served.stubs.unused("default") == {}


def test_a_stubbed_error_is_given_whether_the_session_is_there_or_not() -> None:
    mock = mock_of(unknown_sessions="404")
    stub(mock, status=503)
    stub(mock, body={"session_id": "s", "last_updated_at": "t"})
    assert statuses(mock, 3) == [503, 200, 404]


# Several contracts


def test_what_one_of_the_contracts_allows_can_be_stubbed_and_under_another_is_an_error_of_the_stub() -> None:
    mock = mock_of(contract="auto")
    body = {"session_id": "s", "last_updated_at": "t"}
    stub(mock, "get_summary", body=body, times="always")
    path = TITLE.replace("title", "summary")
    old = ask(mock.handle, "GET", path, user_agent="LlamaCloud/Python 2.6.0")
    assert (old.status, value(old)) == (200, body)
    new = ask(mock.handle, "GET", path, user_agent="LlamaCloud/Python 2.17.0")
    assert (new.status, header(new, "x-mock-fault")) == (500, "stub")
    message = header(new, "x-mock-message") or ""
    assert message.startswith("stub 1 for get_summary: it breaks the contract 2.17 at the root: 'shared_acc")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"break": {"wrong-value": "/shared_access"}}, "no answer has the place"),
        (["empty-body", "truncate"], "the fault 'truncate' cannot be done: the answer has no body"),
    ],
)
def test_a_fault_that_cannot_be_done_is_an_error_of_the_stub(fault: Json, told: str) -> None:
    mock = mock_of(contract="auto")
    stub(mock, "get_summary", faults=fault)
    response = ask(mock.handle, "GET", TITLE.replace("title", "summary"), user_agent="LlamaCloud/Python 2.6.0")
    assert (response.status, header(response, "x-mock-fault")) == (500, "stub")
    assert told in (header(response, "x-mock-message") or "")


def test_an_answer_that_no_contract_allows_is_refused_with_the_place_in_one() -> None:
    with pytest.raises(StubError, match=r"breaks the contract 2.17 at the root\n  where: 2.17#/components"):
        stub(mock_of(contract="auto"), "get_summary", body={"last_updated_at": "t"})


def test_a_contract_of_ones_own_is_stubbed_by_its_own_names(tmp_path: Path) -> None:
    mock = Mock(Settings(seed=0, contract=str(write_document(tmp_path, own_document()))))
    stub(mock, "read", when={"note_id": "7"}, partial={"text": "Stubbed"})
    assert value(ask(mock.handle, "GET", "/notes/7")) == {"id": "n1", "text": "Stubbed"}
    with pytest.raises(StubError, match=r"a request of read has no 'text'\n  fix: it has note_id"):
        stub(mock, "read", when={"text": "x"})
    assert mock.served.stubs.fields["write"].body == {"id", "text", "parent"}
    stub(mock, "GET /notes/{note_id}", when={"note_id": "8"}, partial={"text": "By its path"})
    assert value(ask(mock.handle, "GET", "/notes/8"))["text"] == "By its path"


# What was never used


def test_what_was_never_used_is_told_by_its_answers() -> None:
    mock = mock_of()
    first = stub(mock, answers=[{"status": 429, "times": 2}, {"status": 503}, {}])
    second = stub(mock, "list", status=404, times="always")
    unused = mock.served.stubs.unused
    told = ['{"status": 503}', "{}"]
    assert unused("default") == {
        first.number: ['{"status": 429, "times": 2}', *told],
        second.number: ['{"status": 404, "times": "always"}'],
    }
    statuses(mock, 1)
    assert unused("default")[first.number] == told
    statuses(mock, 2)
    assert unused("default")[first.number] == ["{}"]
    statuses(mock, 1)
    ask(mock.handle, "GET", "/api/v1/chat")
    assert unused("default") == {}


def test_a_long_answer_is_told_in_short() -> None:
    mock = mock_of()
    entry = stub(mock, status=429, body={"detail": "x" * 1_000})
    (told,) = mock.served.stubs.unused("default")[entry.number]
    assert len(told) == 200
    assert told.endswith("xxx...")


def test_what_is_removed_is_forgotten_with_its_uses() -> None:
    mock = mock_of()
    entry = stub(mock, status=429)
    assert statuses(mock, 2) == [429, 200]
    mock.store.remove_stubs("default", entry.number)
    assert mock.served.stubs.unused("default") == {}
    stub(mock, status=429)
    assert statuses(mock, 2) == [429, 200]


# What is remembered

ON_THE_WAY: list[Json] = ["close", "reset", "reset-body", {"truncate": 10}, {"delay": 1}, "slow-body"]
SAID: list[Json] = ["malformed-json", "empty-body", "wrong-charset", {"break": {"missing": "/session_id"}}]


@pytest.mark.parametrize("fault", ON_THE_WAY, ids=str)
def test_of_an_answer_that_is_hindered_on_its_way_the_whole_is_remembered(fault: Json) -> None:
    mock = mock_of()
    usual = title(mock).body
    stub(mock, faults=fault)
    title(mock)
    kept = mock.exchanges("default")[-1]
    assert (kept.answer, kept.answer_size, len(kept.faults)) == (usual, len(usual), 1)


@pytest.mark.parametrize("fault", SAID, ids=str)
def test_of_an_answer_that_says_something_wrong_that_is_remembered(fault: Json) -> None:
    mock = mock_of()
    stub(mock, faults=fault)
    stub(mock, faults=[fault, {"delay": 1}, "slow-body"])
    for _ in range(2):
        sent = title(mock)
        kept = mock.exchanges("default")[-1]
        assert (kept.answer, kept.answer_headers) == (sent.body, sent.headers)


@pytest.mark.parametrize("fault", [None, *ON_THE_WAY, {"cut-stream": 2}, {"stall-stream": 2}], ids=str)
def test_of_a_turn_all_events_are_remembered_however_far_it_came(fault: Json) -> None:
    mock = mock_of()
    path = TITLE.replace("title", "messages/stream")
    usual = whole(ask(mock_of().handle, "POST", path, BODIES["stream"])).body
    stub(mock, "stream", faults=fault)
    told = ask(mock.handle, "POST", path, BODIES["stream"])
    assert told.stream is not None
    told.stream.close(0)
    kept = mock.exchanges("default")[-1]
    assert (kept.answer, kept.answer_size) == (usual, len(usual))


@pytest.mark.parametrize("fault", ["unknown-event", {"break": {"missing": "/content"}}, {"break": {"null": "/usage"}}])
def test_of_a_turn_that_says_something_wrong_that_is_remembered(fault: Json) -> None:
    mock = mock_of()
    stub(mock, "stream", faults=fault)
    sent = whole(ask(mock.handle, "POST", TITLE.replace("title", "messages/stream"), BODIES["stream"])).body
    kept = mock.exchanges("default")[-1]
    assert (kept.answer, kept.answer_size) == (sent, len(sent))


# A file


def written(folder: Path, text: str, name: str = "stubs.yaml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


STUBS = """
- operation: set_title
  when: {first_message: {$regex: "Q3"}}
  answers:
    - {status: 429, retry_after_ms: 20}
    - {faults: reset}
- operation: "*"
  delay: {uniform: [0.05, 0.2]}
  times: always
"""


def test_the_file_of_the_documents_is_read_as_it_says(tmp_path: Path) -> None:
    documented = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")
    assert STUBS.strip() in documented
    mock = mock_of(stubs=written(tmp_path, STUBS))
    one, two, three = (title(mock) for _ in range(3))
    assert (one.status, header(one, "retry-after-ms"), one.delivery) == (429, "20", None)
    assert two.delivery is not None
    assert (two.delivery.end, two.delivery.unanswered) == ("reset", True)
    assert three.delivery is not None
    assert 0.05 <= three.delivery.delay <= 0.2


def test_every_scope_begins_with_the_stubs_of_the_file_and_uses_them_up_by_itself(tmp_path: Path) -> None:
    mock = mock_of(stubs=written(tmp_path, "[{operation: set_title, status: 429}]"))
    for scope in ("default", "a", "b"):
        assert statuses(mock, 2, x_mock_scope=scope) == [429, 200]
    assert mock.served.stubs.unused("c") == {-1: ['{"status": 429}']}
    assert mock.served.stubs.unused("a") == {}
    mock.store.drop("a")
    assert statuses(mock, 2, x_mock_scope="a") == [429, 200]


def test_the_stubs_of_a_scope_stand_after_what_it_begins_with(tmp_path: Path) -> None:
    text = "[{operation: set_title, status: 400}, {operation: set_title, status: 403, times: always}]"
    mock = mock_of(stubs=written(tmp_path, text))
    stub(mock, status=429)
    stub(mock, status=503, times="always")
    assert statuses(mock, 4) == [400, 429, 503, 503]


@pytest.mark.parametrize("name", ["stubs.yaml", "stubs.yml", "stubs.json"])
def test_a_file_of_stubs_is_yaml_or_json(tmp_path: Path, name: str) -> None:
    specs = [{"operation": "set_title", "status": 429}, {"operation": "*", "times": "always", "delay": 1}]
    assert read_stubs(written(tmp_path, json.dumps(specs), name)) == specs


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("stubs.json", "[", "the file of stubs is not JSON"),
        ("stubs.yaml", "[", "the file of stubs is not YAML"),
        ("stubs.yaml", "", "a file of stubs is a list"),
        ("stubs.yaml", "operation: set_title", "a file of stubs is a list"),
        ("stubs.yaml", "[" * 300, "the file of stubs is nested deeper than 200 levels"),
        ("stubs.yaml", "- {body: .nan}", "the file of stubs contains what JSON cannot express"),
    ],
)
def test_a_file_that_has_no_stubs_is_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    path = written(tmp_path, text, name)
    with pytest.raises(StubError) as refused:
        read_stubs(path)
    assert refused.value.what == told
    assert refused.value.where.startswith(str(path))
    assert "contract" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StubError, match="the file of stubs cannot be read"):
        read_stubs(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{operation: retitle}", "there is no operation 'retitle'"),
        ("{operation: set_title, status: 299}", "set_title has no answer 299 in contract 2.6"),
        ("{operation: set_title, colour: red}", "a stub has no 'colour'"),
        ("5", "a stub is an object"),
        ("{operation: set_title, faults: explode}", "there is no fault 'explode'"),
    ],
)
def test_a_wrong_entry_of_a_file_stops_the_start_and_is_named(tmp_path: Path, entry: str, told: str) -> None:
    with pytest.raises(StubError) as refused:
        mock_of(stubs=written(tmp_path, f"- {{operation: set_title, status: 429}}\n- {entry}\n"))
    assert refused.value.what == f"entry 2 of the stubs: {told}"


# Beside a store that others share


def test_a_stub_beside_a_file_of_records_is_the_same_for_all_who_share_it(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'sessions.db'}"
    one, other = mock_of(store=store, workers=2), mock_of(store=store, workers=2)
    try:
        stub(one, when={"first_message": re.compile("q3", re.IGNORECASE)}, answers=[{"status": 429}, {"status": 503}])
        assert [title(mock).status for mock in (other, one, other)] == [429, 503, 200]
        with pytest.raises(StubError, match="a function cannot be sent to another process"):
            stub(one, when={"first_message": str.isupper})
    finally:
        one.store.close()
        other.store.close()
