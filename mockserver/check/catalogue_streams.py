"""The catalogue of mutants that break a stream of events."""

import json
from collections.abc import Sequence

from mockserver.check.sabotage import (
    Mutant,
    answers,
    block_of,
    delivered,
    events,
    with_body,
    with_header,
)
from mockserver.exchange import Delivery, Json


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
