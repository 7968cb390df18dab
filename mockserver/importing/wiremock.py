"""Reads WireMock's mappings, with the files of bodies beside them."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mockserver.answer.fixtures import canned_media
from mockserver.contract.openapi import Operation
from mockserver.data import FileError, read_bytes
from mockserver.engine import Mock
from mockserver.errors import MockserverError
from mockserver.importing.found import ForeignAnswer, ForeignStub, LeftOut, LeftOutError, member
from mockserver.importing.matchers import RequestPattern
from mockserver.messages import Json

USUAL_PRIORITY = 5

_MEANINGLESS = "id uuid name persistent metadata insertionIndex priority request response".split()
_SCENARIO = ("scenarioName", "requiredScenarioState", "newScenarioState")
_RESPONSE = (
    "status statusMessage headers body jsonBody base64Body bodyFileName fixedDelayMilliseconds delayDistribution "
    "chunkedDribbleDelay fault transformers transformerParameters".split()
)
_FAULTS = {"EMPTY_RESPONSE": "close", "CONNECTION_RESET_BY_PEER": "reset", "MALFORMED_RESPONSE_CHUNK": "truncate"}
_FIRST = "Started"
"""The state in which every scenario begins."""


class Mapped(NamedTuple):
    """One mapping, and where it stands; `files` is the folder of its bodies."""

    where: str
    data: Any
    files: Path


def read_mappings(mapped: Sequence[Mapped], mock: Mock) -> Iterator[ForeignStub | LeftOut]:
    """Yield what mappings become, the most important one last, since later stubs win."""
    singles: list[Mapped] = []
    scenarios: dict[str, list[Mapped]] = {}
    for each in mapped:
        name = each.data.get("scenarioName") if isinstance(each.data, Mapping) else None
        (singles if not isinstance(name, str) else scenarios.setdefault(name, [])).append(each)
    groups = [[each] for each in singles]
    for name, steps in scenarios.items():
        try:
            groups.append(_ordered(steps))
        except LeftOutError as error:
            yield from (LeftOut(each.where, f"its scenario {name!r}: {error}") for each in steps)
    for group in sorted(groups, key=lambda each: -_priority(each[0].data)):
        try:
            yield from _found(group, mock)
        except LeftOutError as error:
            yield from (LeftOut(each.where, str(error)) for each in group)


def _priority(data: Any) -> int:
    value = data.get("priority") if isinstance(data, Mapping) else None
    return value if isinstance(value, int) else USUAL_PRIORITY


def _ordered(steps: Sequence[Mapped]) -> list[Mapped]:
    """Return the steps of a scenario in their order; LeftOutError unless they answer one request in turn."""
    if any(each.data.get("request") != steps[0].data.get("request") for each in steps):
        raise LeftOutError("its steps answer different requests; stubs take turns only for the same one")
    by_state = {each.data.get("requiredScenarioState") or _FIRST: each for each in steps}
    found: list[Mapped] = []
    state: Any = _FIRST
    while isinstance(state, str) and state in by_state:
        step = by_state.pop(state)
        found.append(step)
        state = step.data.get("newScenarioState")
    if len(found) < len(steps):
        raise LeftOutError("its states do not follow one another")
    if state in {each.data.get("requiredScenarioState") or _FIRST for each in found}:
        raise LeftOutError("it begins anew after its last state, and stubs do not")
    return found


def _found(group: Sequence[Mapped], mock: Mock) -> Iterator[ForeignStub]:
    first = group[0]
    if not isinstance(first.data, Mapping):
        raise LeftOutError("it is no object")
    pattern = RequestPattern(member(first.data, "request", Mapping), mock.served.router, mock.redactor)
    pairs = pattern.read()
    known = (*_MEANINGLESS, *_SCENARIO)
    notes = [*pattern.notes, *(f"its {name} is left out" for each in group for name in each.data if name not in known)]
    for operation, when in pairs:
        answers = []
        for each in group:
            answers.append(_answer(member(each.data, "response", Mapping), operation, each.files, mock, notes))
        yield ForeignStub(first.where, operation, when, tuple(answers), tuple(dict.fromkeys(notes)))


def _answer(given: Any, operation: Operation | None, files: Path, mock: Mock, notes: list[str]) -> ForeignAnswer:
    """Return the answer of a mapping, without its secrets."""
    if "proxyBaseUrl" in given:
        raise LeftOutError("it passes requests on to a service: use mockserver proxy")
    if unknown := [name for name in given if name not in _RESPONSE]:
        raise LeftOutError(f"stubs have nothing like its response.{unknown[0]}")
    if given.get("statusMessage"):
        notes.append("its statusMessage is left out")
    body = _body(given, files)
    if b"{{" in body and given.get("transformers"):
        raise LeftOutError('its body is a template: write it as a fixture with "template": true')
    more = _more(given, len(body), notes)
    if "fault" in given:
        return ForeignAnswer(None, more=more)
    status = member(given, "status", int, 200)
    if operation is None and body:
        raise LeftOutError("it answers any operation with one body, which no contract allows")
    headers = _headers(given)
    if body and operation is not None and not any(name == b"content-type" for name, _ in headers):
        headers.append((b"content-type", _usual_type(operation, status)))
    redactor = mock.redactor
    return ForeignAnswer(status, redactor.headers(headers), redactor.body(body), more)


def _usual_type(operation: Operation, status: int) -> bytes:
    """Return the media type of an answer that names none."""
    try:
        reply = operation.reply(status)
    except MockserverError as error:
        raise LeftOutError("the contract of the operation cannot be read") from error
    media = None if reply is None else canned_media(reply)
    return b"application/json" if media is None else media.type.encode("latin-1", "replace")


def _headers(given: Any) -> list[tuple[bytes, bytes]]:
    found = []
    for name, value in member(given, "headers", dict, {}).items():
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, str | int | float):
                raise LeftOutError(f"its header {name!r} is {each!r:.60}")
            found.append((name.lower().encode("latin-1", "replace"), str(each).encode("latin-1", "replace")))
    return found


def _body(given: Any, files: Path) -> bytes:
    if given.get("jsonBody") is not None:
        return json.dumps(given["jsonBody"], ensure_ascii=False).encode("utf-8", "surrogatepass")
    if given.get("base64Body") is not None:
        try:
            text: str = member(given, "base64Body", str)
            return base64.b64decode(text, validate=True)
        except ValueError as error:
            raise LeftOutError(f"its body is no base64: {error}") from error
    if given.get("bodyFileName") is not None:
        return _body_file(member(given, "bodyFileName", str), files)
    plain: str = member(given, "body", str, "")
    return plain.encode("utf-8", "surrogatepass")


def _body_file(name: str, files: Path) -> bytes:
    """Read the file of a body, which must lie in the folder of such files."""
    try:
        path = (files / name).resolve()
        if not path.is_relative_to(files.resolve()):
            raise LeftOutError(f"its body's file {name!r} lies outside {files}")
        return bytes(read_bytes(path))
    except (FileError, OSError, ValueError) as error:
        raise LeftOutError(f"its body's file {name!r} cannot be read: {error}") from error


def _more(given: Any, size: int, notes: list[str]) -> dict[str, Json]:
    """Return delay and faults as a stub has them."""
    more: dict[str, Json] = {}
    if delay := _delay(given):
        more["delay"] = delay
    dribble, fault = given.get("chunkedDribbleDelay"), given.get("fault")
    if dribble is not None and size:
        seconds = member(dribble, "totalDuration", int) / 1000
        more["faults"] = [{"slow-body": max(1, round(size / seconds))}] if seconds > 0 else []
    if fault is not None:
        if fault not in _FAULTS:
            raise LeftOutError(f"stubs have no fault {fault!r}")
        if fault == "MALFORMED_RESPONSE_CHUNK":
            notes.append("its fault becomes truncate: the body ends early")
        more["faults"] = [_FAULTS[fault]]
    return more


def _delay(given: Any) -> Json:
    """Return a delay in seconds, as a stub has it."""
    drawn = member(given, "delayDistribution", dict, {})
    kind = drawn.get("type")
    number = (int, float)
    if kind == "uniform":
        return {"uniform": [member(drawn, each, number) / 1000 for each in ("lower", "upper")]}
    if kind == "lognormal":
        return {"lognormal": [member(drawn, "median", number) / 1000, member(drawn, "sigma", number)]}
    if kind == "fixed":
        return member(drawn, "milliseconds", number) / 1000
    if drawn:
        raise LeftOutError(f"stubs have no delay that is {kind!r}")
    return member(given, "fixedDelayMilliseconds", number, 0) / 1000
