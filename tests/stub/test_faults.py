"""A fault does to an answer what its name says, and nothing else; what cannot be read or done is refused."""

import json
import re
from random import Random
from statistics import median
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from mockserver.apis.llamacloud_chat.pack import ChatSettings, style
from mockserver.contract.schema import Schema
from mockserver.errors import StubError
from mockserver.messages import Chunk, Delivery, Headers, Json, Response, Stream
from mockserver.stub.faults import KINDS, LONGEST, STALL, SURPRISE, damaged, read_faults, seconds
from tests.apis.test_turns import turn_of
from tests.strategies import ROOT, contract_of, json_values, judge, operations, seeds, wild_values
from tests.talk import events, whole

SUMMARY: Json = {
    "session_id": "ses-1",
    "generated_title": "Findings é",
    "last_updated_at": "2026-04-22T12:34:41.342245",
    "job_metadata": None,
    "index_ids": ["idx-1"],
}
TURN = turn_of("What were the main findings in Q3?", ["idx-1", "idx-2"])
SIZE = len(TURN)
STYLE = style(ChatSettings())


def summary_schema() -> Schema:
    schema = operations("2.6")["get_summary"].exact[200].media[0].schema
    assert schema is not None
    return schema


def event_schema() -> Schema:
    return next(
        each.item_schema for each in operations("2.6")["stream"].exact[200].media if each.item_schema is not None
    )


def plain(value: Json = SUMMARY) -> Response:
    """Give an answer whose body is a value of JSON."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return Response(200, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))], body)


class Told(NamedTuple):
    """An answer that is a stream, and the numbers of events with which it was closed."""

    response: Response
    closed: list[int]


def told(turn: list[Json] = TURN, pause: float = 0.0) -> Told:
    """Give an answer that tells a turn, the last event of which is written when it is closed, as the mock's are."""
    closed: list[int] = []

    def close(sent: int) -> bytes:
        closed.append(sent)
        return STYLE.text(turn[-1]).encode()

    texts = [*(STYLE.text(event).encode() for event in turn[:-1]), b""]
    chunks = [Chunk(pause * number, text) for number, text in enumerate(texts)]
    stream = Stream(chunks, close, 15.0, STYLE.text(turn[-1]).encode())
    return Told(Response(200, [(b"content-type", b"text/event-stream")], b"", stream), closed)


def done(response: Response, *faults: Json, seed: int = 0) -> Response:
    """Do faults to an answer."""
    streams = response.stream is not None
    schema = event_schema() if streams else summary_schema()
    return damaged(response, read_faults(list(faults)), Random(seed), schema)


def told_text(response: Response) -> bytes:
    return whole(response).body


def delivery(response: Response) -> Delivery:
    assert response.delivery is not None
    return response.delivery


# Reading


def documented() -> dict[str, list[Json]]:
    """Give the kinds of the documents with the examples that stand beside them."""
    text = (ROOT / "docs" / "testing.md").read_text("utf-8")
    table = text.partition("## Faults")[2].partition("\n\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", table, re.MULTILINE)
    examples = {name: re.findall(r"`(\{[^`]*\})`", cell.replace("{...}", "{}")) for name, cell in rows}
    return {name: [json.loads(each) for each in found] for name, found in examples.items()}


def test_the_documents_tell_all_kinds_and_no_others() -> None:
    assert list(documented()) == list(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_every_documented_example_can_be_read(name: str) -> None:
    for each in documented()[name]:
        (fault,) = read_faults(each)
        assert fault.kind == name


@pytest.mark.parametrize(
    ("given", "kind", "options"),
    [
        ("reset", "reset", {}),
        ({"reset": None}, "reset", {}),
        ({"reset": {}}, "reset", {}),
        ("delay", "delay", {"delay": 1.0}),
        ({"delay": 2}, "delay", {"delay": 2}),
        ({"delay": {"delay": 2}}, "delay", {"delay": 2}),
        ({"delay": {"uniform": [0, 1]}}, "delay", {"delay": {"uniform": [0, 1]}}),
        ({"delay": {"delay": {"lognormal": [0.2, 0.5]}}}, "delay", {"delay": {"lognormal": [0.2, 0.5]}}),
        ("slow-body", "slow-body", {"bytes_per_second": 100}),
        ({"slow-body": 7}, "slow-body", {"bytes_per_second": 7}),
        ("truncate", "truncate", {}),
        ({"truncate": 0}, "truncate", {"after": 0}),
        ({"reset-body": {"after": 3}}, "reset-body", {"after": 3}),
        ("wrong-content-type", "wrong-content-type", {"type": "text/html"}),
        ({"wrong-content-type": "text/plain"}, "wrong-content-type", {"type": "text/plain"}),
        ({"break": {"missing": "/x", "null": None}}, "break", {"missing": "/x"}),
        ("cut-stream", "cut-stream", {"after": 1, "how": "close"}),
        ({"cut-stream": 2}, "cut-stream", {"after": 2, "how": "close"}),
        ({"cut-stream": {"how": "end"}}, "cut-stream", {"after": 1, "how": "end"}),
        ({"stall-stream": {"seconds": 30}}, "stall-stream", {"after": 1, "seconds": 30}),
        ("stall-stream", "stall-stream", {"after": 1, "seconds": STALL}),
        ({"unknown-event": 0}, "unknown-event", {"at": 0, "event": SURPRISE}),
    ],
)
def test_a_fault_is_named_alone_with_a_value_or_with_options(given: Json, kind: str, options: Json) -> None:
    (fault,) = read_faults(given)
    assert (fault.kind, dict(fault.options)) == (kind, options)
    assert read_faults(fault.as_json()) == (fault,)


def test_faults_are_none_one_or_a_list_in_its_order() -> None:
    assert read_faults(None) == read_faults([]) == ()
    assert [each.kind for each in read_faults(["reset", {"delay": 1}])] == ["reset", "delay"]
    assert read_faults(("reset",)) == read_faults("reset")


@pytest.mark.parametrize(
    "wrong",
    [
        "resets",
        "",
        7,
        True,
        [["reset"]],
        [None],
        {},
        {"reset": 1},
        {"reset": {"after": 1}},
        {"close": True},
        {"reset": {}, "close": {}},
        {"delay": -1},
        {"delay": "1"},
        {"delay": True},
        {"delay": LONGEST + 1},
        {"delay": float("nan")},
        {"delay": float("inf")},
        {"delay": {"uniform": [2, 1]}},
        {"delay": {"uniform": [1]}},
        {"delay": {"uniform": 1}},
        {"delay": {"uniform": [0, 1e9]}},
        {"delay": {"normal": [1, 1]}},
        {"delay": {"lognormal": [1, 11]}},
        {"delay": {"lognormal": [10**400, 1]}},
        {"delay": {"uniform": [0, 1], "lognormal": [1, 1]}},
        {"slow-body": 0},
        {"slow-body": -1},
        {"slow-body": 1e-300},
        {"slow-body": 10**400},
        {"slow-body": {"rate": 5}},
        {"truncate": -1},
        {"truncate": 1.5},
        {"truncate": 2**31},
        {"truncate": {"before": 1}},
        {"malformed-json": 1},
        {"wrong-content-type": ""},
        {"wrong-content-type": 5},
        {"wrong-content-type": "text/html\r\nx: y"},
        {"wrong-content-type": " text/html"},
        {"wrong-content-type": "text/é"},
        {"wrong-content-type": "x" * 201},
        "break",
        {"break": {}},
        {"break": "/session_id"},
        {"break": {"missing": "session_id"}},
        {"break": {"missing": 5}},
        {"break": {"missing": "/x", "null": "/x"}},
        {"break": {"removed": "/x"}},
        {"cut-stream": {"how": "explode"}},
        {"cut-stream": {"how": ["close"]}},
        {"cut-stream": "close"},
        {"stall-stream": {"seconds": LONGEST + 1}},
        {"stall-stream": {"seconds": "long"}},
        {"unknown-event": {"event": 5}},
        {"unknown-event": {"event": {"x": object()}}},
        {"unknown-event": {"event": {"x": float("nan")}}},
        {"unknown-event": -1},
    ],
    ids=lambda wrong: str(wrong)[:50],
)
def test_what_cannot_be_meant_is_refused_with_what_can(wrong: Json) -> None:
    with pytest.raises(StubError) as refused:
        read_faults(wrong)
    assert refused.value.what
    assert refused.value.fix


def test_a_misspelt_fault_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(StubError) as refused:
        read_faults("cut-streem")
    assert refused.value.fix.startswith("did you mean 'cut-stream'? the faults are delay, ")


hard_numbers = st.sampled_from([0, -1, 1e-320, 1e308, 10**400, 2**31, float("nan"), float("inf"), True])
values = st.one_of(wild_values, hard_numbers)
options = st.dictionaries(
    st.sampled_from(
        "delay uniform lognormal bytes_per_second after how seconds at event type missing null wrong-type".split()
    ),
    values | st.tuples(hard_numbers, hard_numbers).map(list) | st.just("/session_id"),
    max_size=2,
)
specs = st.one_of(
    values,
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(st.sampled_from(sorted(KINDS)), values | options, min_size=1, max_size=1),
)


@given(st.lists(specs, max_size=3) | specs, seeds, st.booleans())
@example([{"slow-body": 10**400}], 0, False)
@example([{"delay": {"lognormal": [10**400, 1]}}], 0, True)
@example(["malformed-json", {"break": {"missing": "/session_id"}}], 0, False)
@example(["malformed-json", {"break": {"missing": "/content"}}], 0, True)
@example(["wrong-charset", {"break": {"missing": "/session_id"}}], 0, False)
@example([{"cut-stream": 0}, "unknown-event"], 0, True)
@example(["empty-body", "wrong-charset"], 0, True)
def test_whatever_is_asked_for_is_refused_or_done(given: Json, seed: int, streams: bool) -> None:
    response = told().response if streams else plain()
    try:
        made = done(response, *(given if isinstance(given, list) else [given]), seed=seed)
    except StubError:
        return
    assert made.status == 200
    assert all(isinstance(value, bytes) for field in made.headers for value in field)
    if made.delivery is not None:
        assert 0 <= made.delivery.delay <= LONGEST
        assert 0 <= made.delivery.hold <= LONGEST
    assert isinstance(whole(made).body, bytes)


# Time


@given(seeds, st.floats(0, 10), st.floats(0, 10))
def test_a_delay_is_drawn_between_its_ends(seed: int, low: float, width: float) -> None:
    made = delivery(done(plain(), {"delay": {"uniform": [low, low + width]}}, seed=seed))
    assert low <= made.delay <= low + width
    assert made == Delivery(delay=made.delay)


@given(seeds, st.floats(0, 1e12), st.floats(0, 10))
def test_a_delay_is_never_longer_than_a_day(seed: int, typical: float, sigma: float) -> None:
    assert 0 <= seconds({"lognormal": [typical, sigma]}, Random(seed)) <= LONGEST


def test_half_of_the_drawn_delays_are_shorter_than_their_median() -> None:
    drawn = [seconds({"lognormal": [0.2, 0.5]}, Random(seed)) for seed in range(2_000)]
    assert 0.19 < median(drawn) < 0.21
    assert max(drawn) > 0.6


def test_a_delay_leaves_the_answer_as_it_is() -> None:
    before = plain()
    assert structs.replace(done(before, {"delay": 2}), delivery=None) == before
    assert delivery(done(before, {"delay": 2})).delay == 2


def test_a_slow_body_is_the_body() -> None:
    before = plain()
    made = done(before, {"slow-body": 50})
    assert made == structs.replace(before, delivery=Delivery(rate=50.0))


@given(st.floats(0.01, 10_000), st.floats(0, 3))
def test_a_slow_stream_tells_its_bytes_at_its_rate_and_no_event_early(rate: float, pause: float) -> None:
    before = told(pause=pause).response
    made = done(before, {"slow-body": rate})
    assert (made.stream, before.stream) != (None, None)
    assert made.stream is not None
    assert before.stream is not None
    pairs = list(zip(made.stream.chunks, before.stream.chunks, strict=True))
    sent = 0
    for late, early in pairs:
        sent += len(late.data)
        assert late.data == early.data
        assert late.at >= early.at
        assert late.at >= sent / rate * (1 - 1e-9)
    assert pairs[-1][0].at <= pairs[-1][1].at + sent / rate * (1 + 1e-9)
    assert events(told_text(made)) == TURN


# No answer, or a part of one


@pytest.mark.parametrize("kind", ["close", "reset"])
@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_may_fail_to_come(kind: str, streams: bool) -> None:
    made = done(told().response if streams else plain(), kind)
    assert delivery(made) == Delivery(end=kind, unanswered=True)  # type: ignore[arg-type]  # of two words


ENDS = {"truncate": "close", "reset-body": "reset"}


@given(st.sampled_from(sorted(ENDS)), st.integers(0, 300))
def test_a_cut_body_is_the_first_bytes_under_the_whole_length(kind: str, after: int) -> None:
    before = plain()
    made = done(before, {kind: after})
    assert made.body == before.body[: min(after, len(before.body) - 1)]
    assert (made.status, made.headers) == (before.status, before.headers)
    assert delivery(made).end == ENDS[kind]


@pytest.mark.parametrize("kind", ENDS)
def test_a_body_is_cut_in_its_middle_where_nothing_is_said(kind: str) -> None:
    assert len(done(plain(), kind).body) == len(plain().body) // 2


@given(st.sampled_from(sorted(ENDS)), st.integers(0, 3_000), st.integers(0, 40))
def test_a_stream_is_cut_after_so_many_bytes_and_is_kept_as_broken_off(kind: str, after: int, sent: int) -> None:
    before, closed = told()
    made = done(before, {kind: after})
    assert made.stream is not None
    data = b"".join(chunk.data for chunk in made.stream.chunks)
    all_but_last = b"".join(STYLE.text(event).encode() for event in TURN[:-1])
    assert data == all_but_last[:after]
    assert delivery(made).end == ENDS[kind]
    assert made.stream.close(sent) == b""
    (count,) = closed
    assert count <= sent
    assert count < SIZE - 1 or after >= len(all_but_last)
    assert len(b"".join(STYLE.text(event).encode() for event in TURN[:count])) <= after


@pytest.mark.parametrize("after", [0, 1, 3, SIZE - 2, SIZE - 1, 1_000])
@pytest.mark.parametrize("how", ["close", "reset", "end"])
def test_a_cut_stream_has_so_many_events_and_never_its_stop(after: int, how: str) -> None:
    before, closed = told(pause=0.1)
    made = done(before, {"cut-stream": {"after": after, "how": how}})
    assert (made.delivery is None) is (how == "end")
    assert (made.delivery or Delivery()).end == ("" if how == "end" else how)
    assert made.stream is not None
    assert made.stream.keep_alive == 15.0
    assert [chunk.at for chunk in made.stream.chunks] == [0.1 * number for number in range(len(made.stream.chunks))]
    assert events(told_text(made)) == TURN[: min(after, SIZE - 1)]
    assert closed == [min(after, SIZE - 1)]


def test_a_stalled_stream_is_silent_and_then_gone() -> None:
    before, closed = told()
    made = done(before, {"stall-stream": {"after": 2, "seconds": 30}})
    assert delivery(made) == Delivery(hold=30.0, end="close")
    assert events(told_text(made)) == TURN[:2]
    assert closed == [2]


# Another body


def content_type(response: Response) -> str | None:
    return Headers(response.headers).text(b"content-type")


def assert_told_length(response: Response) -> None:
    assert Headers(response.headers).all(b"content-length") == [str(len(response.body))]


@given(wild_values)
@example(12)
@example(-12)
@example(1.5)
@example({})
@example([])
@example("")
@example("\x80")
@example(None)
@example({"a": 'say "data: 12'})
def test_malformed_json_is_the_beginning_of_the_body_and_no_json(value: Json) -> None:
    before = plain(value)
    made = done(before, "malformed-json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(made.body)
    assert before.body.startswith(made.body.removesuffix(b"{"))
    assert content_type(made) == "application/json"
    assert_told_length(made)


@given(json_values)
@example({"a": "b"})
@example({"a": 1})
@example("")
def test_a_wrong_charset_is_no_utf_8_and_says_so(value: Json) -> None:
    before = plain(value)
    made = done(before, "wrong-charset")
    with pytest.raises(UnicodeDecodeError):
        made.body.decode("utf-8")
    assert content_type(made) == "application/json; charset=utf-8"
    assert made.body.replace(b"\xe9", b"") == before.body.replace(b"\xe9", b"")
    assert_told_length(made)


def test_a_wrong_charset_is_a_latin_text() -> None:
    made = done(plain({"title": "Findings"}), "wrong-charset")
    assert json.loads(made.body.decode("latin-1")) == {"title": "éFindings"}


def test_an_empty_body_stands_under_the_same_head() -> None:
    made = done(plain(), "empty-body")
    assert (made.status, made.body, content_type(made)) == (200, b"", "application/json")
    assert_told_length(made)


@pytest.mark.parametrize("streams", [False, True])
def test_a_wrong_content_type_is_all_that_is_wrong(streams: bool) -> None:
    before = told().response if streams else plain()
    made = done(before, {"wrong-content-type": "text/plain"})
    assert content_type(made) == "text/plain"
    assert told_text(made) == told_text(before)
    assert content_type(done(before, "wrong-content-type")) == "text/html"


@pytest.mark.parametrize(
    ("way", "made"),
    [
        ({"missing": "/session_id"}, {key: value for key, value in SUMMARY.items() if key != "session_id"}),
        ({"null": "/session_id"}, {**SUMMARY, "session_id": None}),
        ({"wrong-type": "/generated_title"}, {**SUMMARY, "generated_title": 17}),
        ({"wrong-type": "/index_ids/0"}, {**SUMMARY, "index_ids": [17]}),
    ],
    ids=str,
)
def test_a_break_breaks_one_field(way: Json, made: Json) -> None:
    response = done(plain(), {"break": way})
    assert json.loads(response.body) == made
    assert ("é" in str(made)) is ("é".encode() in response.body)
    assert judge("2.6").errors(summary_schema().pointer, made)
    assert_told_length(response)


def test_a_break_needs_a_schema() -> None:
    with pytest.raises(StubError, match="the contract does not describe the body"):
        damaged(plain(), read_faults({"break": {"missing": "/x"}}), Random(0), None)


@pytest.mark.parametrize("kind", [name for name, each in KINDS.items() if each.body in ("body", "json")])
def test_what_is_wrong_with_a_body_needs_one(kind: str) -> None:
    fault = {"break": {"missing": "/session_id"}} if kind == "break" else kind
    with pytest.raises(StubError, match=f"the fault '{kind}' cannot be done\n  why: the answer has no body"):
        done(Response(204, []), fault)


@pytest.mark.parametrize("kind", [name for name, each in KINDS.items() if each.body == "stream"])
def test_what_is_wrong_with_a_stream_needs_one(kind: str) -> None:
    with pytest.raises(StubError, match="the answer is no stream of events"):
        done(plain(), kind)


@pytest.mark.parametrize("kind", [name for name, each in KINDS.items() if each.body and name != "break"])
def test_a_stream_without_events_is_refused(kind: str) -> None:
    with pytest.raises(StubError, match="the stream has no events"):
        done(Response(200, [], b"", Stream([], lambda _: b"")), kind)


# Another stream


def lines(text: bytes) -> list[bytes]:
    return [line.removeprefix(b"data: ") for line in text.split(b"\n") if line.startswith(b"data: ")]


def test_the_first_event_of_a_stream_is_malformed() -> None:
    first, *rest = lines(told_text(done(told().response, "malformed-json")))
    with pytest.raises(json.JSONDecodeError):
        json.loads(first)
    assert list(map(json.loads, rest)) == TURN[1:]


def test_the_first_event_of_a_stream_has_the_wrong_charset() -> None:
    made = done(told().response, "wrong-charset")
    assert content_type(made) == "text/event-stream; charset=utf-8"
    first, *rest = lines(told_text(made))
    with pytest.raises(UnicodeDecodeError):
        first.decode()
    assert list(map(json.loads, rest)) == TURN[1:]


def test_an_empty_stream_ends_at_once_and_is_kept_as_broken_off() -> None:
    before, closed = told()
    made = done(before, "empty-body")
    assert told_text(made) == b""
    assert made.delivery is None
    assert closed == [0]


FIELDS = [
    ("missing", "/content", "thinking_delta"),
    ("wrong-value", "/type", "thinking_delta"),
    ("missing", "/call_id", "tool_call"),
    ("wrong-type", "/arguments", "tool_call"),
    ("missing", "/result", "tool_result"),
    ("missing", "/usage", "stop"),
    ("null", "/is_error", "stop"),
    ("wrong-type", "/usage/turns", "stop"),
]


@pytest.mark.parametrize(("way", "pointer", "kind"), FIELDS)
def test_the_first_event_with_such_a_field_is_broken_and_no_other(way: str, pointer: str, kind: str) -> None:
    before, closed = told()
    made = events(told_text(done(before, {"break": {way: pointer}})))
    index = next(index for index, event in enumerate(TURN) if event["type"] == kind)
    assert judge("2.6").errors(event_schema().pointer, made[index])
    assert [*made[:index], *made[index + 1 :]] == [*TURN[:index], *TURN[index + 1 :]]
    assert closed == [SIZE]


@pytest.mark.parametrize("pointer", ["/nonsense", "/image_attachment/source_id"])
def test_a_field_that_no_event_of_the_stream_has_cannot_be_broken(pointer: str) -> None:
    with pytest.raises(StubError, match=f"no event can be broken at {pointer} by missing"):
        done(told().response, {"break": {"missing": pointer}})


def test_the_stop_of_a_stream_that_is_cut_before_it_cannot_be_broken() -> None:
    with pytest.raises(StubError, match="no event can be broken at /usage by missing"):
        done(told().response, {"cut-stream": 3}, {"break": {"missing": "/usage"}})


@pytest.mark.parametrize("fault", ["malformed-json", "wrong-charset", {"break": {"missing": "/usage"}}])
def test_a_turn_that_is_a_stop_alone_can_be_damaged(fault: Json) -> None:
    stop = TURN[-1]
    before = told([stop]).response
    made = damaged(before, read_faults(fault), Random(0), event_schema())
    assert told_text(made) != told_text(before)


@pytest.mark.parametrize("at", [0, 1, 5, SIZE - 1, 1_000])
@pytest.mark.parametrize("sent", [0, 1, 2, 6, SIZE + 1])
def test_an_unknown_event_is_told_at_its_place_and_not_counted(at: int, sent: int) -> None:
    before, closed = told(pause=0.1)
    event = {"type": "news", "content": "é"}
    made = done(before, {"unknown-event": {"at": at, "event": event}})
    assert made.stream is not None
    place = min(at, SIZE - 1)
    made.stream.close(sent)
    assert closed == [sent - (sent > place)]
    assert events(told_text(made)) == [*TURN[:place], event, *TURN[place:]]
    times = [chunk.at for chunk in made.stream.chunks]
    assert times == sorted(times)


def test_the_surprise_is_in_no_contract() -> None:
    for version in ("2.6", "2.8", "2.17"):
        assert judge(version).errors(event_schema().pointer, SURPRISE)
        assert contract_of(version).document["components"]["schemas"]["Event"]
    assert SURPRISE in events(told_text(done(told().response, "unknown-event")))


# Several


def test_several_faults_are_done_one_after_the_other() -> None:
    made = done(plain(), {"delay": 2}, {"break": {"missing": "/session_id"}}, {"slow-body": 50}, {"truncate": 4})
    assert delivery(made) == Delivery(delay=2.0, rate=50.0, end="close")
    assert made.body == b'{"ge'


def test_a_body_that_is_no_json_any_more_cannot_be_broken() -> None:
    for fault in ("malformed-json", "wrong-charset"):
        with pytest.raises(StubError, match="the body is not JSON any more"):
            done(plain(), fault, {"break": {"missing": "/session_id"}})


@given(seeds, seeds)
def test_chance_alone_decides(one: int, other: int) -> None:
    fault: Any = {"delay": {"uniform": [0, 1]}}
    same = delivery(done(plain(), fault, seed=one)).delay == delivery(done(plain(), fault, seed=other)).delay
    assert same is (one == other)
