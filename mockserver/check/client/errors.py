"""What a client must survive: documented errors, answers that are retried; and what no contract allows, to look on."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import formatdate
from typing import Any

from mockserver.check.client.cases import (
    ClientCase,
    ClientOperation,
    is_listing,
    stream_media,
    success_media,
    usual,
    usual_way,
)
from mockserver.check.client.values import edges, full
from mockserver.contract.openapi import Operation, is_json
from mockserver.contract.schema import Schema, resolve
from mockserver.messages import Json
from mockserver.stub.response import declared

NAMED: Mapping[int, str] = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
}
"""The exceptions that the official client has for single statuses. Source: its readme."""

ANY_STATUS = "APIStatusError"
FAILED = "InternalServerError"
UNREACHED, TOO_LATE = "APIConnectionError", "APITimeoutError"

RETRIES = 5
"""How often a call is tried again by default. This and all of the policy: docs/upstream.md, "Retries"."""

FIRST_WAIT, LONGEST_WAIT, JITTER = 0.5, 8.0, 0.25
"""The wait before the first further attempt, doubled each time up to the longest; it may be shorter by the last."""

HEEDED = 60.0
"""Up to how many seconds the client waits because the server says so."""

SOON: Mapping[str, Any] = {"retry_after_ms": 1}
HASTE = 0.05
"""The patience of a client that shall run out of it, in seconds."""


def exception_of(status: int) -> str:
    """Name the exception that a status must become."""
    return FAILED if status >= 500 else NAMED.get(status, ANY_STATUS)


def is_retried(status: int) -> bool:
    """Return whether a status is tried again where its answer does not say."""
    return status in (408, 409, 429) or status >= 500


def backoff(count: int) -> list[tuple[float, float]]:
    """Return the waits of so many further attempts, where the server says nothing of them."""
    most = [min(FIRST_WAIT * 2**number, LONGEST_WAIT) for number in range(count)]
    return [(each * (1 - JITTER), each) for each in most]


def errors(side: ClientOperation) -> Iterator[ClientCase]:
    """Answer with every documented error."""
    for status in sorted(each for each in side.operation.exact if each >= 400):
        yield _error(side, f"{status}", status)


def error_bodies(side: ClientOperation) -> Iterator[ClientCase]:
    """Answer with every edge of every form that the body of an error has."""
    played: set[str] = set()
    for status in sorted(each for each in side.operation.exact if each >= 400):
        schema = _error_schema(side.operation, status)
        if schema is not None and schema.pointer not in played:
            played.add(schema.pointer)
            for edge in edges(schema):
                yield _error(side, f"{status} {edge.name}", status, body=edge.value)


def _error(side: ClientOperation, name: str, status: int, **more: Any) -> ClientCase:
    answer = {"status": status, "times": "always", **({"should_retry": False} if is_retried(status) else {}), **more}
    return ClientCase(
        "error", name, side.operation, usual(side), (answer,), usual_way(side.operation), exception_of(status)
    )


def _error_schema(operation: Operation, status: int) -> Schema | None:
    return next((media.schema for media in operation.exact[status].media if is_json(media.type)), None)


def lasting(side: ClientOperation) -> Iterator[ClientCase]:
    """Answer for ever with each status that is tried again."""
    for status in sorted(each for each in side.operation.exact if is_retried(each)):
        answer = {"status": status, **SOON, "times": "always"}
        more: dict[str, Any] = {"attempts": 1 + RETRIES, "waits": [(0.001, 0.001)] * RETRIES}
        yield _retry(side, f"{status}, for ever", answer, raises=exception_of(status), **more)


def retries(side: ClientOperation) -> Iterator[ClientCase]:
    """Answer once with what is tried again, and never."""
    operation, soon = side.operation, [(0.001, 0.001)]
    for status in sorted(each for each in operation.exact if is_retried(each)):
        yield _retry(side, f"{status}, then success", {"status": status, **SOON}, attempts=2, waits=soon)
    twice = (stubbed(operation, 429, **SOON), stubbed(operation, 503, **SOON))
    yield _retry(side, "429, then 503, then success", *twice, attempts=3, waits=soon * 2)
    answer = {"faults": "close", "times": "always"}
    waits = backoff(RETRIES)
    yield _retry(side, "no connection", answer, raises=UNREACHED, attempts=1 + RETRIES, waits=waits)
    yield _retry(side, "a reset, then success", {"faults": "reset"}, attempts=2, waits=backoff(1))


def words(side: ClientOperation) -> Iterator[ClientCase]:
    """Answer with every word on whether and when to try again."""
    operation, again = side.operation, 1 + RETRIES
    answer = stubbed(operation, 503, times="always")
    yield _retry(side, "no word", answer, raises=FAILED, attempts=again, waits=backoff(RETRIES))
    for name, headers, wait in _words():
        yield _retry(side, name, stubbed(operation, 429, **headers), attempts=2, waits=[wait])
    answer = stubbed(operation, 400, should_retry=True, times="always", **SOON)
    yield _retry(
        side, "x-should-retry: true", answer, raises=NAMED[400], attempts=again, waits=[(0.001, 0.001)] * RETRIES
    )


def late(side: ClientOperation) -> Iterator[ClientCase]:
    """Answer too late, every time; this waits, so that it is played for one operation."""
    answer = {"delay": 20 * HASTE, "times": "always"}
    more: dict[str, Any] = {"attempts": 1 + RETRIES, "waits": backoff(RETRIES), "timeout": HASTE}
    yield _retry(side, "too late", answer, raises=TOO_LATE, **more)


def _retry(side: ClientOperation, name: str, *answers: Mapping[str, Any], raises: str = "", **more: Any) -> ClientCase:
    return ClientCase("retry", name, side.operation, usual(side), answers, usual_way(side.operation), raises, **more)


def _words() -> Iterator[tuple[str, Mapping[str, Any], tuple[float, float]]]:
    """Return each word on when to try again: its name, how it is stubbed, how long it makes the client wait."""
    for seconds in (2, 1.5, HEEDED):
        yield f"Retry-After: {seconds:g}", {"retry_after": f"{seconds:g}"}, (seconds, seconds)
    date = formatdate(time.time() + 30, usegmt=True)
    yield "Retry-After: a date in 30 s", {"retry_after": date}, (20.0, 31.0)
    yield "retry-after-ms: 25", {"retry_after_ms": 25}, (0.025, 0.025)
    yield "retry-after-ms: 30, Retry-After: 5", {"retry_after_ms": 30, "retry_after": 5}, (0.03, 0.03)
    (unheeded,) = backoff(1)
    for text in (f"{HEEDED + 1:g}", "0", "-1", "soon"):
        yield f"Retry-After: {text}", {"retry_after": text}, unheeded
    yield "retry-after-ms: 60001", {"retry_after_ms": 60_001}, unheeded


def stubbed(operation: Operation, status: int, **more: Any) -> Mapping[str, Any]:
    """Stub a status, on purpose outside the contract where that does not declare it."""
    return {"status": status, **more, **({} if declared(operation, status) is not None else {"invalid": True})}


# -- outside the contract --------------------------------------------------------------------------------------------


def outside(side: ClientOperation, *, slowly: bool = False, bodies: bool = True) -> Iterator[ClientCase]:
    """Answer as no contract allows; `slowly` plays what takes its time, `bodies` what breaks one field, too."""
    operation, given, way = side.operation, usual(side), usual_way(side.operation)
    media = success_media(operation)

    def case(name: str, *answers: Mapping[str, Any], **more: Any) -> ClientCase:
        return ClientCase(
            "outside", name, operation, more.pop("given", given), answers, more.pop("way", way), "", 1, **more
        )

    if stream_media(operation) is not None:
        yield from (case(name, *answers, **more) for name, answers, more in _streams())
    elif media is not None and media.schema is not None:
        for name, look, body in _bodies(media.schema) if bodies else ():
            yield case(name, {"body": body, "invalid": True}, look=look)
        for fault in _FAULTS:
            yield case(_describe(fault), {"faults": fault})
        yield case("204 without a body", {"status": 204, "invalid": True})
        if slowly:
            yield case("slow-body", {"faults": {"slow-body": 5_000}})
    if is_listing(operation):
        empty = {"body": {"items": [], "next_page_token": "t1"}}
        yield case("an empty page with a token", empty, {"body": {"items": []}}, way="pages")
    for name, answer in _refusals():
        yield case(name, answer)
    name = next((name for name in operation.names if name in given), "")
    for text in ("", "..") if name and operation.method == "GET" else ():
        yield case(f"the id {text!r}", given={**given, name: text})


_FAULTS: Sequence[Json] = (
    *("malformed-json", "empty-body", "wrong-content-type", {"wrong-content-type": "text/plain"}),
    *("wrong-charset", "truncate", "reset-body"),
)


def _describe(fault: Json) -> str:
    if isinstance(fault, str):
        return fault
    ((name, option),) = fault.items()
    return f"{name} {option}"


def _refusals() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return errors that are none of the contract's, by status or by body."""
    never = {"should_retry": False}
    yield "418", {"status": 418, "body": {"detail": "I am a teapot"}, "invalid": True}
    yield "299", {"status": 299, "invalid": True}
    yield "500 with an empty body", {"status": 500, "faults": "empty-body", "invalid": True, **never}
    yield "500 as text/html", {"status": 500, "faults": "wrong-content-type", "invalid": True, **never}
    yield "404 with a list", {"status": 404, "body": [1], "invalid": True}
    yield "422 in malformed JSON", {"status": 422, "faults": "malformed-json", "invalid": True}


def _streams() -> Iterator[tuple[str, Sequence[Mapping[str, Any]], dict[str, Any]]]:
    yield "unknown-event", [{"faults": "unknown-event"}], {}
    for how in ("close", "reset", "end"):
        yield f"cut-stream by {how}", [{"faults": {"cut-stream": {"after": 2, "how": how}}}], {}
    yield "stall-stream", [{"faults": {"stall-stream": {"after": 2, "seconds": 5}}}], {"timeout": 2 * HASTE}
    for fault in ("malformed-json", "wrong-charset", "wrong-content-type", "empty-body"):
        yield fault, [{"faults": fault}], {}
    yield "events, by the plain call", [{}], {"way": "plain"}


def _bodies(schema: Schema) -> Iterator[tuple[str, str, Json]]:
    """Return bodies that break their schema: what is wrong, where to look, the body."""
    roots: Sequence[Json] = (None, [1], "text", 17, {})
    for root in roots:
        if not schema.is_valid(root):
            yield f"a body {json.dumps(root)}", "", root
    value = full(schema)
    if not isinstance(value, dict):
        return
    _, node = resolve(schema.document, schema.pointer)
    objects = [("", value, node.get("required", ()))]
    objects += [(f"/{key}", below, ()) for key, below in value.items() if isinstance(below, dict)]
    for where, here, required in objects:
        for name, key, damaged in _damages(here, required):
            body = _put(value, where, damaged)
            if not schema.is_valid(body):
                yield f"{name} {where}/{key}".rstrip("/"), f"{where}/{key}".rstrip("/"), body
    if isinstance(value.get("events"), list):
        for name, event in _odd_events():
            yield f"an event {name}", "/events/0", {**value, "events": [event]}


def _odd_events() -> Iterator[tuple[str, Json]]:
    yield "of an unknown type", {"type": "surprise", "content": "This event is in no contract."}
    yield "of an unknown type with nothing known in it", {"type": "surprise", "weather": "fine"}
    yield "without a type", {"content": "Whose is it?"}
    yield "with a null for a type", {"type": None, "content": "Whose is it?"}
    yield "that is a text", "text"


def _damages(value: Json, required: Sequence[str]) -> Iterator[tuple[str, str, Json]]:
    """Damage an object in one field: what is done, to which field, the object."""
    for key, here in value.items():
        if key in required:
            yield "missing", key, {name: each for name, each in value.items() if name != key}
            yield "null", key, {**value, key: None}
        other: Json = ["another type"] if not isinstance(here, list) else "another type"
        yield "another type of", key, {**value, key: other}
        if isinstance(here, bool | int | float):
            yield "a text for", key, {**value, key: str(here).lower()}
        if isinstance(here, int) and not isinstance(here, bool):
            yield "a fraction for", key, {**value, key: here + 0.5}
        if isinstance(here, str):
            yield "another value of", key, {**value, key: "no such value"}


def _put(value: Json, where: str, below: Json) -> Json:
    return below if not where else {**value, where.removeprefix("/"): below}
