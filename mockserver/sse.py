"""Event streams: how one is paced, written and read."""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random
from typing import NamedTuple

from mockserver.apis.llamacloud_chat.turns import _check_order
from mockserver.messages import Chunk, Json, Stream

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


LONGEST = 3_600_000
"""The longest pause in a scripted turn, in milliseconds."""


class Pace(NamedTuple):
    """How fast a turn is told; times in seconds."""

    first: float = 0.0
    """Until the first event."""
    rate: float = 0.0
    """Events a second after it; 0 is as fast as can be."""
    jitter: float = 0.0
    """By what part of itself a pause may be longer or shorter, 0 to 1."""
    keep_alive: float = 15.0
    """A pause longer than this is filled with comments; 0 for none."""


AT_ONCE = Pace()


class Step(NamedTuple):
    """One event of a turn, and the pause before it in seconds; None takes the pace's."""

    event: Json
    after: float | None = None


def script(value: Json) -> tuple[Step, ...]:
    """Read a scripted turn: a list of {"event": {...}, "after_ms": 40}; a ValueError says what is wrong, and where.

    `after_ms` is the pause before the event in milliseconds; without it, the pace says.
    """
    if not isinstance(value, list) or not value:
        raise ValueError("", 'a scripted turn is a list of events, each as {"event": {...}, "after_ms": 40}')
    steps = []
    for index, each in enumerate(value):
        if not isinstance(each, dict) or each.keys() - {"event", "after_ms"} or "event" not in each:
            raise ValueError(f"/{index}", "each entry has an event, may have an after_ms, and nothing else")
        event, after = each["event"], each.get("after_ms")
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise ValueError(f"/{index}/event", "an event is an object with a type")
        if after is not None and (
            isinstance(after, bool) or not isinstance(after, int | float) or not 0 <= after <= LONGEST
        ):
            raise ValueError(f"/{index}/after_ms", f"a pause is a number of milliseconds, from 0 to {LONGEST}")
        if (event["type"] == "stop") is not (index == len(value) - 1):
            raise ValueError(f"/{index}/event", "a turn ends with its stop, and has no other")
        steps.append(Step(event, None if after is None else after / 1000))
    _check_order([step.event for step in steps])
    return tuple(steps)


def event_text(event: Json) -> str:
    """Write one event as upstream sends it. Source: docs/upstream.md, "Stream".

    Readers that split lines as Unicode does, the official Python client among them, break a line at the three
    characters that JSON would leave as they are.
    """
    kind = "delta" if isinstance(event, dict) and str(event.get("type")).endswith("_delta") else "message"
    data = _write(event)
    if not data.isascii():
        data = data.translate(_LINE_ENDS)
    return f"event: {kind}\ndata: {data}\n\n"


def paced(steps: Sequence[Step], pace: Pace, rng: Random, close: Callable[[int], Json] | None = None) -> Stream:
    """Give the stream that tells a turn in its time.

    With `close`, the last step is not sent with the others: `close` is called with the number of events that went
    out, and what it gives takes the last one's place.
    """
    chunks: list[Chunk] = []
    at = 0.0
    for index, step in enumerate(steps):
        pause = _pause(pace, rng, first=index == 0) if step.after is None else step.after
        at += pause
        last = close is not None and index == len(steps) - 1
        chunks.append(Chunk(at, b"" if last else event_text(step.event).encode()))

    def closed(sent: int) -> bytes:
        return b"" if close is None else event_text(close(min(sent, len(steps) - 1))).encode()

    return Stream(chunks, closed, pace.keep_alive)


def text_stream(text: str) -> Stream:
    """Give the stream that tells a written turn, event by event, at once."""
    blocks = text.split("\n\n")
    parts = [*(block + "\n\n" for block in blocks[:-1]), *blocks[-1:]]
    return Stream([Chunk(0.0, part.encode()) for part in parts if part], lambda _: b"")


def _pause(pace: Pace, rng: Random, *, first: bool) -> float:
    usual = pace.first if first else 1 / pace.rate if pace.rate else 0.0
    return usual * (1 + rng.uniform(-pace.jitter, pace.jitter)) if usual else 0.0


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
