"""Checks of the chat event stream: names, order, the stop, deltas that add up."""

import json
from collections.abc import Iterator

from mockserver.check.provider.checks import Check, Interaction, check, events_of, is_stream, wrong
from mockserver.contract.tree import join
from mockserver.messages import Finding, Json
from mockserver.sse import Event, parse

EVENTS: dict[str, Check] = {}
"""The checks of a turn's events."""

WHOLE = ("text", "thinking")


def typed(seen: Interaction) -> list[tuple[str, Json, Event]]:
    """Return the type, the data and the event of each event that has a type."""
    return [
        (str(event.data["type"]), event.data, event)
        for event in events_of(seen)
        if isinstance(event.data, dict) and "type" in event.data
    ]


def _is_chat(seen: Interaction) -> bool:
    """Return whether the events are a turn of a chat."""
    return any(kind == "stop" or kind.endswith("_delta") for kind, _, _ in typed(seen))


@check("stream-event-name", EVENTS, applies=is_stream)
def stream_event_name(seen: Interaction) -> Iterator[Finding]:
    """Pieces are events named delta, all others are named message."""
    if not _is_chat(seen):
        return
    for kind, _, event in typed(seen):
        expected = "delta" if kind.endswith("_delta") else "message"
        if event.name != expected:
            yield wrong(
                f"an event of type {kind} has another name", f"/response/body/{kind}/event", expected, event.name
            )


@check("stream-stop", EVENTS, applies=is_stream)
def stream_stop(seen: Interaction) -> Iterator[Finding]:
    """A turn ends with its stop, and has no other."""
    if not is_stream(seen) or seen.media is None or seen.media.item_schema is None or not seen.answer.body:
        return
    if parse(seen.answer.body)[1]:
        return
    kinds = [kind for kind, _, _ in typed(seen)]
    if not (_is_chat(seen) or "stop" in json.dumps(seen.media.item_schema.rooted(), default=str)):
        return
    if kinds.count("stop") != 1 or kinds[-1] != "stop":
        yield wrong("the turn does not end with its one stop", "/response/body/stop", "one stop, the last", kinds[-3:])


@check("stream-order", EVENTS, applies=is_stream)
def stream_order(seen: Interaction) -> Iterator[Finding]:
    """A result follows its call, with the same id and name, and no call is left without one."""
    calls: dict[str, str] = {}
    for kind, data, _ in typed(seen):
        key, name = str(data.get("call_id")), str(data.get("name"))
        if kind == "tool_call":
            calls[key] = name
        elif kind == "tool_result" and calls.pop(key, None) != name:
            yield wrong("a result has no call before it", "/response/body/tool_result/call_id", list(calls), key)
    failed = any(kind == "stop" and data.get("is_error") for kind, data, _ in typed(seen))
    if calls and not failed:
        yield wrong("a call has no result", "/response/body/tool_call/call_id", "a result", sorted(calls))


@check("stream-adds-up", EVENTS, applies=is_stream)
def stream_adds_up(seen: Interaction) -> Iterator[Finding]:
    """The pieces of a text add up to the text after them."""
    pieces = dict.fromkeys(WHOLE, "")
    for kind, data, _ in typed(seen):
        whole = kind.removesuffix("_delta")
        if whole not in pieces:
            continue
        if kind != whole:
            pieces[whole] += str(data.get("content", ""))
        else:
            if pieces[whole] not in ("", data.get("content")):
                where = join("/response/body", whole, "content")
                yield wrong(f"the pieces do not add up to the {whole}", where, pieces[whole], data.get("content"))
            pieces[whole] = ""
    if any(pieces.values()):
        left = next(name for name, text in pieces.items() if text)
        yield wrong(f"pieces are not followed by their {left}", join("/response/body", left), pieces[left], None)
