"""The rules of a stream of events: its framing, each event, their order, and that the pieces add up."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from mockserver.check.rules import Broken, Seen, rule
from mockserver.contract import EVENT_STREAM
from mockserver.exchange import Json
from mockserver.schema import join

WHOLE = ("text", "thinking")


class Event(NamedTuple):
    """One event as it was framed: the name that its `event:` line says, and its data."""

    name: str
    data: Json


@lru_cache(maxsize=8)
def parse(body: bytes) -> tuple[list[Event], str]:
    """Read a stream; give its events, and what is wrong with the framing, "" for nothing."""
    try:
        text = body.decode("utf-8").replace("\r\n", "\n")  # both end a line
    except UnicodeDecodeError:
        return [], "it is not in UTF-8"
    events: list[Event] = []
    if text and not text.endswith("\n\n"):
        return events, "it does not end with an empty line"
    for block in text.split("\n\n")[:-1]:
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        if not any(lines):
            continue
        fields = [line.partition(": ") for line in lines]
        data = [value for name, _, value in fields if name == "data"]
        names = [value for name, _, value in fields if name == "event"]
        others = {name for name, _, _ in fields} - {"data", "event", "id", "retry"}
        if not data and not others and not names:  # only a number, or how long to wait
            continue
        if len(data) != 1 or len(names) > 1 or others:
            return events, f"a block is not one event: {block[:80]!r}"
        try:
            events.append(Event(names[0] if names else "message", json.loads(data[0])))
        except ValueError as error:
            return events, f"the data of an event are no JSON: {error}"
    return events, ""


def events_of(seen: Seen) -> list[Event]:
    """Give the events of an answer that is a stream; none for any other, and where the framing is wrong."""
    found, wrong = parse(seen.answer.body) if _is_stream(seen) else ([], "")
    return [] if wrong else found


def _is_stream(seen: Seen) -> bool:
    return seen.answer.media_type == EVENT_STREAM and seen.is_success and not seen.answer.failure


@rule("stream-framing")
def stream_framing(seen: Seen) -> Iterator[Broken]:
    """A stream is framed as server-sent events, with one line of JSON for each."""
    if _is_stream(seen):
        _, wrong = parse(seen.answer.body)
        if wrong:
            yield Broken(f"the stream is not framed: {wrong}", "/response/body", "server-sent events")


@rule("stream-event-schema")
def stream_event_schema(seen: Seen) -> Iterator[Broken]:
    """Each event of a stream holds the schema of its events."""
    media = seen.media
    if not _is_stream(seen) or media is None or media.item_schema is None:
        return
    for index, event in enumerate(events_of(seen)):
        if not media.item_schema.is_valid(event.data):
            kind = event.data.get("type") if isinstance(event.data, dict) else None
            for finding in media.item_schema.explain(event.data, where="/response/body"):
                where = finding.where.replace("/response/body", f"/response/body/{kind or index}", 1)
                yield Broken(finding.message, where, finding.expected, finding.received, finding.contract)


def _typed(seen: Seen) -> list[tuple[str, Json, Event]]:
    """Give the events that say their type."""
    return [
        (str(event.data["type"]), event.data, event)
        for event in events_of(seen)
        if isinstance(event.data, dict) and "type" in event.data
    ]


def _is_chat(seen: Seen) -> bool:
    """Say whether the events are those of a chat's turn."""
    return any(kind == "stop" or kind.endswith("_delta") for kind, _, _ in _typed(seen))


@rule("stream-event-name")
def stream_event_name(seen: Seen) -> Iterator[Broken]:
    """Pieces are events named delta, all others are named message."""
    if not _is_chat(seen):
        return
    for kind, _, event in _typed(seen):
        expected = "delta" if kind.endswith("_delta") else "message"
        if event.name != expected:
            yield Broken(
                f"an event of type {kind} has another name", f"/response/body/{kind}/event", expected, event.name
            )


@rule("stream-stop")
def stream_stop(seen: Seen) -> Iterator[Broken]:
    """A turn ends with its stop, and has no other."""
    if not _is_stream(seen) or seen.media is None or seen.media.item_schema is None or not seen.answer.body:
        return
    if parse(seen.answer.body)[1]:
        return
    kinds = [kind for kind, _, _ in _typed(seen)]
    if not (_is_chat(seen) or "stop" in json.dumps(seen.media.item_schema.rooted(), default=str)):
        return
    if kinds.count("stop") != 1 or kinds[-1] != "stop":
        yield Broken("the turn does not end with its one stop", "/response/body/stop", "one stop, the last", kinds[-3:])


@rule("stream-order")
def stream_order(seen: Seen) -> Iterator[Broken]:
    """A result follows its call, with the same id and name, and no call is left without one."""
    calls: dict[str, str] = {}
    for kind, data, _ in _typed(seen):
        key, name = str(data.get("call_id")), str(data.get("name"))
        if kind == "tool_call":
            calls[key] = name
        elif kind == "tool_result" and calls.pop(key, None) != name:
            yield Broken("a result has no call before it", "/response/body/tool_result/call_id", list(calls), key)
    failed = any(kind == "stop" and data.get("is_error") for kind, data, _ in _typed(seen))
    if calls and not failed:
        yield Broken("a call has no result", "/response/body/tool_call/call_id", "a result", sorted(calls))


@rule("stream-adds-up")
def stream_adds_up(seen: Seen) -> Iterator[Broken]:
    """The pieces of a text add up to the text after them."""
    pieces = dict.fromkeys(WHOLE, "")
    for kind, data, _ in _typed(seen):
        whole = kind.removesuffix("_delta")
        if whole not in pieces:
            continue
        if kind != whole:
            pieces[whole] += str(data.get("content", ""))
        else:
            if pieces[whole] not in ("", data.get("content")):
                where = join("/response/body", whole, "content")
                yield Broken(f"the pieces do not add up to the {whole}", where, pieces[whole], data.get("content"))
            pieces[whole] = ""
    if any(pieces.values()):
        left = next(name for name, text in pieces.items() if text)
        yield Broken(f"pieces are not followed by their {left}", join("/response/body", left), pieces[left], None)
