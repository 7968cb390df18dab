"""What a client must survive: documented errors, answers that are retried; and what no contract allows, to look on."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import formatdate
from typing import Any

from mockserver.check.client.cases import (
    ClientCase,
    ClientOperation,
    case,
    is_listing,
    stream_media,
    success_schema,
    usual,
)
from mockserver.check.client.values import edges, full
from mockserver.contract.openapi import Operation, is_json
from mockserver.contract.schema import Schema
from mockserver.contract.tree import resolve
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
AT_ONCE = [(0.001, 0.001)]
"""The wait before an attempt that the server asks for so."""

HASTE = 0.05
"""The patience of a client that shall run out of it, in seconds."""


def exception_of(status: int) -> str:
    """Name the exception that a status must become."""
    return FAILED if status >= 500 else NAMED.get(status, ANY_STATUS)


def is_retried(status: int) -> bool:
    """Return whether a status is tried again where its headers do not decide."""
    return status in (408, 409, 429) or status >= 500


def backoff(count: int) -> list[tuple[float, float]]:
    """Return the shortest and longest wait before each further attempt, where the server sets none."""
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
    return case(side, "error", name, answer, raises=exception_of(status))


def _error_schema(operation: Operation, status: int) -> Schema | None:
    return next((media.schema for media in operation.exact[status].media if is_json(media.type)), None)


def lasting(side: ClientOperation) -> Iterator[ClientCase]:
    """Answer for ever with each status that is tried again."""
    for status in sorted(each for each in side.operation.exact if is_retried(each)):
        answer = {"status": status, **SOON}
        yield _lasting(side, f"{status}, for ever", answer, exception_of(status), waits=AT_ONCE * RETRIES)


def retries(side: ClientOperation) -> Iterator[ClientCase]:
    """Answer once with what is tried again, and never."""
    operation = side.operation
    for status in sorted(each for each in operation.exact if is_retried(each)):
        yield case(side, "retry", f"{status}, then success", {"status": status, **SOON}, attempts=2, waits=AT_ONCE)
    twice = (stubbed(operation, 429, **SOON), stubbed(operation, 503, **SOON))
    yield case(side, "retry", "429, then 503, then success", *twice, attempts=3, waits=AT_ONCE * 2)
    yield _lasting(side, "no connection", {"faults": "close"}, UNREACHED)
    yield case(side, "retry", "a reset, then success", {"faults": "reset"}, attempts=2, waits=backoff(1))


def words(side: ClientOperation) -> Iterator[ClientCase]:
    """Answer with every word on whether and when to try again."""
    operation = side.operation
    yield _lasting(side, "no word", stubbed(operation, 503), FAILED)
    for name, headers, wait in _words():
        yield case(side, "retry", name, stubbed(operation, 429, **headers), attempts=2, waits=[wait])
    answer = stubbed(operation, 400, should_retry=True, **SOON)
    yield _lasting(side, "x-should-retry: true", answer, NAMED[400], waits=AT_ONCE * RETRIES)


def late(side: ClientOperation) -> Iterator[ClientCase]:
    """Answer too late, every time; this waits, so that it is played for one operation."""
    yield _lasting(side, "too late", {"delay": 20 * HASTE}, TOO_LATE, timeout=HASTE)


def _lasting(side: ClientOperation, name: str, answer: Mapping[str, Any], raises: str, **more: Any) -> ClientCase:
    """Answer every attempt in the same way; by default the client chooses how long it waits."""
    more = {"attempts": 1 + RETRIES, "waits": backoff(RETRIES), **more}
    return case(side, "retry", name, {**answer, "times": "always"}, raises=raises, **more)


def _words() -> Iterator[tuple[str, Mapping[str, Any], tuple[float, float]]]:
    """Yield each header that says when to try again: its name, its stub, and the shortest and longest wait."""
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
    operation, given, schema = side.operation, usual(side), success_schema(side.operation)
    if stream_media(operation) is not None:
        for name, answer, more in _streams():
            yield case(side, "outside", name, answer, **more)
    elif schema is not None:
        for name, look, body in _bodies(schema) if bodies else ():
            yield case(side, "outside", name, {"body": body, "invalid": True}, look=look)
        for fault in _FAULTS:
            yield case(side, "outside", _describe(fault), {"faults": fault})
        yield case(side, "outside", "204 without a body", {"status": 204, "invalid": True})
        if slowly:
            yield case(side, "outside", "slow-body", {"faults": {"slow-body": 5_000}})
    if is_listing(operation):
        empty: Json = {"items": []}
        pages = [{"body": {**empty, "next_page_token": "t1"}}, {"body": empty}]
        yield case(side, "outside", "an empty page with a token", *pages, way="pages")
    for name, answer in _REFUSALS.items():
        yield case(side, "outside", name, {**answer, "invalid": True})
    name = next((name for name in operation.names if name in given), "")
    for text in ("", "..") if name and operation.method == "GET" else ():
        yield case(side, "outside", f"the id {text!r}", arguments={**given, name: text})


_FAULTS: Sequence[Json] = (
    *("malformed-json", "empty-body", "wrong-content-type", {"wrong-content-type": "text/plain"}),
    *("wrong-charset", "truncate", "reset-body"),
)


def _describe(fault: Json) -> str:
    if isinstance(fault, str):
        return fault
    ((name, option),) = fault.items()
    return f"{name} {option}"


_REFUSALS: Mapping[str, Mapping[str, Any]] = {
    "418": {"status": 418, "body": {"detail": "I am a teapot"}},
    "299": {"status": 299},
    "500 with an empty body": {"status": 500, "faults": "empty-body", "should_retry": False},
    "500 as text/html": {"status": 500, "faults": "wrong-content-type", "should_retry": False},
    "404 with a list": {"status": 404, "body": [1]},
    "422 in malformed JSON": {"status": 422, "faults": "malformed-json"},
}
"""Errors that are none of the contract's, by status or by body."""


def _streams() -> Iterator[tuple[str, Mapping[str, Any], dict[str, Any]]]:
    yield "unknown-event", {"faults": "unknown-event"}, {}
    for how in ("close", "reset", "end"):
        yield f"cut-stream by {how}", {"faults": {"cut-stream": {"after": 2, "how": how}}}, {}
    yield "stall-stream", {"faults": {"stall-stream": {"after": 2, "seconds": 5}}}, {"timeout": 2 * HASTE}
    for fault in ("malformed-json", "wrong-charset", "wrong-content-type", "empty-body"):
        yield fault, {"faults": fault}, {}
    yield "events, by the plain call", {}, {"way": "plain"}


def _bodies(schema: Schema) -> Iterator[tuple[str, str, Json]]:
    """Yield bodies that break their schema: what is wrong, where to look, the body."""
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
        for name, event in _ODD_EVENTS.items():
            yield f"an event {name}", "/events/0", {**value, "events": [event]}


_ODD_EVENTS: Mapping[str, Json] = {
    "of an unknown type": {"type": "surprise", "content": "This event is in no contract."},
    "of an unknown type with nothing known in it": {"type": "surprise", "weather": "fine"},
    "without a type": {"content": "Whose is it?"},
    "with a null for a type": {"type": None, "content": "Whose is it?"},
    "that is a text": "text",
}


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
