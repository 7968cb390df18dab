"""What is found in a file to import, before it is written as a stub."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mockserver.contract.openapi import Operation
from mockserver.messages import Json, RawHeaders
from mockserver.redact import Redactor


class LeftOutError(Exception):
    """Something that cannot be taken; its text says why."""


class ForeignAnswer(NamedTuple):
    """One answer, without its secrets; `more` has the other keys of a stubbed response, such as delay and faults."""

    status: int | None
    """None for the operation's usual answer."""
    headers: RawHeaders = ()
    body: bytes = b""
    more: Mapping[str, Json] = {}


class ForeignStub(NamedTuple):
    """A request of one operation, and its answers one after the other; the last one lasts."""

    where: str
    operation: Operation | None
    """None for any operation."""
    when: Mapping[str, Json]
    answers: tuple[ForeignAnswer, ...]
    notes: tuple[str, ...] = ()
    """What is not as it was there."""


class LeftOut(NamedTuple):
    """Something that was not taken, and why."""

    where: str
    why: str


def member(value: Any, name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
    """Return a member of an object; LeftOutError if it is of another kind, or missing where there is no default."""
    found = value.get(name, default) if isinstance(value, Mapping) else None
    found = default if found is None else found
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is int):
        raise LeftOutError(f"its {name!r} is missing" if found is None else f"its {name!r} is {found!r:.60}")
    return found


def without_secrets(value: Json, redactor: Redactor) -> Json:
    """Return an expected value without its secret fields, so that they may have any value."""
    if isinstance(value, dict):
        return {key: without_secrets(each, redactor) for key, each in value.items() if not redactor.is_secret(key)}
    return [without_secrets(each, redactor) for each in value] if isinstance(value, list) else value
