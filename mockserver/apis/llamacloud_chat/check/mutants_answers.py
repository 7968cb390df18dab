"""The catalogue of mutants that break the fields of answers and of refusals."""

import json
from collections.abc import Callable, Sequence

from mockserver.apis.llamacloud_chat.check.mutators import (
    answers,
    block_of,
    delivered,
    each_event,
    events,
    fields,
    now_and_then,
    values,
    without,
)
from mockserver.check.mutants.mutators import Mutant, Wrap, mutants, with_body, with_header, with_value
from mockserver.messages import Delivery, Json


def _in_run(**news: Json) -> Wrap:
    run = {"total_input_tokens": 1, "total_output_tokens": 1, "turns": 1, "duration_ms": 1.0, "is_error": False}
    return fields("get_summary", job_metadata={**run, "error": None, "export_config_ids": None, **news})


def _in_history(**event: Json) -> Wrap:
    return fields("retrieve", events=[event])


def _in_list(edit: Callable[[Json], Json]) -> Wrap:
    return values(lambda value, _: edit(value), "list")


def _with_number_for_token(value: Json) -> Json:
    return {**value, "next_page_token": 2} if value.get("next_page_token") else value


FIELDS: Sequence[Mutant] = (
    *mutants(
        "body-schema",
        ("id-number", "the id is a number", fields("create", session_id=17)),
        ("id-null", "the id is null", fields("get_summary", session_id=None)),
        ("id-missing", "the id is missing", without("session_id", "get_summary")),
        ("id-missing-in-list", "an item of the list has no id", without("session_id", "list")),
        ("time-number", "the time is a number", fields("set_title", last_updated_at=1_776_861_281)),
        ("time-missing", "the time is missing", without("last_updated_at", "create")),
        ("time-null", "the time is null", fields("retrieve", last_updated_at=None)),
        ("title-number", "the title is a number", fields("retrieve", generated_title=3)),
        ("title-list", "the title is a list", fields("set_title", generated_title=["a"])),
        ("indexes-text", "the indexes are a text", fields("get_summary", index_ids="idx-1,idx-2")),
        ("indexes-numbers", "the indexes are numbers", fields("get_summary", index_ids=[1, 2])),
        ("run-text", "the run is a text", fields("get_summary", job_metadata="done")),
        ("turns-text", "the number of turns is a text", _in_run(turns="3")),
        ("turns-null", "the number of turns is null", _in_run(turns=None)),
        ("tokens-fraction", "the tokens are a fraction", _in_run(total_input_tokens=1.5)),
        ("duration-text", "the duration is a text", _in_run(duration_ms="12.5")),
        ("failed-text", "the failure is told in a text", _in_run(is_error="false")),
        ("error-object", "the error is an object", _in_run(error={"message": "x"})),
        ("exports-null-item", "an index of the run is null", _in_run(export_config_ids=[None])),
        ("items-missing", "the list has no items", _in_list(lambda v: {"data": v["items"]})),
        ("items-object", "the items are an object", _in_list(lambda _: {"items": {}})),
        ("token-number", "the token is a number", _in_list(_with_number_for_token)),
        ("bare-list", "the list is a bare array", _in_list(lambda v: v["items"])),
        ("events-missing", "the history is missing", without("events", "retrieve")),
        ("events-null", "the history is null", fields("retrieve", events=None)),
        ("event-unknown", "the history has an event of no known type", _in_history(type="surprise", content="x")),
        ("event-without-content", "an event of the history has no content", _in_history(type="text")),
        (
            "call-with-text",
            "the arguments of a call are a text",
            _in_history(type="tool_call", arguments="{}", name="n", call_id="c"),
        ),
        (
            "stop-without-usage",
            "a stop of the history has no usage",
            _in_history(type="stop", is_error=False, error=None),
        ),
    ),
    *mutants(
        "body-schema",
        ("access-missing", "the shared access is missing", without("shared_access", "get_summary")),
        ("access-other", "the shared access is no known one", fields("list", shared_access="all")),
        ("access-null", "the shared access is null", fields("retrieve", shared_access=None)),
        version="2.17",
    ),
    Mutant("other-session", "a summary tells another session", fields("get_summary", session_id="ses-another")),
    Mutant(
        "upper-case-id",
        "a title tells the id in other letters",
        values(lambda v, _: {**v, "session_id": v["session_id"].upper()}, "set_title"),
        "echoes-path",
    ),
    Mutant(
        "rarely-without-time",
        "every ninth summary has no time",
        now_and_then(9, lambda r: with_value(r, {"session_id": json.loads(r.body)["session_id"]}), "get_summary"),
    ),
)


def _error(edit: Callable[[Json], Json], status: int = 422) -> Wrap:
    return values(lambda value, _: edit(value), status=status)


def _located(loc: Callable[[Json], Json]) -> Wrap:
    return _error(lambda v: {"detail": [{**each, "loc": loc(each["loc"])} for each in v["detail"]]})


ERRORS: Sequence[Mutant] = (
    *mutants(
        "body-schema",
        ("detail-text", "the detail of a 422 is a text", _error(lambda _: {"detail": "wrong"})),
        ("detail-empty-entry", "an entry of a 422 is empty", _error(lambda _: {"detail": [{}]})),
        ("loc-text", "the place of a 422 is a text", _located(lambda loc: ".".join(map(str, loc)))),
        ("404-bare", "a 404 is a bare text", _error(lambda _: "Not found", 404)),
        ("401-list", "the detail of a 401 is a list", _error(lambda _: {"detail": [1]}, 401)),
    ),
    *mutants(
        "refusal-place",
        ("detail-gone", "a 422 has another form", _error(lambda _: {"errors": []})),
        ("place-wrong", "a 422 names another place than the wrong one", _located(lambda _: ["body", "other"])),
        ("place-placeholder", "a 422 names a placeholder", _located(lambda _: ["string"])),
    ),
)


def _renamed(old: str, new: str) -> Wrap:
    return each_event(lambda event: block_of(event).replace(f"event: {old}".encode(), f"event: {new}".encode()))


def _swapped(turn: list[Json]) -> list[Json]:
    made = list(turn)
    for index in range(len(made) - 1):
        if made[index]["type"] == "tool_call" and made[index + 1]["type"] == "tool_result":
            made[index], made[index + 1] = made[index + 1], made[index]
    return made


def _without_first_pieces(turn: list[Json]) -> list[Json]:
    return [e for i, e in enumerate(turn) if e["type"] != "text_delta" or turn[i - 1]["type"] == "text_delta"]


STREAMS: Sequence[Mutant] = (
    Mutant("no-stop", "a turn has no stop", events(lambda turn: turn[:-1]), "stream-stop"),
    *mutants(
        "stream-event-name",
        ("all-messages", "pieces are named message", _renamed("delta", "message")),
        ("all-deltas", "all events are named delta", _renamed("message", "delta")),
    ),
    *mutants(
        "stream-framing",
        ("done", "a turn ends with [DONE]", events(lambda turn: [*turn, b"data: [DONE]\n\n"])),
        (
            "lines-broken",
            "the data of an event stand in two lines",
            events(lambda turn: [*turn[:-1], block_of(turn[-1]).replace(b',"', b',\ndata: "')]),
        ),
        ("unended", "the last event has no end", answers(lambda r, _: with_body(r, r.body[:-1]), "stream")),
        ("bare-json", "events are lines of JSON", events(lambda turn: [json.dumps(turn).encode()])),
    ),
    *mutants(
        "stream-event-schema",
        ("delta-without-content", "a piece has no content", events(lambda turn: [{"type": "text_delta"}, *turn])),
        (
            "usage-text",
            "the usage of a stop is a text",
            each_event(lambda e: e | {"usage": "much"} if "usage" in e else e),
        ),
    ),
    Mutant("pieces-lost", "a piece of a text is lost", events(_without_first_pieces), "stream-adds-up"),
    *mutants(
        "stream-order",
        ("results-first", "results stand before their calls", events(_swapped)),
        (
            "call-ids-differ",
            "a result has another id than its call",
            each_event(lambda e: e | {"call_id": "other"} if e["type"] == "tool_result" else e),
        ),
        ("result-missing", "a call has no result", each_event(lambda e: None if e["type"] == "tool_result" else e)),
    ),
    *mutants(
        "",
        ("two-stops", "a turn has two stops", events(lambda turn: [*turn, turn[-1]])),
        ("stop-first", "a turn begins with its stop", events(lambda turn: [turn[-1], *turn[:-1]])),
        ("event-untold", "a turn has an event of no known type", events(lambda turn: [{"type": "ping"}, *turn])),
        (
            "stop-without-error",
            "a stop does not say whether there was an error",
            events(lambda turn: [*turn[:-1], {k: v for k, v in turn[-1].items() if k != "error"}]),
        ),
        (
            "stream-cut",
            "a turn breaks off",
            delivered(Delivery(end="close"), "stream", when=lambda r: b"prompt" in r.body),
        ),
        (
            "stream-as-text",
            "a turn is said to be text",
            answers(lambda r, _: with_header(r, "content-type", "text/plain"), "stream"),
        ),
    ),
)
