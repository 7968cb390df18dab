"""A stub is what was said of it; what its contract does not allow is refused when it is created."""

import json
import re
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.answer.body import BODILESS
from mockserver.answer.generate import generate
from mockserver.answer.prefer import NONE, Preference
from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.contract.openapi import EVENT_STREAM
from mockserver.contract.schema import Schema
from mockserver.engine import Mock
from mockserver.errors import StubError
from mockserver.matching import RESPONSE_KEYS
from mockserver.messages import Headers, Json, Response
from mockserver.settings import Settings
from mockserver.stub.response import UNSAID, json_media, merged, read_response
from tests.strategies import (
    BODIES,
    every_operation,
    json_values,
    judge,
    near,
    operations,
    own_document,
    seeds,
    target,
    wild_values,
    write_document,
)
from tests.talk import MESSAGE, ask, events, header, value, whole

STILL = datetime(2026, 4, 22, 12)
each_operation = pytest.mark.parametrize(("version", "name"), every_operation())
MOCKS = {version: Mock(Settings(seed=0, contract=version, clock=STILL)) for version in VERSIONS}
"""For stubs that are created, used and removed again."""


def stub(mock: Mock, operation: str, **answer: Any) -> None:
    """Create a stub."""
    mock.served.stubs.add("default", {"operation": operation, **answer})


def call(mock: Mock, version: str, name: str, session_id: str = "ses-1", **headers: str) -> Response:
    """Call an operation; what is streamed is read to its end."""
    operation = operations(version)[name]
    path = target(operation, session_id)
    return whole(ask(mock.handle, operation.method, path, BODIES.get(name), **headers))


def answered(version: str, name: str, **answer: Any) -> Response:
    """Create a stub, and give its answer."""
    mock = MOCKS[version]
    mock.store.remove_stubs("default")
    stub(mock, name, **answer)
    return call(mock, version, name)


def stubbing(version: str, name: str, **answer: Any) -> StubError | None:
    """Create a stub; give the refusal, if it is refused."""
    mock = MOCKS[version]
    mock.store.remove_stubs("default")
    try:
        stub(mock, name, **answer)
    except StubError as error:
        return error
    return None


def refusal(version: str, name: str, **answer: Any) -> StubError:
    """Give the refusal of a stub."""
    refused = stubbing(version, name, **answer)
    assert refused is not None
    assert refused.what
    return refused


def schema_of(version: str, name: str, status: int) -> Schema | None:
    media = json_media(operations(version)[name], status)
    return None if media is None else media.schema


# Reading


def test_of_an_answer_nothing_need_be_said() -> None:
    step = read_response({})
    assert (step.preference, step.status, step.partial, step.headers, step.faults) == (NONE, None, None, (), ())
    assert (step.times, step.invalid) == (1, False)
    assert step.body is UNSAID
    nothing = dict.fromkeys(set(RESPONSE_KEYS) - {"body", "times"})
    assert read_response(nothing) == step._replace(spec=nothing)


@pytest.mark.parametrize(
    ("said", "preference"),
    [
        ({"status": 429}, Preference(code=429)),
        ({"example": "x"}, Preference(example="x")),
        ({"dynamic": False}, Preference(dynamic=False)),
        ({"seed": 0}, Preference(seed=0)),
        ({"status": 200, "dynamic": True, "seed": 7}, Preference(200, None, True, 7)),
    ],
)
def test_an_answer_is_chosen_as_a_preference_chooses(said: Json, preference: Preference) -> None:
    assert read_response(said).preference == preference


def test_a_delay_is_the_first_of_the_faults() -> None:
    faults = read_response({"delay": 0.5, "faults": ["reset", {"slow-body": 5}]}).faults
    assert [each.as_json() for each in faults] == [
        {"delay": {"delay": 0.5}},
        "reset",
        {"slow-body": {"bytes_per_second": 5}},
    ]
    assert [each.kind for each in read_response({"delay": 0}).faults] == ["delay"]


@pytest.mark.parametrize(("times", "read"), [(1, 1), (3, 3), (2**31 - 1, 2**31 - 1), ("always", None)])
def test_an_answer_is_given_so_often_or_always(times: Any, read: int | None) -> None:
    assert read_response({"times": times}).times == read


@pytest.mark.parametrize(
    "wrong",
    [
        5,
        [],
        None,
        "429",
        {"statuses": 429},
        {"status": "429"},
        {"status": 199},
        {"status": 600},
        {"status": True},
        {"status": 429.0},
        {"example": 5},
        {"dynamic": "true"},
        {"dynamic": 1},
        {"seed": "7"},
        {"seed": True},
        {"seed": 1.5},
        {"body": {}, "partial": {}},
        {"body": {}, "example": "documented"},
        {"partial": []},
        {"partial": "x"},
        {"times": 0},
        {"times": -1},
        {"times": 1.0},
        {"times": True},
        {"times": None},
        {"times": "twice"},
        {"times": 2**31},
        {"invalid": "yes"},
        {"should_retry": "no"},
        {"headers": "x"},
        {"headers": ["x"]},
        {"delay": "long"},
        {"delay": -1},
        {"faults": "explode"},
        pytest.param({"body": object()}, id="body of no JSON"),
        {"body": {1, 2}},
        {"partial": {"x": b"bytes"}},
        {"body": {"x": STILL}, "invalid": True},
        {"body": float("nan")},
        {"body": "\ud800"},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
def test_what_cannot_be_meant_is_refused(wrong: Any) -> None:
    with pytest.raises(StubError) as refused:
        read_response(wrong)
    assert refused.value.why or refused.value.fix


loops: list[Any] = []
loops.append(loops)


@pytest.mark.parametrize("invalid", [False, True])
def test_a_body_that_has_no_end_is_refused(invalid: bool) -> None:
    with pytest.raises(StubError, match="a body is a value of JSON"):
        read_response({"body": loops, "invalid": invalid})


@given(st.dictionaries(st.sampled_from(RESPONSE_KEYS), wild_values, max_size=3) | wild_values)
def test_whatever_is_said_is_read_or_refused(said: Json) -> None:
    try:
        step = read_response(said)
    except StubError:
        return
    assert step.spec == said or "nan" in str(said).lower()


# Header fields


def test_header_fields_are_sent_as_they_are_said() -> None:
    response = answered(
        "2.6",
        "set_title",
        status=429,
        headers={"X-Note": "é", "x-number": 5},
        retry_after=1.5,
        retry_after_ms=20,
        should_retry=False,
    )
    found = dict(response.headers)
    assert found[b"x-note"] == b"\xe9"
    assert [header(response, name) for name in ("x-number", "retry-after", "retry-after-ms", "x-should-retry")] == [
        "5",
        "1.5",
        "20",
        "false",
    ]


def test_of_two_names_that_are_the_same_the_own_word_counts() -> None:
    response = answered("2.6", "set_title", headers={"Retry-After": "5", "X-Should-Retry": "x"}, retry_after="6")
    assert Headers(response.headers).all(b"retry-after") == ["6"]
    response = answered("2.6", "set_title", headers={"X-A": "1", "x-a": "2"}, should_retry=True)
    assert (Headers(response.headers).all(b"x-a"), header(response, "x-should-retry")) == (["2"], "true")


@given(st.text(max_size=6), st.text(max_size=6) | st.integers() | st.floats(0, 10) | json_values)
@example("x", " padded ")
@example("x", "a\r\nb: c")
@example("x", "")
@example("x", None)
@example("x", True)
@example("", "x")
@example("x y", "x")
@example("content-length", 5)
@example("Content-Type", "x")
@example("Transfer-Encoding", "x")
@example("Connection", "x")
@example("\u212a", "x")
def test_a_header_field_is_one_of_http_or_refused(name: str, text: Any) -> None:
    try:
        (field,) = read_response({"headers": {name: text}}).headers
    except StubError:
        plausible = re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) and name.lower() not in OURS
        printable = str(text).strip(" ").isprintable() and str(text).isprintable() and max(str(text) + " ") < "\u0100"
        sayable = isinstance(text, str | int | float) and not isinstance(text, bool)
        assert not (plausible and printable and sayable)
        return
    assert re.fullmatch(rb"[a-z0-9!#$%&'*+.^_`|~-]+", field[0])
    assert field[0] == name.lower().encode()
    assert re.fullmatch(rb"(?! )[\x20-\x7e\x80-\xff]*(?<! )", field[1])
    assert field[0].decode() not in OURS


OURS = ("content-length", "content-type", "transfer-encoding", "connection")

# What the contract allows


@each_operation
def test_each_declared_status_can_be_stubbed_and_is_answered_as_declared(version: str, name: str) -> None:
    for status, reply in operations(version)[name].exact.items():
        response = answered(version, name, status=status)
        assert response.status == status
        assert header(response, "x-mock-fault") is None
        assert header(response, "preference-applied") is None
        media = next((each for each in reply.media if each.type == header(response, "content-type")), None)
        assert media is not None or (not reply.media and response.body == b"")
        if media is not None:
            assert judge(version).errors_of(media, response.body) == []


@each_operation
@given(status=st.integers(200, 599))
def test_a_status_that_no_contract_declares_is_refused_with_those_that_are(
    version: str, name: str, status: int
) -> None:
    operation = operations(version)[name]
    refused = stubbing(version, name, status=status)
    assert (refused is None) is (status in operation.exact)
    if refused is not None:
        assert refused.what == f"{name} has no answer {status} in contract {version}"
        assert ", ".join(operation.replies) in refused.fix
        assert "say invalid" in refused.fix
        assert refused.where == operation.place


@each_operation
@given(data=st.data())
def test_a_body_is_allowed_where_its_schema_allows_it_and_sent_to_the_letter(
    version: str, name: str, data: st.DataObject
) -> None:
    status = data.draw(st.sampled_from(sorted(operations(version)[name].exact)))
    schema = schema_of(version, name, status)
    body = data.draw(json_values if schema is None else near(schema))
    refused = stubbing(version, name, status=status, body=body, extra=True)
    if schema is None:
        assert (refused is None) is (body is None)
        return
    errors = judge(version).errors(schema.pointer, body)
    assert (refused is None) is (not errors)
    if refused is None:
        response = call(MOCKS[version], version, name)
        assert (response.status, value(response)) == (status, body)
        assert (header(response, "content-type"), header(response, "x-mock-source")) == ("application/json", "stubbed")
    else:
        assert refused.what.startswith(f"the stub breaks the contract {version} at ")
        assert refused.where.startswith(f"{version}#/")


@given(st.sampled_from(["get_summary", "set_title", "create", "list", "retrieve"]), st.data())
def test_a_partial_body_is_merged_into_the_usual_one(name: str, data: st.DataObject) -> None:
    status = operations("2.6")[name].success
    schema = schema_of("2.6", name, status)
    assert schema is not None
    made = generate(schema, Random(data.draw(seeds)))
    keys = data.draw(st.sets(st.sampled_from(sorted(made))))
    partial = {key: made[key] for key in keys if not isinstance(made[key], dict)}
    fresh = Mock(Settings(seed=0, contract="2.6", clock=STILL))
    usual = value(call(fresh, "2.6", name))
    fresh = Mock(Settings(seed=0, contract="2.6", clock=STILL))
    stub(fresh, name, partial=partial)
    response = call(fresh, "2.6", name)
    assert value(response) == {**usual, **partial}
    assert header(response, "x-mock-source") == "simulated"


def test_a_partial_body_reaches_into_objects() -> None:
    response = answered(
        "2.6", "set_title", example="finished-run", partial={"job_metadata": {"turns": 77, "error": None}}
    )
    usual = value(answered("2.6", "set_title", example="finished-run"))
    assert usual["job_metadata"]["turns"] != 77
    assert value(response) == {**usual, "job_metadata": {**usual["job_metadata"], "turns": 77, "error": None}}


@pytest.mark.parametrize(
    ("partial", "where"), [({"session_id": 5}, "/session_id"), ({"job_metadata": {"turns": "many"}}, "/job_metadata")]
)
def test_a_partial_body_that_breaks_the_contract_is_refused(partial: Json, where: str) -> None:
    refused = refusal("2.6", "set_title", partial=partial)
    assert refused.what.startswith(f"the stub breaks the contract 2.6 at {where}")


@pytest.mark.parametrize(
    ("name", "why"), [("delete", "the answer has no JSON body"), ("stream", "the answer is a stream of events")]
)
def test_a_partial_body_needs_a_body_of_json(name: str, why: str) -> None:
    refused = refusal("2.6", name, partial={"x": 1})
    assert (refused.what, refused.why) == (f"no partial body fits {name} {operations('2.6')[name].success}", why)


@given(json_values, json_values)
def test_merging_twice_is_merging_once(one: Json, other: Json) -> None:
    made = merged(one, other)
    assert merged(made, other) == made
    assert merged(one, {}) == (one if isinstance(one, dict) else {})
    if isinstance(one, dict) and isinstance(other, dict):
        assert made.keys() == one.keys() | other.keys()
        assert all(made[key] == merged(one.get(key), other[key]) for key in other)
        assert all(made[key] == one[key] for key in one.keys() - other.keys())
    else:
        assert made == other


@each_operation
def test_an_unknown_example_is_refused_with_those_that_there_are(version: str, name: str) -> None:
    refused = refusal(version, name, example="no-such-example")
    assert refused.what == f"{name} has no example 'no-such-example'"
    names = [pair for pair in MOCKS[version].served.answers.names(operations_of(version)[name]) if pair[1]]
    assert all(f"{status} {example}" in refused.fix for status, example in names)


def operations_of(version: str) -> Any:
    return {each.id: each for each in MOCKS[version].served.contracts[0].operations}


@each_operation
def test_every_example_that_there_is_can_be_stubbed(version: str, name: str) -> None:
    for status, example_name in MOCKS[version].served.answers.names(operations_of(version)[name]):
        if example_name:
            response = answered(version, name, example=example_name)
            assert response.status in operations(version)[name].exact
            response = answered(version, name, example=example_name, status=status)
            assert (response.status, header(response, "x-mock-fault")) == (status, None)
            assert header(response, "x-mock-source") in ("canned", "documented", "simulated")


def test_an_example_of_another_status_is_refused() -> None:
    assert stubbing("2.6", "set_title", example="rate-limited", status=429) is None
    refused = refusal("2.6", "set_title", example="rate-limited", status=503)
    assert refused.fix == "there are 503 overloaded"


def test_a_generated_answer_is_that_of_its_seed() -> None:
    one, same, other = (answered("2.6", "get_summary", dynamic=True, seed=seed) for seed in (1, 1, 2))
    assert one.body == same.body != other.body
    assert header(one, "x-mock-source") == "generated"


FAULTS_OF_A_BODY = ["slow-body", "reset-body", "truncate", "malformed-json", "empty-body", "wrong-content-type"]


@pytest.mark.parametrize("fault", [*FAULTS_OF_A_BODY, "wrong-charset", {"break": {"missing": "/x"}}])
def test_what_is_wrong_with_a_body_is_refused_where_there_is_none(fault: Json) -> None:
    kind = fault if isinstance(fault, str) else "break"
    assert refusal("2.6", "delete", faults=fault).what == f"the fault {kind!r} needs a body"


@pytest.mark.parametrize("fault", ["cut-stream", "stall-stream", "unknown-event"])
@pytest.mark.parametrize(
    "answer", [("set_title", {}), ("delete", {}), ("stream", {"status": 429}), ("stream", {"body": {}})]
)
def test_what_is_wrong_with_a_stream_is_refused_where_there_is_none(fault: Json, answer: tuple[str, Json]) -> None:
    name, said = answer
    assert refusal("2.6", name, faults=fault, **said).what == f"the fault {fault!r} needs a stream"
    assert stubbing("2.6", "stream", faults=fault) is None


@pytest.mark.parametrize("pointer", ["/nonsense", "/job_metadata/nonsense", "/events"])
def test_a_break_of_a_field_that_no_answer_has_is_refused(pointer: str) -> None:
    assert (
        refusal("2.6", "get_summary", faults={"break": {"missing": pointer}}).what
        == f"no answer has the place {pointer!r}"
    )


def test_a_break_that_breaks_nothing_is_refused() -> None:
    refused = refusal("2.6", "get_summary", faults={"break": {"null": "/generated_title"}})
    assert (refused.what, refused.why) == ("/generated_title cannot be broken by null", "the contract 2.6 allows it")
    assert stubbing("2.6", "get_summary", status=404, faults={"break": {"null": "/detail"}}) is None
    assert (
        refusal("2.6", "get_summary", status=404, faults={"break": {"null": "/session_id"}}).fix == "see the contract"
    )


def test_a_stubbed_body_of_a_stream_is_no_event_to_be_broken() -> None:
    assert stubbing("2.6", "stream", faults={"break": {"missing": "/usage"}}) is None
    assert stubbing("2.6", "stream", body={"usage": 1}, faults={"break": {"missing": "/usage"}}) is not None


# What is wrong on purpose


def test_a_wrong_status_is_sent() -> None:
    response = answered("2.6", "set_title", status=299, invalid=True)
    assert (response.status, header(response, "x-mock-fault")) == (299, None)
    assert value(response)["generated_title"] == f"{MESSAGE}..."


@given(
    wild_values, st.sampled_from(["set_title", "stream", "create", "list"]), st.sampled_from([None, 200, 299, 404, 503])
)
def test_a_wrong_body_is_sent_to_the_letter(body: Json, name: str, status: int | None) -> None:
    response = answered("2.6", name, body=body, invalid=True, **({} if status is None else {"status": status}))
    expected = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    assert (response.status, response.body) == (status or operations("2.6")[name].success, expected)
    assert Headers(response.headers).all(b"content-type") == ["application/json"]
    assert Headers(response.headers).all(b"content-length") == [str(len(expected))]


def test_a_wrong_partial_body_is_merged_into_the_usual_one() -> None:
    response = answered("2.6", "set_title", partial={"session_id": 5, "more": [1]}, invalid=True)
    assert value(response) == {**value(answered("2.6", "set_title")), "session_id": 5, "more": [1]}


@pytest.mark.parametrize("status", BODILESS)
@pytest.mark.parametrize("name", ["set_title", "stream", "delete"])
def test_a_wrong_status_that_has_no_body_has_none(status: int, name: str) -> None:
    response = answered("2.6", name, status=status, invalid=True)
    assert (response.status, response.body, header(response, "x-mock-fault")) == (status, b"", None)
    assert not {b"content-length", b"content-type"} & Headers(response.headers).keys()


@pytest.mark.parametrize(
    ("name", "said"),
    [("delete", {}), ("delete", {"status": 204}), ("set_title", {"status": 204}), ("set_title", {"status": 304})],
)
@pytest.mark.parametrize("part", ["body", "partial"])
def test_a_wrong_body_under_a_status_that_has_none_is_refused(name: str, said: Json, part: str) -> None:
    refused = refusal("2.6", name, **said, **{part: {"x": 1}}, invalid=True)
    assert re.fullmatch(r"an answer (204|304) has no body, as HTTP says", refused.what)


def test_a_wrong_body_stands_where_there_is_usually_none() -> None:
    response = answered("2.6", "delete", status=200, body={"gone": True}, invalid=True)
    assert (response.status, value(response)) == (200, {"gone": True})


@pytest.mark.parametrize("invalid", [False, True])
def test_an_operation_whose_body_is_stubbed_is_not_played(invalid: bool) -> None:
    mock = Mock(Settings(seed=0, contract="2.6"))
    usual = value(call(mock, "2.6", "get_summary"))
    for name in ("set_title", "stream"):
        stub(mock, name, body={**usual, "generated_title": "Stubbed"}, invalid=invalid)
        assert value(call(mock, "2.6", name))["generated_title"] == "Stubbed"
    after = value(call(mock, "2.6", "retrieve"))
    assert (after["generated_title"], after["events"]) == (None, [])


def test_an_operation_of_which_a_part_is_stubbed_is_played() -> None:
    mock = Mock(Settings(seed=0, contract="2.6"))
    stub(mock, "set_title", partial={"generated_title": "Stubbed"})
    assert value(call(mock, "2.6", "set_title"))["generated_title"] == "Stubbed"
    assert value(call(mock, "2.6", "get_summary"))["generated_title"] == f"{MESSAGE}..."


# Streams


def test_a_stubbed_script_is_told() -> None:
    kinds = [event["type"] for event in events(answered("2.6", "stream", example="two-tools").body)]
    assert kinds.count("tool_call") == 2


@pytest.mark.parametrize("body", [{}, None, [], "text", 12, {"type": "stop"}])
def test_a_stream_may_be_answered_by_any_body_of_json(body: Json) -> None:
    response = answered("2.6", "stream", body=body)
    assert (value(response), header(response, "content-type")) == (body, "application/json")


# A contract of one's own


def own(folder: Path, **media: Json) -> Mock:
    """Serve a contract of one's own, whose first reply has other representations."""
    document = own_document()
    document["components"]["responses"]["Note"]["content"] = media or {"application/json": {}}
    return Mock(Settings(seed=0, contract=str(write_document(folder, document))))


@pytest.fixture
def texts(tmp_path: Path) -> Mock:
    return own(tmp_path, **{"text/plain": {"schema": {"type": "string"}, "examples": {"one": {"value": "Hello"}}}})


@pytest.mark.parametrize("fault", ["malformed-json", {"break": {"missing": "/x"}}])
def test_a_text_is_no_json_to_be_broken(texts: Mock, fault: Json) -> None:
    with pytest.raises(StubError, match="needs JSON\n  why: read answers text/plain"):
        stub(texts, "read", faults=fault)


def test_a_text_may_be_stubbed_and_cut(texts: Mock) -> None:
    stub(texts, "read", body="Good day", faults={"truncate": 4})
    response = ask(texts.handle, "GET", "/notes/1")
    assert (response.body, header(response, "content-type")) == (b"Good", "text/plain")


def test_of_a_body_without_a_schema_nothing_can_be_broken(tmp_path: Path) -> None:
    mock = own(tmp_path)
    with pytest.raises(StubError, match="the contract does not describe the body"):
        stub(mock, "read", faults={"break": {"missing": "/x"}})


def test_a_stream_without_events_cannot_be_cut_and_says_so(tmp_path: Path) -> None:
    mock = own(tmp_path, **{EVENT_STREAM: {"example": ""}})
    stub(mock, "read", faults="unknown-event")
    response = ask(mock.handle, "GET", "/notes/1")
    assert (response.status, header(response, "x-mock-fault")) == (500, "stub")
    assert "the stream has no events" in (header(response, "x-mock-message") or "")
