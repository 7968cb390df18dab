"""The catalogue of mutants that break the fields of answers and of refusals."""

import json
from collections.abc import Sequence

from mockserver.apis.llamacloud_chat.check.mutators import (
    answers,
    block_of,
    delivered,
    events,
    fields,
    now_and_then,
    values,
    without,
)
from mockserver.check.mutants.mutators import Mutant, named, with_body, with_header, with_value
from mockserver.messages import Delivery, Json


def _retype(change: "Json", name: str, *plays: str) -> Mutant:
    return Mutant("", "", fields(*plays, **{name: change}))


def _in_run(name: str, value: Json) -> Mutant:
    run = {"total_input_tokens": 1, "total_output_tokens": 1, "turns": 1, "duration_ms": 1.0, "is_error": False}
    return Mutant(
        "", "", fields("get_summary", job_metadata={**run, "error": None, "export_config_ids": None, name: value})
    )


def _field(name: str, told: str, mutant: Mutant, version: str = "") -> Mutant:
    return named(name, told, mutant, "body-schema", version)


FIELDS: Sequence[Mutant] = (
    _field("id-number", "the id is a number", _retype(17, "session_id", "create")),
    _field("id-null", "the id is null", _retype(None, "session_id", "get_summary")),
    _field("id-missing", "the id is missing", Mutant("", "", without("session_id", "get_summary"))),
    _field("id-missing-in-list", "an item of the list has no id", Mutant("", "", without("session_id", "list"))),
    _field("time-number", "the time is a number", _retype(1_776_861_281, "last_updated_at", "set_title")),
    _field("time-missing", "the time is missing", Mutant("", "", without("last_updated_at", "create"))),
    _field("time-null", "the time is null", _retype(None, "last_updated_at", "retrieve")),
    _field("title-number", "the title is a number", _retype(3, "generated_title", "retrieve")),
    _field("title-list", "the title is a list", _retype(["a"], "generated_title", "set_title")),
    _field("indexes-text", "the indexes are a text", _retype("idx-1,idx-2", "index_ids", "get_summary")),
    _field("indexes-numbers", "the indexes are numbers", _retype([1, 2], "index_ids", "get_summary")),
    _field("run-text", "the run is a text", _retype("done", "job_metadata", "get_summary")),
    _field("turns-text", "the number of turns is a text", _in_run("turns", "3")),
    _field("turns-null", "the number of turns is null", _in_run("turns", None)),
    _field("tokens-fraction", "the tokens are a fraction", _in_run("total_input_tokens", 1.5)),
    _field("duration-text", "the duration is a text", _in_run("duration_ms", "12.5")),
    _field("failed-text", "the failure is told in a text", _in_run("is_error", "false")),
    _field("error-object", "the error is an object", _in_run("error", {"message": "x"})),
    _field("exports-null-item", "an index of the run is null", _in_run("export_config_ids", [None])),
    _field("items-missing", "the list has no items", Mutant("", "", values(lambda v, _: {"data": v["items"]}, "list"))),
    _field("items-object", "the items are an object", Mutant("", "", values(lambda _, __: {"items": {}}, "list"))),
    _field(
        "token-number",
        "the token is a number",
        Mutant("", "", values(lambda v, _: {**v, "next_page_token": 2} if v.get("next_page_token") else v, "list")),
    ),
    _field("bare-list", "the list is a bare array", Mutant("", "", values(lambda v, _: v["items"], "list"))),
    _field("events-missing", "the history is missing", Mutant("", "", without("events", "retrieve"))),
    _field("events-null", "the history is null", _retype(None, "events", "retrieve")),
    _field(
        "event-unknown",
        "the history has an event of no known type",
        Mutant("", "", fields("retrieve", events=[{"type": "surprise", "content": "x"}])),
    ),
    _field(
        "event-without-content",
        "an event of the history has no content",
        Mutant("", "", fields("retrieve", events=[{"type": "text"}])),
    ),
    _field(
        "call-with-text",
        "the arguments of a call are a text",
        Mutant(
            "", "", fields("retrieve", events=[{"type": "tool_call", "arguments": "{}", "name": "n", "call_id": "c"}])
        ),
    ),
    _field(
        "stop-without-usage",
        "a stop of the history has no usage",
        Mutant("", "", fields("retrieve", events=[{"type": "stop", "is_error": False, "error": None}])),
    ),
    _field(
        "access-missing",
        "the shared access is missing",
        Mutant("", "", without("shared_access", "get_summary")),
        "2.17",
    ),
    _field("access-other", "the shared access is no known one", _retype("all", "shared_access", "list"), "2.17"),
    _field("access-null", "the shared access is null", _retype(None, "shared_access", "retrieve"), "2.17"),
    Mutant(
        "other-session",
        "a summary tells another session",
        fields("get_summary", session_id="ses-another"),
        "",
    ),
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


def _errors(edit: "Json", status: int, *plays: str) -> Mutant:
    return Mutant("", "", values(lambda value, _: edit(value), *plays, status=status))


ERRORS: Sequence[Mutant] = (
    _field("detail-text", "the detail of a 422 is a text", _errors(lambda _: {"detail": "wrong"}, 422)),
    _field("detail-empty-entry", "an entry of a 422 is empty", _errors(lambda _: {"detail": [{}]}, 422)),
    named("detail-gone", "a 422 has another form", _errors(lambda _: {"errors": []}, 422), "refusal-place"),
    _field(
        "loc-text",
        "the place of a 422 is a text",
        _errors(lambda v: {"detail": [{**each, "loc": ".".join(map(str, each["loc"]))} for each in v["detail"]]}, 422),
    ),
    named(
        "place-wrong",
        "a 422 names another place than the wrong one",
        _errors(lambda v: {"detail": [{**each, "loc": ["body", "other"]} for each in v["detail"]]}, 422),
        "refusal-place",
    ),
    named(
        "place-placeholder",
        "a 422 names a placeholder",
        _errors(lambda v: {"detail": [{**each, "loc": ["string"]} for each in v["detail"]]}, 422),
        "refusal-place",
    ),
    _field("404-bare", "a 404 is a bare text", _errors(lambda _: "Not found", 404)),
    _field("401-list", "the detail of a 401 is a list", _errors(lambda _: {"detail": [1]}, 401)),
)


def _renamed(blocks: list[Json], old: str, new: str) -> list[bytes]:
    return [block_of(event).replace(f"event: {old}".encode(), f"event: {new}".encode()) for event in blocks]


def _swapped(told: list[Json]) -> list[Json]:
    made = list(told)
    for index in range(len(made) - 1):
        if made[index]["type"] == "tool_call" and made[index + 1]["type"] == "tool_result":
            made[index], made[index + 1] = made[index + 1], made[index]
    return made


STREAMS: Sequence[Mutant] = (
    Mutant("no-stop", "a turn has no stop", events(lambda told: told[:-1]), "stream-stop"),
    Mutant("two-stops", "a turn has two stops", events(lambda told: [*told, told[-1]])),
    Mutant("stop-first", "a turn begins with its stop", events(lambda told: [told[-1], *told[:-1]])),
    Mutant(
        "all-messages",
        "pieces are named message",
        events(lambda told: _renamed(told, "delta", "message")),
        "stream-event-name",
    ),
    Mutant(
        "all-deltas",
        "all events are named delta",
        events(lambda told: _renamed(told, "message", "delta")),
        "stream-event-name",
    ),
    Mutant(
        "done",
        "a turn ends with [DONE]",
        events(lambda told: [*told, b"data: [DONE]\n\n"]),
        "stream-framing",
    ),
    Mutant(
        "lines-broken",
        "the data of an event stand in two lines",
        events(lambda told: [*told[:-1], block_of(told[-1]).replace(b', "', b',\ndata: "')]),
        "stream-framing",
    ),
    Mutant(
        "unended",
        "the last event has no end",
        answers(lambda r, _: with_body(r, r.body[:-1]), "stream"),
        "stream-framing",
    ),
    Mutant("bare-json", "events are lines of JSON", events(lambda told: [json.dumps(told).encode()]), "stream-framing"),
    Mutant("event-untold", "a turn has an event of no known type", events(lambda told: [{"type": "ping"}, *told])),
    Mutant(
        "delta-without-content",
        "a piece has no content",
        events(lambda told: [{"type": "text_delta"}, *told]),
        "stream-event-schema",
    ),
    Mutant(
        "stop-without-error",
        "a stop does not say whether there was an error",
        events(lambda told: [*told[:-1], {k: v for k, v in told[-1].items() if k != "error"}]),
    ),
    Mutant(
        "usage-text",
        "the usage of a stop is a text",
        events(lambda told: [*told[:-1], {**told[-1], "usage": "much"}]),
        "stream-event-schema",
    ),
    Mutant(
        "pieces-lost",
        "a piece of a text is lost",
        events(
            lambda told: [
                e for i, e in enumerate(told) if e["type"] != "text_delta" or told[i - 1]["type"] == "text_delta"
            ]
        ),
        "stream-adds-up",
    ),
    Mutant(
        "results-first",
        "results stand before their calls",
        events(_swapped),
        "stream-order",
    ),
    Mutant(
        "call-ids-differ",
        "a result has another id than its call",
        events(lambda told: [{**e, "call_id": "other"} if e["type"] == "tool_result" else e for e in told]),
        "stream-order",
    ),
    Mutant(
        "result-missing",
        "a call has no result",
        events(lambda told: [e for e in told if e["type"] != "tool_result"]),
        "stream-order",
    ),
    Mutant(
        "stream-cut",
        "a turn breaks off",
        delivered(Delivery(end="close"), "stream", when=lambda r: b"prompt" in r.body),
    ),
    Mutant(
        "stream-as-text",
        "a turn is said to be text",
        answers(lambda r, _: with_header(r, "content-type", "text/plain"), "stream"),
    ),
)
