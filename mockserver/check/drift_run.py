"""One comparison as it goes on: the two documents, what they are silent on, and the changes found so far."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from mockserver.check.drift_rules import CONSEQUENCES, RULES, Change, Direction, Severity
from mockserver.check.drift_view import View, Views
from mockserver.exchange import Json
from mockserver.schema import join


class At(NamedTuple):
    """Where in a call the comparison is: what goes or comes, and the place in it."""

    direction: Direction
    where: str

    def into(self, *parts: str | int) -> "At":
        """Go further in."""
        return At(self.direction, join(self.where, *parts))


Pair: TypeAlias = tuple[str | None, str | None]
"""The JSON pointers of what changed, in A and in B; None where it is not there."""


@dataclass(slots=True)
class Run:
    """A comparison of A with B."""

    a: Views
    b: Views
    unsaid: frozenset[str]
    """What one of the two is silent on; "response null" is unsaid of answers only, "/request/body null" there only."""
    is_code: bool
    """Whether both are client releases: a name that is gone breaks code, and the order of a union is the client's."""
    operation: str = ""
    compared: list[str] = field(default_factory=list)
    """The operations that both have, by name."""
    seen: set[tuple[Json, ...]] = field(default_factory=set)
    """What was compared already for this operation, so that what refers to itself comes to an end."""
    found: dict[tuple[str, str, str | None, str | None, str], Change] = field(default_factory=dict)

    def is_silent(self, aspect: str, at: At) -> bool:
        """Say whether one of the two says nothing of an aspect there."""
        return not self.unsaid.isdisjoint((aspect, f"{at.direction} {aspect}", f"{at.where} {aspect}"))

    def tell(
        self,
        rule: str,
        at: At,
        pair: Pair,
        message: str,
        was: Json = None,
        now: Json = None,
        *,
        detail: str = "",
        severity: Severity | None = None,
    ) -> None:
        """Tell a change, unless it is of what one of the two is silent on."""
        known = RULES[rule]
        if self.is_silent(known.aspect, at):
            return
        weight = known.severity(at.direction) if severity is None else severity
        consequence = CONSEQUENCES.get((at.direction, weight), "")
        text = f"{message}; {consequence}" if consequence else message
        operations = (self.operation,) if self.operation else ()
        change = Change(rule, weight, at.direction, operations, at.where, *pair, text, was, now, detail)
        before = self.found.setdefault(change.cause, change)
        if self.operation and self.operation not in before.operations:
            self.found[change.cause] = before._replace(operations=(*before.operations, self.operation))


Compare: TypeAlias = Callable[[Run, View, View, At], None]
"""Compares two schemas."""


def shown(value: Json) -> str:
    """Write a value in a sentence."""
    import json

    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
