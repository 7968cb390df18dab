"""Damages answers on purpose: late, slow, cut, garbled, or breaking their contract in one named way."""

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

from msgspec import structs

from mockserver.contract.schema import Schema, unwritable
from mockserver.delivery import changed, first_bytes, first_events, slowed
from mockserver.errors import StubError, suggestion
from mockserver.messages import Chunk, Delivery, Json, Response, Stream, Value
from mockserver.stub.corrupt import WAYS, broken, broken_here, sample, stands

LONGEST = 86_400.0
"""The longest delay or stall in seconds: one day."""

MOST = 1e12
"""The largest number that an option takes."""

STALL = 3_600.0
"""How long a stalled stream is silent by default, in seconds."""

SURPRISE: Json = {"type": "surprise", "content": "This event is in no contract."}


ON_THE_WAY = frozenset("delay slow-body close reset reset-body truncate cut-stream stall-stream".split())
"""The kinds that leave the content alone and disturb only its delivery."""


class Fault(Value, frozen=True):
    """One kind of damage; `options` are validated and complete."""

    kind: str
    options: Mapping[str, Json]

    def as_json(self) -> Json:
        """Write the fault in the form in which it is read."""
        return {self.kind: dict(self.options)} if self.options else self.kind


class Damage(NamedTuple):
    """What a fault may use: the answer, its options, a random source, and the schema of the body or events."""

    response: Response
    options: Mapping[str, Json]
    chance: Random
    schema: Schema | None


class Kind(NamedTuple):
    """One kind: the option that a bare value sets, all options with their defaults, and what it does."""

    main: str
    defaults: Mapping[str, Json]
    checks: Mapping[str, Callable[[Json], bool]]
    apply: Callable[[Damage], Response]
    body: str = ""
    """What it needs: "body" for any body, "json" for JSON or events, "stream" for events, "" for nothing."""


def read_faults(given: Json) -> tuple[Fault, ...]:
    """Read one fault or a list: "reset", {"cut-stream": 2}, {"cut-stream": {"after": 2, "how": "reset"}}.

    A StubError says what cannot be read, and lists what can.
    """
    if given is None:
        return ()
    return tuple(map(_read, given if isinstance(given, list | tuple) else [given]))


def _read(given: Json) -> Fault:
    name, options = given, None
    if isinstance(given, Mapping) and len(given) == 1:
        ((name, options),) = given.items()
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise StubError(
            f"there is no fault {given!r}", fix=suggestion(name, KINDS, f"the faults are {', '.join(KINDS)}")
        )
    if options is None:
        options = {}
    elif not isinstance(options, Mapping) or (options.keys() - kind.defaults.keys() and kind.main == "delay"):
        options = {kind.main: options} if kind.main else options
    return Fault(name, _checked(name, kind, options))


def _checked(name: str, kind: Kind, options: Json) -> Mapping[str, Json]:
    known = ", ".join(kind.defaults) or "none"
    if not isinstance(options, Mapping) or options.keys() - kind.defaults.keys():
        raise StubError(f"the fault {name!r} has no option {options!r}", fix=f"its options are: {known}")
    made = {**kind.defaults, **options}
    for option, value in made.items():
        if not kind.checks[option](value):
            raise StubError(f"the fault {name!r} cannot have {option} {value!r}", fix=f"see its options: {known}")
    if name == "break" and sum(value is not None for value in made.values()) != 1:
        raise StubError("the fault 'break' takes one way", fix='write {"break": {"missing": "/name"}}')
    return {option: value for option, value in made.items() if value is not None}


def damaged(response: Response, faults: tuple[Fault, ...], chance: Random, schema: Schema | None) -> Response:
    """Damage an answer by each fault in turn; a StubError says what cannot be done.

    `schema` is that of the body, or of the events of a stream.
    """
    for fault in faults:
        kind = KINDS[fault.kind]
        if why := unfit(kind, response):
            raise StubError(f"the fault {fault.kind!r} cannot be done", why=why)
        response = kind.apply(Damage(response, fault.options, chance, schema))
    return response


def lasting(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Return the faults that change the content, not only its delivery."""
    return tuple(fault for fault in faults if fault.kind not in ON_THE_WAY)


def unfit(kind: Kind, response: Response) -> str:
    """Return why an answer lacks what a kind needs, or "" if it does not."""
    if kind.body == "stream" and response.stream is None:
        return "the answer is no stream of events"
    if response.stream is not None:
        return "" if response.stream.chunks or not kind.body else "the stream has no events"
    if kind.body and not response.body:
        return "the answer has no body"
    return ""


def check_break(schema: Schema, fault: Fault) -> None:
    """Reject a break that breaks nothing; a StubError says why."""
    ((way, pointer),) = fault.options.items()
    broken(sample(schema, pointer), way, pointer, schema)


# -- what each kind does ---------------------------------------------------------------------------------------------


def _delivered(response: Response, **news: Any) -> Response:
    return structs.replace(response, delivery=(response.delivery or Delivery())._replace(**news))


def _delay(damage: Damage) -> Response:
    return _delivered(damage.response, delay=seconds(damage.options["delay"], damage.chance))


def seconds(delay: Json, chance: Random) -> float:
    """Return a delay: a number, or one drawn from {"uniform": [a, b]} or {"lognormal": [median, sigma]}."""
    if not isinstance(delay, Mapping):
        return float(delay)
    ((kind, (first, second)),) = delay.items()
    drawn = chance.uniform(first, second) if kind == "uniform" else first * chance.lognormvariate(0.0, second)
    return float(min(drawn, LONGEST))


def _is_delay(value: Json) -> bool:
    if _is_amount(value):
        return bool(value <= LONGEST)
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    ((kind, pair),) = value.items()
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(map(_is_amount, pair)):
        return False
    low, high = pair
    return bool(kind == "lognormal" and high <= 10) or bool(kind == "uniform" and low <= high <= LONGEST)


def _is_amount(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST


def _is_count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _slow(damage: Damage) -> Response:
    response, rate = damage.response, float(damage.options["bytes_per_second"])
    if response.stream is None:
        return _delivered(response, rate=rate)
    return structs.replace(response, stream=slowed(response.stream, rate))


def _unanswered(end: str) -> Callable[[Damage], Response]:
    return lambda damage: _delivered(damage.response, end=end, unanswered=True)


def _cut(end: str) -> Callable[[Damage], Response]:
    """End a body early, although its head announces more."""

    def cut(damage: Damage) -> Response:
        response, after = damage.response, damage.options.get("after")
        if response.stream is not None:
            return _delivered(structs.replace(response, stream=first_bytes(response.stream, after)), end=end)
        after = len(response.body) // 2 if after is None else after
        return _delivered(structs.replace(response, body=response.body[: min(after, len(response.body) - 1)]), end=end)

    return cut


def _with_body(response: Response, body: bytes) -> Response:
    fields = [field for field in response.headers if field[0] != b"content-length"]
    return structs.replace(response, headers=[*fields, (b"content-length", b"%d" % len(body))], body=body)


def _on_data(change: Callable[[bytes], bytes]) -> Callable[[Damage], Response]:
    """Change the body; in a stream, the first event that the change affects."""

    def damage_it(damage: Damage) -> Response:
        response = damage.response
        if response.stream is None:
            return _with_body(response, change(response.body))
        return structs.replace(
            response, stream=_with_event(damage, response.stream, change, "no event can be damaged so")
        )

    return damage_it


def _with_event(damage: Damage, stream: Stream, change: Callable[[bytes], bytes], why_not: str) -> Stream:
    made = changed(stream, change)
    if made is None:
        raise StubError(why_not, where=damage.schema.place() if damage.schema is not None else "")
    return made


def _malformed(text: bytes) -> bytes:
    """Cut the end off a JSON text, so that it cannot be parsed."""
    end = max(1, len(text) * 2 // 3)
    while end < len(text) and text[end] & 0xC0 == 0x80:  # not inside a character
        end -= 1
    left = text[:end]
    return left + b"{" if left[-1:].isdigit() else left


def _empty(damage: Damage) -> Response:
    response = damage.response
    if response.stream is not None:
        return structs.replace(response, stream=first_events(response.stream, 0))
    return _with_body(response, b"")


def _content_type(damage: Damage) -> Response:
    kind = damage.options["type"].encode()
    fields = [(name, kind if name == b"content-type" else value) for name, value in damage.response.headers]
    return structs.replace(damage.response, headers=fields)


def _charset(damage: Damage) -> Response:
    """Label the body UTF-8, and send an accented text as Latin-1, which is invalid UTF-8."""
    response = _on_data(_accented)(damage)
    fields = [(name, _in_utf8(value) if name == b"content-type" else value) for name, value in response.headers]
    return structs.replace(response, headers=fields)


def _accented(body: bytes) -> bytes:
    """Put an accented Latin-1 letter into the first text of a JSON body, else at the end."""
    for quote in (b'":"', b'": "'):
        if quote in body:
            at = body.index(quote) + len(quote)
            return body[:at] + b"\xe9" + body[at:]
    return body + b"\xe9"


def _in_utf8(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0] + b"; charset=utf-8"


def _break(damage: Damage) -> Response:
    response = damage.response
    if damage.schema is None:
        raise StubError("the fault 'break' cannot be done", why="the contract does not describe the body")
    schema, ((way, pointer),) = damage.schema, damage.options.items()

    def change(line: bytes) -> bytes:
        event = json.loads(line)
        made = broken_here(event, way, pointer, schema) if stands(event, pointer) else None
        return line if made is None else json.dumps(made, separators=(",", ":")).encode()

    try:
        if response.stream is None:
            made = broken(json.loads(response.body), way, pointer, schema)
            text = json.dumps(made, ensure_ascii=False, separators=(",", ":"))
            return _with_body(response, text.encode("utf-8", "surrogatepass"))
        none = f"no event can be broken at {pointer} by {way}"
        return structs.replace(response, stream=_with_event(damage, response.stream, change, none))
    except ValueError as error:
        raise StubError("the fault 'break' cannot be done", why=f"the body is not JSON any more: {error}") from error


def _cut_stream(damage: Damage) -> Response:
    how = damage.options["how"]
    response = damage.response
    if response.stream is None:
        return response
    made = structs.replace(response, stream=first_events(response.stream, damage.options["after"]))
    return made if how == "end" else _delivered(made, end=how)


def _stall_stream(damage: Damage) -> Response:
    response = damage.response
    if response.stream is None:
        return response
    made = structs.replace(response, stream=first_events(response.stream, damage.options["after"]))
    return _delivered(made, hold=float(damage.options["seconds"]), end="close")


def _surprise(damage: Damage) -> Response:
    response = damage.response
    if response.stream is None:
        return response
    text = json.dumps(damage.options["event"], separators=(",", ":")).encode()
    chunks = list(response.stream.chunks)
    at = min(damage.options["at"], len(chunks) - 1)
    due = chunks[at - 1].at if at else 0.0
    chunks.insert(at, Chunk(due, b"event: message\ndata: " + text + b"\n\n"))
    close = response.stream.close
    stream = response.stream._replace(chunks=chunks, close=lambda sent: close(sent - (sent > at)))
    return structs.replace(response, stream=stream)


def _is_pointer(value: Json) -> bool:
    return value is None or (isinstance(value, str) and value.startswith("/"))


def _is_rate(value: Json) -> bool:
    return _is_amount(value) and value >= 1 / LONGEST


def _is_media_type(value: Json) -> bool:
    fits = isinstance(value, str) and value.isascii() and value.isprintable() and 0 < len(value) <= 200
    return fits and value == value.strip()


def _is_stall(value: Json) -> bool:
    return _is_amount(value) and value <= LONGEST


def _is_half(value: Json) -> bool:
    return value is None or _is_count(value)


_AFTER = {"after": _is_half}

KINDS: Mapping[str, Kind] = {
    "delay": Kind("delay", {"delay": 1.0}, {"delay": _is_delay}, _delay),
    "slow-body": Kind("bytes_per_second", {"bytes_per_second": 100}, {"bytes_per_second": _is_rate}, _slow, "body"),
    "close": Kind("", {}, {}, _unanswered("close")),
    "reset": Kind("", {}, {}, _unanswered("reset")),
    "reset-body": Kind("after", {"after": None}, _AFTER, _cut("reset"), "body"),
    "truncate": Kind("after", {"after": None}, _AFTER, _cut("close"), "body"),
    "malformed-json": Kind("", {}, {}, _on_data(_malformed), "json"),
    "empty-body": Kind("", {}, {}, _empty, "body"),
    "wrong-content-type": Kind("type", {"type": "text/html"}, {"type": _is_media_type}, _content_type, "body"),
    "wrong-charset": Kind("", {}, {}, _charset, "body"),
    "break": Kind("", dict.fromkeys(WAYS), dict.fromkeys(WAYS, _is_pointer), _break, "json"),
    "cut-stream": Kind(
        "after",
        {"after": 1, "how": "close"},
        {"after": _is_count, "how": lambda how: how in ("close", "reset", "end")},
        _cut_stream,
        "stream",
    ),
    "stall-stream": Kind(
        "after", {"after": 1, "seconds": STALL}, {"after": _is_count, "seconds": _is_stall}, _stall_stream, "stream"
    ),
    "unknown-event": Kind(
        "at",
        {"at": 1, "event": SURPRISE},
        {"at": _is_count, "event": lambda event: isinstance(event, Mapping) and not unwritable(event)},
        _surprise,
        "stream",
    ),
}
"""Every kind of fault, by its name in a stub."""
