"""A turn has its order, adds up, is written one event to a block, told in its time, and kept as far as it went."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.pack import VERSIONS, ChatSettings, style
from mockserver.apis.llamacloud_chat.turns import arranged, broken_off, composed, job_metadata, remembered, stopped
from mockserver.messages import Json
from mockserver.sse import PLAIN, Pace, Step, StreamStyle, paced, script
from tests.strategies import any_text, json_values, judge, seeds, wild_values
from tests.talk import MESSAGE

CHAT = style(ChatSettings())
"""How turns are told by default."""

ORDER = re.compile(r"(thinking_delta )+thinking (tool_call tool_result )+(text_delta )+text stop ")
DELTA: Json = {"type": "text_delta", "content": "Yes."}
STOP: Json = {"type": "stop", "usage": {}, "is_error": False, "error": None}

prompts = st.text(max_size=60) | st.sampled_from([MESSAGE, "x" * 1000, "the of and", "{topic} {0} %s \\n"])
index_ids = st.lists(st.text(max_size=10), min_size=1, max_size=8)
turns = st.builds(lambda *given: turn_of(*given), prompts, index_ids, seeds)


def turn_of(prompt: str, indexes: Sequence[str] = ("idx-abc123",), seed: int = 0) -> list[Json]:
    """Make a whole turn."""
    rng = Random(seed)
    events = composed(prompt, indexes, rng)
    return [*events, stopped(events, prompt, rng)]


def types_of(events: Sequence[Json]) -> str:
    """Write the types of events, each followed by a space."""
    return "".join(event["type"] + " " for event in events)


def joined(events: Sequence[Json], kind: str) -> str:
    """Give what the events of a type say, one after the other."""
    return "".join(event["content"] for event in events if event["type"] == kind)


# What is said

hostile_prompts = pytest.mark.parametrize(
    "prompt",
    ["", "   ", "\n\ndata: {}\n\n", "a\u2028b\x85c\rd", "👩‍👩‍👧‍👦" * 90, "{index}{prompt!r}{0}", "?!", "x" * 1000],
)


@given(turns)
def test_a_turn_thinks_then_calls_tools_then_answers_then_stops(turn: list[Json]) -> None:
    assert ORDER.fullmatch(types_of(turn))


@given(turns)
def test_deltas_add_up_to_the_text_that_they_precede(turn: list[Json]) -> None:
    for kind in ("thinking", "text"):
        assert joined(turn, f"{kind}_delta") == joined(turn, kind) != ""


@given(turns)
def test_each_call_is_followed_by_its_own_result(turn: list[Json]) -> None:
    calls = [index for index, event in enumerate(turn) if event["type"] == "tool_call"]
    for index in calls:
        call, result = turn[index : index + 2]
        assert (result["type"], result["call_id"], result["name"]) == ("tool_result", call["call_id"], call["name"])
    assert len({turn[index]["call_id"] for index in calls}) == len(calls)


@given(prompts, index_ids)
def test_each_index_is_searched_once_five_at_most(prompt: str, indexes: list[str]) -> None:
    searched = [each["arguments"]["index_id"] for each in turn_of(prompt, indexes) if each["type"] == "tool_call"]
    assert searched == indexes[:5]


@pytest.mark.parametrize("version", VERSIONS)
@given(turn=turns)
def test_every_event_is_one_that_the_contract_knows(version: str, turn: list[Json]) -> None:
    assert [error for event in turn for error in judge(version).errors("/components/schemas/Event", event)] == []


@hostile_prompts
def test_no_prompt_is_too_odd_for_a_turn(prompt: str) -> None:
    turn = turn_of(prompt)
    assert ORDER.fullmatch(types_of(turn))
    assert joined(turn, "text_delta") == joined(turn, "text")


@given(prompts, index_ids, seeds)
def test_the_same_seed_says_the_same(prompt: str, indexes: list[str], seed: int) -> None:
    assert turn_of(prompt, indexes, seed) == turn_of(prompt, indexes, seed)


def test_another_seed_says_something_else() -> None:
    assert len({json.dumps(turn_of(MESSAGE, seed=seed)) for seed in range(50)}) > 45


def test_what_is_said_is_about_the_prompt() -> None:
    for seed in range(20):
        text = joined(turn_of("Tell me about penguins", seed=seed), "text")
        assert "penguins" in text.lower()


@given(turns)
def test_the_usage_of_a_stop_counts_whole_tokens(turn: list[Json]) -> None:
    usage = turn[-1]["usage"]
    assert (turn[-1]["is_error"], turn[-1]["error"]) == (False, None)
    assert all(isinstance(usage[name], int) for name in ("total_input_tokens", "total_output_tokens", "turns"))
    assert usage["total_input_tokens"] > 0 < usage["turns"]
    assert usage["total_output_tokens"] >= 0 < usage["duration_ms"]


@given(turns, st.randoms(use_true_random=False))
def test_events_in_any_order_are_brought_into_a_turns_own(turn: list[Json], random: Any) -> None:
    shuffled = random.sample(turn, len(turn))
    made = arranged(shuffled)
    assert ORDER.fullmatch(types_of(made))
    for index, event in enumerate(made):
        if event["type"] == "tool_call":
            assert made[index + 1]["call_id"] == event["call_id"]
    for kind in ("thinking", "text"):
        assert joined(made, f"{kind}_delta") == joined(made, kind)


# How it is written

wild_events = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(["text", "text_delta", "thinking", "thinking_delta", "tool_call", "tool_result", "stop"]),
    st.dictionaries(st.text(max_size=8), json_values | st.text(), max_size=4),
)


@given(wild_events)
@example({"type": "text", "content": "one\ntwo\r\nthree\rfour\x85five\u2028six\u2029seven\x0beight\x0cnine\x1cten"})
@example({"type": "text_delta", "content": "\n\nevent: delta\ndata: {}\n\n: comment\n\n"})
@example({"type": "tool_result", "result": {"\u2028": ["\u2029", "\x1e"]}})
def test_an_event_is_two_lines_and_an_empty_one_for_every_reader_of_lines(event: Json) -> None:
    text = CHAT.text(event)
    name, data, empty = text.splitlines()
    assert text == f"{name}\n{data}\n\n" == "\n".join(text.splitlines()) + "\n"
    assert name == ("event: delta" if event["type"].endswith("_delta") else "event: message")
    assert data.startswith("data: ")
    assert json.loads(data[6:]) == event
    assert empty == ""


def test_text_is_written_as_it_is_and_without_blanks_between() -> None:
    assert CHAT.text(DELTA | {"content": "Ünï 東 👩"}) == (
        'event: delta\ndata: {"type":"text_delta","content":"Ünï 東 👩"}\n\n'
    )


@given(wild_values)
def test_an_event_without_a_name_is_one_line_and_an_empty_one(event: Json) -> None:
    data, empty = PLAIN.text(event).splitlines()
    assert PLAIN.text(event) == f"{data}\n\n"
    assert json.dumps(json.loads(data.removeprefix("data: "))) == json.dumps(event)
    assert empty == ""


# What the history keeps of it


@given(prompts, index_ids)
def test_the_history_has_the_message_and_the_complete_events(prompt: str, indexes: list[str]) -> None:
    turn = turn_of(prompt, indexes)
    kept = remembered(prompt, turn)
    assert kept[0] == {"type": "user_input", "content": prompt}
    assert re.fullmatch(r"user_input thinking (tool_call tool_result )+text stop ", types_of(kept))
    assert kept[1:] == [event for event in turn if event["type"] not in ("text_delta", "thinking_delta")]


@given(turns, st.floats(0, 1), st.sampled_from(VERSIONS))
@example(turn_of(MESSAGE), 0.0, "2.6")
@example(turn_of(MESSAGE), 1.0, "2.17")
def test_a_turn_that_breaks_off_keeps_what_was_sent(turn: list[Json], part: float, version: str) -> None:
    sent = turn[: round(part * (len(turn) - 1))]
    *kept, stop = broken_off(sent, MESSAGE, Random(0))
    whole = [event for event in sent if not event["type"].endswith("_delta")]
    loose = sent[max((index + 1 for index, event in enumerate(sent) if event in whole), default=0) :]
    rest = [{"type": loose[0]["type"][: -len("_delta")], "content": joined(loose, loose[0]["type"])}] if loose else []
    assert kept == whole + rest
    assert stop["type"] == "stop"
    assert stop["is_error"] is True
    assert stop["error"]
    assert [error for each in (*kept, stop) for error in judge(version).errors("/components/schemas/Event", each)] == []


@given(st.sampled_from([None, "The index idx-1 could not be queried."]), st.lists(st.text(max_size=6), max_size=3))
def test_the_record_of_a_run_is_its_stop_and_its_indexes(error: str | None, indexes: list[str]) -> None:
    stop = stopped([], MESSAGE, Random(0), error)
    record = job_metadata(stop, indexes)
    told = {"is_error": error is not None, "error": error, "export_config_ids": indexes}
    assert record == {**stop["usage"], **told}


def test_what_a_stop_leaves_out_has_the_contracts_default_in_the_record() -> None:
    usage = {"total_input_tokens": None, "total_output_tokens": None, "turns": 1, "duration_ms": 0.0}
    assert job_metadata(STOP, []) == {**usage, "is_error": False, "error": None, "export_config_ids": []}


# When it is told

rates = st.sampled_from([0.0]) | st.floats(0.5, 1000)
paces = st.builds(Pace, st.floats(0, 20), rates, st.floats(0, 1), st.sampled_from([0.0, 0.25, 1.0, 15.0]))
scripted = st.lists(st.builds(Step, st.just(DELTA), st.none() | st.floats(0, 20)), min_size=1, max_size=12)


def paced_by(pace: Pace) -> StreamStyle:
    """Give how turns are told at a pace."""
    return replace(CHAT, pace=pace)


def due(steps: Sequence[Step], pace: Pace, seed: int = 0) -> list[float]:
    """Give when each event is due."""
    return [chunk.at for chunk in paced(steps, paced_by(pace), Random(seed)).chunks]


@given(scripted, paces, seeds)
def test_times_never_decrease(steps: list[Step], pace: Pace, seed: int) -> None:
    times = [chunk.at for chunk in paced(steps, paced_by(pace), Random(seed)).chunks]
    assert times == sorted(times)
    assert times[0] >= 0


@given(st.floats(0, 30), st.floats(0.1, 1000), st.integers(1, 20))
def test_without_jitter_the_first_is_due_at_its_time_and_the_others_at_the_rate(
    first: float, rate: float, size: int
) -> None:
    times = due([Step(DELTA)] * size, Pace(first, rate))
    assert times == pytest.approx([first + index / rate for index in range(size)])


@given(st.floats(0.01, 10), st.floats(0.1, 100), st.floats(0, 1), seeds)
def test_jitter_keeps_within_its_bounds(first: float, rate: float, jitter: float, seed: int) -> None:
    times = due([Step(DELTA)] * 20, Pace(first, rate, jitter), seed)
    pauses = [after - before for before, after in pairwise([0.0, *times])]
    usual = [first, *[1 / rate] * 19]
    for pause, mean in zip(pauses, usual, strict=True):
        assert mean * (1 - jitter) - 1e-6 <= pause <= mean * (1 + jitter) + 1e-6


def test_jitter_varies_the_pauses_by_the_seed() -> None:
    times = [due([Step(DELTA)] * 20, Pace(rate=10, jitter=0.5), seed) for seed in (1, 1, 2)]
    assert times[0] == times[1] != times[2]
    assert len({round(after - before, 9) for before, after in pairwise(times[0])}) > 10


def test_a_turn_without_a_pace_is_due_at_once() -> None:
    assert set(due([Step(DELTA)] * 20, Pace())) == {0.0}


def test_a_scripts_own_pause_wins_over_the_pace() -> None:
    steps = [Step(DELTA, 0.5), Step(DELTA), Step(DELTA, 0.0), Step(DELTA)]
    assert due(steps, Pace(first=9, rate=10)) == pytest.approx([0.5, 0.6, 0.6, 0.7])


@given(scripted, paces, seeds)
def test_the_events_of_a_turn_are_its_chunks(steps: list[Step], pace: Pace, seed: int) -> None:
    stream = paced(steps, paced_by(pace), Random(seed))
    assert [chunk.data for chunk in stream.chunks] == [CHAT.text(step.event).encode() for step in steps]
    assert stream.keep_alive == pace.keep_alive


@given(scripted, paces, st.floats(0, 1))
def test_a_turn_is_closed_with_the_number_of_its_events_that_went_out(
    steps: list[Step], pace: Pace, part: float
) -> None:
    stream = paced([*steps, Step(STOP)], paced_by(pace), Random(0), lambda sent: {"type": "stop", "sent": sent})
    sent = round(part * len(stream.chunks))
    assert stream.close(sent) == CHAT.text({"type": "stop", "sent": min(sent, len(steps))}).encode()


def test_the_end_of_a_turn_is_what_its_closing_says() -> None:
    other = {**STOP, "is_error": True, "error": "not kept"}
    stream = paced([Step(DELTA), Step(STOP)], CHAT, Random(0), lambda _: other)
    told = b"".join(chunk.data for chunk in stream.chunks)
    assert told == CHAT.text(DELTA).encode()
    assert stream.close(len(stream.chunks)) == CHAT.text(other).encode()


# Scripts


def test_a_script_is_read_with_its_pauses_in_seconds() -> None:
    value = [{"after_ms": 120, "event": DELTA}, {"event": DELTA}, {"after_ms": 0, "event": STOP}]
    assert script(value, CHAT) == (Step(DELTA, 0.12), Step(DELTA, None), Step(STOP, 0.0))


ENTRY: Json = {"event": STOP}


def refusal(value: Json) -> tuple[Any, ...] | None:
    """Give what a refusal of a script says, None where it is read."""
    try:
        script(value, CHAT)
    except ValueError as error:
        return error.args
    return None


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("stop", ""),
        ({}, ""),
        ([], ""),
        ([5], "/0"),
        ([{}], "/0"),
        ([{"after_ms": 5}], "/0"),
        ([{"event": DELTA}, {"event": STOP, "after": 5}], "/1"),
        ([{"event": "stop"}], "/0/event"),
        ([{"event": {"content": "x"}}], "/0/event"),
        ([{"event": {"type": 5}}], "/0/event"),
        ([{"event": DELTA}], "/0/event"),
        ([{"event": STOP}, {"event": DELTA}], "/0/event"),
        ([{"event": DELTA}, ENTRY, ENTRY], "/1/event"),
        ([ENTRY | {"after_ms": -1}], "/0/after_ms"),
        ([ENTRY | {"after_ms": "5"}], "/0/after_ms"),
        ([ENTRY | {"after_ms": True}], "/0/after_ms"),
        ([ENTRY | {"after_ms": float("nan")}], "/0/after_ms"),
        ([ENTRY | {"after_ms": float("inf")}], "/0/after_ms"),
        ([ENTRY | {"after_ms": 3_600_001}], "/0/after_ms"),
    ],
)
def test_a_script_that_is_none_is_refused_with_its_place(value: Json, where: str) -> None:
    refused = refusal(value)
    assert refused is not None
    place, message = refused
    assert place == where
    assert message


@given(json_values | st.lists(st.dictionaries(st.sampled_from(["event", "after_ms", "x"]), json_values | any_text)))
def test_whatever_is_given_as_a_script_is_read_or_refused(value: Json) -> None:
    refused = refusal(value)
    if refused is None:
        assert [step.event for step in script(value, CHAT)] == [each["event"] for each in value]
    else:
        assert len(refused) == 2


@pytest.mark.parametrize("long", ["word " * 3000, "x" * 15_000, "  \n" * 5000])
def test_long_prompts_and_index_ids_are_quoted_in_part(long: str) -> None:
    usual, made = turn_of(MESSAGE), turn_of(long, [long] * 5)
    assert len(made) < 5 * len(usual) + 200
    assert all(len(text) < 3000 for text in map(str, made) if "tool_call" not in text)
    called = [event["arguments"]["index_id"] for event in made if event["type"] == "tool_call"]
    assert called == [long] * 5  # a call names its index in full
