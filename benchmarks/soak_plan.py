"""What is planned to go wrong in the soak, what is asked wrongly in it, and how each answer is judged."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.children import Stop
from benchmarks.listening import PROMPT, Told, in_order

MARK = "X-Soak"
"""The field of an answer's head that names the planned answer that it is."""

AT_ONCE = 200
"""Events a second of a stream, so that one can be left in its middle."""

TYPES = frozenset("thinking_delta thinking tool_call tool_result text_delta text stop".split())
"""The events that a turn may have."""

EXAMPLES = 10
"""How many of the answers that were wrong are shown."""


class Planned(NamedTuple):
    """An answer that is planned with a probability, by the name under which it is counted."""

    name: str
    operation: str
    probability: float
    answer: Mapping[str, Any]

    def spec(self) -> Mapping[str, Any]:
        """Give it as the mock reads it."""
        marked = {**self.answer, "headers": {MARK: self.name}}
        return {"operation": self.operation, "probability": self.probability, "times": "always", **marked}


PLANNED = (
    Planned("title-429", "set_title", 0.004, {"status": 429, "retry_after_ms": 7}),
    Planned("title-reset", "set_title", 0.002, {"faults": "reset"}),
    Planned("title-late", "set_title", 0.002, {"faults": {"delay": {"uniform": [0.05, 0.15]}}}),
    Planned("title-slow", "set_title", 0.001, {"faults": {"slow-body": 1000}}),
    Planned("title-truncated", "set_title", 0.002, {"faults": {"truncate": 20}}),
    Planned("stream-429", "stream", 0.05, {"status": 429, "retry_after_ms": 7}),
    Planned("stream-cut", "stream", 0.1, {"faults": {"cut-stream": 2}}),
    Planned("stream-torn", "stream", 0.1, {"faults": {"cut-stream": {"after": 3, "how": "reset"}}}),
    Planned("stream-stalled", "stream", 0.05, {"faults": {"stall-stream": {"after": 2, "seconds": 0.2}}}),
    Planned("stream-slow", "stream", 0.05, {"faults": {"slow-body": 30_000}}),
)
"""Everything that the mock shall do wrong. What is unanswered can carry no mark; only one of these is."""

SOONEST = {"title-late": 0.05, "title-slow": 0.08}
"""How many seconds an answer takes at the least."""

EVENTS = {"stream-cut": 2, "stream-torn": 3, "stream-stalled": 2}
"""After how many events a stream ends too early."""


@dataclass(slots=True)
class Tally:
    """What came: how often what was right, what was wrong, and what some of it looked like."""

    seen: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    examples: list[str] = field(default_factory=list)

    def count(self, kind: str, told: object = "") -> None:
        """Count an answer by its kind; one of no kind is wrong."""
        if kind:
            self.seen[kind] += 1
            return
        self.wrong += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(str(told)[:500])


def split(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Give status, fields of the head, and body of an answer; 0 for one without a whole head."""
    head, end, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return (int(first.split(" ")[1]) if end else 0), fields, body


def is_whole(answer: bytes) -> bool:
    """Say whether an answer has all that its head declares."""
    status, fields, body = split(answer)
    if fields.get("transfer-encoding") == "chunked":
        return answer.endswith(b"\r\n0\r\n\r\n")
    return status > 0 and len(body) >= int(fields.get("content-length", 0))


def is_plain(answer: bytes, body: bytes) -> bool:
    """Say at once whether a whole answer is the right one with this body, and none that was planned."""
    return answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(body) and b"x-soak" not in answer


def title_kind(answer: bytes, body: bytes, seconds: float, lost: str = "") -> str:
    """Name the kind of what came of a title call whose right answer has this body; "" if it is none that may be.

    `lost` says how the connection was lost before the answer was whole: "reset", "close", or not.
    """
    if not answer:
        return "title-reset" if lost == "reset" else ""
    status, fields, got = split(answer)
    kind = fields.get(MARK.lower(), "")
    if lost:
        short = status == 200 and body.startswith(got) and len(got) == 20
        return kind if kind == "title-truncated" and short and lost == "close" else ""
    if kind == "title-429":
        return kind if status == 429 and fields.get("retry-after-ms") == "7" else ""
    if status != 200 or got != body or kind not in ("", "title-late", "title-slow"):
        return ""
    return (kind or "title") if seconds >= SOONEST.get(kind, 0) else ""


def stream_kind(answer: bytes, lost: str, *, left: bool) -> str:
    """Name the kind of a streamed turn; "" if it is none that may be.

    `left` says that the client itself left, in the middle of what the head's mark may name.
    """
    status, fields, _ = split(answer)
    kind = fields.get(MARK.lower(), "")
    if status not in (0, 200):
        return kind if (status, kind, lost) == (429, "stream-429", "") else ""
    if status == 0:
        return "stream-torn" if lost == "reset" else ""
    if left:
        return kind or "stream-left"
    try:
        events = [each for each in Told(0.0, parts=[answer]).events() if each]
    except (Stop, ValueError):
        return ""
    if kind in EVENTS:
        how = "reset" if kind == "stream-torn" else "close"
        enough = len(events) == EVENTS[kind] or (how == "reset" and len(events) < EVENTS[kind])
        return kind if lost == how and enough else ""
    known = all(json.loads(each.partition("data: ")[2])["type"] in TYPES for each in events)
    whole = not lost and known and in_order(events) and kind in ("", "stream-slow")
    return (kind or "stream") if whole else ""


def fits(history: bytes, kind: str) -> bool:
    """Say whether a session's history is as it must be after its one turn, which was of a kind, or "left"."""
    events: Sequence[Mapping[str, Any]] = json.loads(history)["events"]
    if kind == "stream-429" or not events:
        return kind == "stream-429" and not events
    begun = events[0] == {"type": "user_input", "content": PROMPT}
    if kind == "left":  # it may be that the mock does not know yet
        return begun
    return begun and events[-1]["type"] == "stop" and events[-1]["is_error"] is (kind in EVENTS)


def request(method: str, path: str, body: str | None = None, *more: str) -> bytes:
    """Write a request with a key; `more` are lines of the head."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", "authorization: Bearer any-key", *more]
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(body.encode())}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode()


_TITLE = "/api/v1/chat/ses-odd/title"
_GOOD = json.dumps({"first_message": PROMPT})

ODD: Mapping[str, tuple[bytes, int]] = {
    "no JSON": (request("POST", _TITLE, '{"first_message": '), 422),
    "a field missing": (request("POST", _TITLE, "{}"), 422),
    "a field of another type": (request("POST", _TITLE, '{"first_message": [1]}'), 422),
    "no UTF-8": (request("POST", _TITLE, _GOOD).replace(b"rotate", b"rot\xff\xfee"), 400),
    "no key": (request("POST", _TITLE, _GOOD).replace(b"authorization: Bearer any-key\r\n", b""), 401),
    "an unknown path": (request("GET", "/api/v1/nowhere"), 404),
    "another method": (request("PATCH", _TITLE, _GOOD), 405),
    "a body too long": (request("POST", _TITLE).replace(b"\r\n\r\n", b"\r\ncontent-length: 2000000\r\n\r\n"), 413),
    "a body that stops": (request("POST", _TITLE, _GOOD)[:-10], 408),
    "a path too long": (request("GET", "/" + "a" * 20_000), 414),
    "a preference": (request("POST", _TITLE, _GOOD, "prefer: code=404"), 404),
    "a preference that cannot be met": (request("POST", _TITLE, _GOOD, "prefer: code=299"), 400),
    "an unknown page": (request("GET", "/api/v1/chat?page_size=-1"), 422),
    "no HTTP": (b"HELLO\r\n\r\n", 400),
    "a list of lists": (request("POST", _TITLE, "[" * 5000 + "]" * 5000), 400),
}
"""What a client sends that is wrong or unusual, and the status of its answer."""

CUT_SHORT = (b"", b"POST /api", request("POST", _TITLE, _GOOD)[:-10], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
"""What clients send that leave before they have sent all: nothing, a part of a head, of a body, of another protocol."""
