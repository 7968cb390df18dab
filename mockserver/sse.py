"""Event streams: how one is paced, written and read."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import NamedTuple

from mockserver.messages import Chunk, Json, Stream

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_BREAK = re.compile("\r\n|\r|\n|\0")
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


LONGEST = 3_600_000
"""The longest pause in a script, in milliseconds."""


class Pace(NamedTuple):
    """The pace of a stream; times in seconds."""

    first: float = 0.0
    """The time until the first event."""
    rate: float = 0.0
    """Events per second after it; 0 is as fast as possible."""
    jitter: float = 0.0
    """How much a pause varies, 0 to 1."""
    keep_alive: float = 15.0
    """A pause longer than this is filled with comments; 0 for none."""


AT_ONCE = Pace()


class Step(NamedTuple):
    """One event of a stream, and the pause before it in seconds; None for the pace's."""

    event: Json
    after: float | None = None


def _anything(_: Sequence[Json]) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStyle:
    """How an API writes its event streams, beyond what its contract says."""

    event_name: str = ""
    """The value of the `event:` line; "" for events without one."""
    names_by_suffix: tuple[tuple[str, str], ...] = ()
    """Other names, for events whose `type` has these endings."""
    pace: Pace = AT_ONCE
    wanted: bool = True
    """Whether a stream is preferred if an answer may be a stream or plain JSON."""
    has_fields: bool = False
    """Whether an event is an object of its fields (data, event, id, retry), and not its data."""
    check: Callable[[Sequence[Json]], None] = _anything
    """Rejects inconsistent events of a script by a ValueError with a JSON pointer and a message."""

    def text(self, event: Json) -> str:
        """Write one event.

        Readers that split lines by Unicode's rules break at three characters that JSON leaves alone; these are escaped.
        """
        if self.has_fields and isinstance(event, dict):
            return _write_fields(event)
        data = _write(event)
        if not data.isascii():
            data = data.translate(_LINE_ENDS)
        name, kind = self.event_name, str(event.get("type")) if isinstance(event, dict) else ""
        for suffix, other in self.names_by_suffix:
            if kind.endswith(suffix):
                name = other
        return f"event: {name}\ndata: {data}\n\n" if name else f"data: {data}\n\n"


def _write_fields(event: Mapping[str, Json]) -> str:
    """Write an event field by field; data that is no text is written as JSON, and each line of a text by itself."""
    lines = []
    for name, value in event.items():
        text = value if isinstance(value, str) else _write(value).translate(_LINE_ENDS)
        if name == "data":
            lines += [f"data: {line}" for line in _BREAK.split(text)]
        else:
            lines.append(f"{name}: {_BREAK.sub(' ', text)}")
    return "\n".join([*lines, "", ""])


PLAIN = StreamStyle()
"""The stream style of an API without a pack."""


def script(value: Json, style: StreamStyle = PLAIN) -> tuple[Step, ...]:
    """Read a scripted stream: a list of {"event": {...}, "after_ms": 40}; a ValueError says what is wrong and where.

    `after_ms` is the pause before the event in milliseconds; without it the pace applies.
    """
    if not isinstance(value, list) or not value:
        raise ValueError("", 'a script is a list of events, each as {"event": {...}, "after_ms": 40}')
    steps = []
    for index, each in enumerate(value):
        if not isinstance(each, dict) or each.keys() - {"event", "after_ms"} or "event" not in each:
            raise ValueError(f"/{index}", "each entry has an event, may have an after_ms, and nothing else")
        after = each.get("after_ms")
        if after is not None and (
            isinstance(after, bool) or not isinstance(after, int | float) or not 0 <= after <= LONGEST
        ):
            raise ValueError(f"/{index}/after_ms", f"a pause is a number of milliseconds, from 0 to {LONGEST}")
        steps.append(Step(each["event"], None if after is None else after / 1000))
    style.check([step.event for step in steps])
    return tuple(steps)


def paced(steps: Sequence[Step], style: StreamStyle, rng: Random, close: Callable[[int], Json] | None = None) -> Stream:
    """Make a stream that sends events when they are due.

    With `close`, the last step is not sent with the others: `close` is called with the number of events that were
    sent, and its result replaces the last event.
    """
    chunks: list[Chunk] = []
    at = 0.0
    for index, step in enumerate(steps):
        pause = _pause(style.pace, rng, first=index == 0) if step.after is None else step.after
        at += pause
        is_last = close is not None and index == len(steps) - 1
        chunks.append(Chunk(at, b"" if is_last else style.text(step.event).encode()))

    def closed(sent: int) -> bytes:
        return b"" if close is None else style.text(close(min(sent, len(steps) - 1))).encode()

    last = b"" if close is None or not steps else style.text(steps[-1].event).encode()
    return Stream(chunks, closed, style.pace.keep_alive, last)


def text_stream(text: str) -> Stream:
    """Make a stream that sends a written text at once, event by event."""
    blocks = text.split("\n\n")
    parts = [*(block + "\n\n" for block in blocks[:-1]), *blocks[-1:]]
    return Stream([Chunk(0.0, part.encode()) for part in parts if part], lambda _: b"")


def _pause(pace: Pace, rng: Random, *, first: bool) -> float:
    usual = pace.first if first else 1 / pace.rate if pace.rate else 0.0
    return usual * (1 + rng.uniform(-pace.jitter, pace.jitter)) if usual else 0.0


def read_fields(text: str) -> list[Json]:
    """Read the events of a stream, each as an object of its fields, as HTML's rules say."""
    found: list[Json] = []
    event: dict[str, Json] = {}
    for line in [*_BREAK.split(text), ""]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line and event:
            found.append(event)
            event = {}
        elif name == "data" and "data" in event:
            event["data"] += "\n" + value
        elif name in ("data", "event", "id"):
            event[name] = value
        elif name == "retry" and value.isdecimal():
            event[name] = int(value)
    return found


class Event(NamedTuple):
    """One event: the name in its `event:` line, and its data."""

    name: str
    data: Json


@lru_cache(maxsize=8)
def parse(body: bytes) -> tuple[list[Event], str]:
    """Read a stream; return its events, and what is wrong with the framing, or ""."""
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
        if not data and not others and not names:  # an id, or a reconnection time
            continue
        if len(data) != 1 or len(names) > 1 or others:
            return events, f"a block is not one event: {block[:80]!r}"
        try:
            events.append(Event(names[0] if names else "message", json.loads(data[0])))
        except ValueError as error:
            return events, f"the data of an event are no JSON: {error}"
    return events, ""
