"""A turn of a conversation: its events, their order, and what the history records."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

from mockserver.messages import Json

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_WORDS = re.compile(r"\w[\w'\u2019-]*")
_PIECES = re.compile(r"\S+\s*|\s+")
_STOPWORDS = frozenset(
    "a about all an and any are as at be been by can could did do does for from give had has have how i in into is it "
    "its let may me might more most must my of on or our please shall should show so some tell than that the their "
    "them then there these they this those to us was we were what when where which who whom whose why will with would "
    "you your".split()
)
_THOUGHTS = (
    "The question is about “{topic}”. I look for it in {index}.",
    "I search {index} for “{topic}”, then put together what is said there.",
    "First I need the passages of {index} that speak of “{topic}”.",
)
_PASSAGES = (
    "“{topic}” is dealt with in section {number}, with figures from {year}.",
    "The main points on “{topic}” are summed up on page {number}.",
    "Since {year}, “{topic}” has come up in {number} documents.",
    "A table on page {number} compares “{topic}” with the year {year}.",
)
_ANSWERS = (
    "This is what I found in {index}: {passages}",
    "{passages} That is what {index} says about “{topic}”.",
    "I looked in {index}. {passages}",
)
LONGEST_QUOTE = 120
"""How many characters of a prompt or an index id a made turn quotes."""

LONGEST_LOOK = 2_000
"""How many characters of a prompt are searched for its topic."""

_BROKEN_OFF = "The connection was closed before the turn was complete."


def is_stop(event: Json) -> bool:
    """Return whether an event ends a turn."""
    return isinstance(event, dict) and event.get("type") == "stop"


def check_script(events: Sequence[Json]) -> None:
    """Reject an inconsistent turn; a ValueError says where and why."""
    for index, event in enumerate(events):
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise ValueError(f"/{index}/event", "an event is an object with a type")
        if (event["type"] == "stop") is not (index == len(events) - 1):
            raise ValueError(f"/{index}/event", "a turn ends with its stop, and has no other")
    _check_order(events)


def _check_order(events: Sequence[Json]) -> None:
    """Reject deltas that do not add up to their text, and results without their call."""
    pieces = {"text": "", "thinking": ""}
    calls: dict[Json, Json] = {}
    for index, event in enumerate(events):
        kind, place = event["type"], f"/{index}/event"
        whole = kind.removesuffix("_delta")
        if kind == "user_input":
            raise ValueError(place, "a turn is what is answered; the user's message is put before it")
        if whole in pieces and kind != whole:
            pieces[whole] += str(event.get("content", ""))
        elif whole in pieces:
            if pieces[whole] not in ("", event.get("content")):
                raise ValueError(place, f"the pieces before it do not add up to it: they say {pieces[whole]!r}")
            pieces[whole] = ""
        elif kind == "tool_call":
            calls[str(event.get("call_id"))] = event.get("name")
        elif kind == "tool_result" and calls.pop(str(event.get("call_id")), None) != event.get("name"):
            raise ValueError(place, "a result has the call_id and the name of a call before it")


def identifier(prefix: str, rng: Random, size: int = 12) -> str:
    """Make an id: a prefix and lower-case alphanumerics. Source: docs/upstream.md, "Identifiers"."""
    return prefix + "".join(rng.choices(_ALPHABET, k=size))


def composed(prompt: str, index_ids: Sequence[str], rng: Random) -> list[Json]:
    """Make a plausible turn from a prompt, without its stop: a thought, a search of each index, an answer.

    The deltas add up to the texts that they precede. Source of the order: docs/upstream.md, "Stream".
    """
    topic = _topic(prompt)
    told = {"topic": topic, "index": " and ".join(map(_quoted, index_ids[:3]))}
    thought = rng.choice(_THOUGHTS).format(**told)
    events = [*_pieces("thinking_delta", thought, rng), {"type": "thinking", "content": thought}]
    passages = []
    for index_id in index_ids[:5]:
        call = {"name": "retrieve", "call_id": identifier("call_", rng)}
        arguments = {"index_id": index_id, "query": topic, "top_k": rng.randint(3, 10)}
        events.append({"type": "tool_call", "arguments": arguments, **call})
        found = [_passage(topic, rng) for _ in range(rng.randint(1, 3))]
        scores = sorted((round(rng.uniform(0.4, 0.98), 2) for _ in found), reverse=True)
        result = [{"text": text, "score": score} for text, score in zip(found, scores, strict=True)]
        events.append({"type": "tool_result", **call, "result": result, "image_attachment": None})
        passages += found
    text = rng.choice(_ANSWERS).format(**told, passages=" ".join(passages[:8]))
    return [*events, *_pieces("text_delta", text, rng), {"type": "text", "content": text}]


def _topic(prompt: str) -> str:
    """Return the first words of a prompt that carry meaning, or its start if there are none."""
    found = (match[0] for match in _WORDS.finditer(prompt[:LONGEST_LOOK]))
    words = islice((word for word in found if word.lower() not in _STOPWORDS), 6)
    return _quoted(" ".join(words)) or prompt.strip()[:60] or "this"


def _quoted(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 3] + "..."


def _passage(topic: str, rng: Random) -> str:
    return rng.choice(_PASSAGES).format(topic=topic, number=rng.randint(2, 40), year=rng.randint(2019, 2025))


def _pieces(kind: str, text: str, rng: Random) -> Iterator[Json]:
    """Cut a text into the deltas that precede it, one to four words each."""
    words = iter(_PIECES.findall(text))
    for word in words:
        piece = word + "".join(islice(words, rng.randint(1, 4) - 1))
        yield {"type": kind, "content": piece}


def stopped(events: Sequence[Json], prompt: str, rng: Random, error: str | None = None) -> Json:
    """Make the stop of a turn: its usage, and its error if it failed."""
    written = sum(len(str(event.get("content", ""))) for event in events if event["type"] in ("text", "thinking"))
    calls = sum(event["type"] == "tool_call" for event in events)
    usage = {
        "total_input_tokens": len(prompt) // 4 + 400 * (calls + 1) + rng.randint(1, 200),
        "total_output_tokens": written // 4 + 20 * calls,
        "turns": calls + 1,
        "duration_ms": round(rng.uniform(300, 900) * (calls + 1), 1),
    }
    return {"type": "stop", "usage": usage, "is_error": error is not None, "error": error}


def arranged(events: Sequence[Json]) -> list[Json]:
    """Put events of any kind into a turn's order: results after their calls, deltas before their text, one stop.

    Events of unknown type, in a user's contract, stay where they are.
    """
    kinds = ("thinking_delta", "thinking", "tool_call", "tool_result", "text_delta", "text")
    known = [[event for event in events if event.get("type") == kind] for kind in kinds]
    thoughts, thinking, calls, results, pieces, texts = known
    pairs: list[Json] = []
    for call, result in zip(calls, results, strict=False):  # a call or result without its counterpart is left out
        pairs += [call, {**result, **{key: call[key] for key in ("name", "call_id") if key in call}}]
    others = [event for event in events if event.get("type") not in (*kinds, "stop", "user_input")]
    stop = [event for event in events if event.get("type") == "stop"][-1:]
    made = [*_whole(thoughts, thinking), *pairs, *others, *_whole(pieces, texts), *stop]
    return made or list(events)


def _whole(deltas: list[Json], wholes: list[Json]) -> list[Json]:
    """If there are deltas, make one complete event of their content; it follows them."""
    if deltas:
        like = wholes[-1] if wholes else {**deltas[-1], "type": deltas[-1]["type"].removesuffix("_delta")}
        wholes = [{**like, "content": "".join(str(event.get("content", "")) for event in deltas)}]
    return [*deltas, *wholes]


def remembered(prompt: str, events: Sequence[Json]) -> list[Json]:
    """Return what the history records of a turn: the user's message and the complete events, no deltas.

    Source: docs/upstream.md, "History".
    """
    kept = [event for event in events if not str(event.get("type", "")).endswith("_delta")]
    return [{"type": "user_input", "content": prompt}, *kept]


def broken_off(events: Sequence[Json], prompt: str, rng: Random) -> list[Json]:
    """Return a turn that was cut off: what was sent, unfinished deltas as one text, and a failed stop."""
    made: list[Json] = []
    for event in events:
        whole = str(event.get("type", "")).removesuffix("_delta")
        if event.get("type") == whole and made and made[-1].get("type") == f"{whole}_delta":
            made.pop()
        elif event.get("type") != whole and made and made[-1].get("type") == event["type"]:
            event = {**event, "content": made.pop()["content"] + event["content"]}
        made.append(event)
    made = [{**event, "type": event["type"].removesuffix("_delta")} for event in made]
    return [*made, stopped(made, prompt, rng, _BROKEN_OFF)]


def ended(
    events: Sequence[Json], sent: int, prompt: str, rng: Random, index_ids: Sequence[str]
) -> tuple[Json, list[Json], Json]:
    """Return how a turn ends after `sent` events: its stop, its history, and the record of its run."""
    is_complete = sent >= len(events) - 1
    kept = list(events) if is_complete else broken_off(events[:sent], prompt, rng)
    return kept[-1], remembered(prompt, kept), job_metadata(kept[-1], index_ids)


def job_metadata(stop: Json, index_ids: Sequence[str]) -> Json:
    """Return the record of a run: a copy of its stop. Source: docs/upstream.md, "History"."""
    defaults = {"total_input_tokens": None, "total_output_tokens": None, "turns": 1, "duration_ms": 0.0}
    sent = stop.get("usage") or {}
    usage = {name: sent.get(name, default) for name, default in defaults.items()}
    outcome = {"is_error": stop.get("is_error", False), "error": stop.get("error")}
    return {**usage, **outcome, "export_config_ids": list(index_ids)}
