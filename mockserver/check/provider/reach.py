"""What a run reached: an operation that never took a valid request was not looked at, and is never said to be right."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mockserver.check.provider.checks import Interaction, wrong
from mockserver.check.provider.paths import PathValues
from mockserver.contract.openapi import Operation
from mockserver.messages import Finding

SERVED, REACHED = "operation-served", "something-reached"

REACH = {
    SERVED: "Every operation of the contract is there.",
    REACHED: "At least one valid request is taken, so that there is something to look at.",
}
"""The rules about a whole run, each with its sentence."""

ABSENT = frozenset((404, 405, 501))
"""What a server answers that does not have an operation."""


def is_taken(seen: Interaction) -> bool:
    """Return whether an operation did what it is for."""
    return not seen.answer.failure and (200 <= seen.answer.status < 400 or seen.is_success)


@dataclass(slots=True)
class Reach:
    """Counts what came of each operation's requests, and which rules looked at which answers."""

    looked: set[tuple[str, str]] = field(default_factory=set)
    """The rules that had something to look at, by operation."""
    state: dict[str, bool] = field(default_factory=dict)
    """The checks of state that were made to their end, and whether they found nothing."""
    taken: Counter[str] = field(default_factory=Counter)
    """How many answers of success each operation gave."""
    valid: dict[str, Counter[int]] = field(default_factory=dict)
    """The statuses that valid requests got, 0 for none."""
    first: dict[str, Interaction] = field(default_factory=dict)
    """The first valid request of each operation."""
    unaskable: dict[str, str] = field(default_factory=dict)
    """The operations for which no valid request can be made, each with the reason."""

    def note(self, seen: Interaction) -> None:
        """Count an answer."""
        name = seen.operation.id
        self.taken[name] += is_taken(seen)
        if seen.verdict.expected == "valid":
            self.valid.setdefault(name, Counter())[seen.answer.status] += 1
            self.first.setdefault(name, seen)

    def unreached(self, operations: Sequence[Operation], end: str) -> dict[str, str]:
        """Return the operations that never took a request, each with the reason; `end` is why a run ended early."""
        return {each.id: self._why(each, end) for each in operations if not self.taken[each.id]}

    def _why(self, operation: Operation, end: str) -> str:
        if operation.id in self.unaskable:
            return self.unaskable[operation.id]
        found = self.valid.get(operation.id)
        if not found:
            return f"no valid request was sent: {end}" if end else "no valid request was sent"
        statuses = ", ".join(f"{status or 'nothing'} ({count} times)" for status, count in sorted(found.items()))
        why = f"every valid request was answered {statuses}"
        if 404 in found and operation.names:
            why += "; name a value that is there: " + ", ".join(
                f"--path-value {name}=VALUE" for name in operation.names
            )
        return why

    def missing(
        self, operations: Sequence[Operation], paths: PathValues, *, keeps_state: bool
    ) -> Iterator[tuple[Operation, Finding, Interaction]]:
        """Yield the operations that the server does not have: each with what is wrong, and a request that shows it.

        A 404 says so only where nothing in the path may be unknown, or where the server itself told what is there.
        """
        for each in operations:
            found = self.valid.get(each.id)
            if self.taken[each.id] or not found or not found.keys() <= ABSENT:
                continue
            if 404 in found and each.names and not (keeps_state and paths.is_there(each)):
                continue
            statuses = " or ".join(map(str, sorted(found)))
            message = f"{each.method} {each.path} is not there: every valid request was answered {statuses}"
            yield each, wrong(message, "/response/status", each.success, min(found), each.place), self.first[each.id]


def nothing_reached(unreached: Mapping[str, str]) -> Finding:
    """Make the finding of a run that reached nothing: it cannot say that anything is right."""
    name, why = next(iter(unreached.items()))
    message = f"nothing was looked at, as no operation took a valid request; {name}: {why}"
    return replace(wrong(message, "/response/status", "an answer of success", fault="client"), rule=REACHED)


def one_cause_each(
    findings: Sequence[Finding],
    missing: Iterable[Finding],
    looked: Collection[tuple[str, str]],
    everywhere: Collection[str],
) -> list[Finding]:
    """Tell each cause once: a missing operation by one finding, what is wrong at every operation by one as well.

    `everywhere` are the rules that are about the whole server rather than about an operation.
    """
    absent = {each.operation: each for each in missing}
    left = [*absent.values(), *(each for each in findings if each.operation not in absent)]
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for each in left:
        if each.rule in everywhere:
            alike.setdefault((each.rule, each.where, each.message), []).append(each)
    merged: dict[int, Finding] = {}
    for (rule, _, _), group in alike.items():
        names = {each.operation for each in group}
        if len(names) > 1 and names == {name for name, other in looked if other == rule and name not in absent}:
            message = f"{group[0].message}, at each of {len(names)} operations"
            merged |= {id(each): replace(each, operation="", message=message) for each in group}
    merged |= _alike_in_contract(left)
    return [merged.get(id(each), each) for each in left]


def _alike_in_contract(findings: Sequence[Finding]) -> dict[int, Finding]:
    """Return one finding for each thing that a contract lacks at several operations."""
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for each in findings:
        if each.fault == "contract" and each.level != "error":
            alike.setdefault((each.rule, each.where, each.message), []).append(each)
    merged: dict[int, Finding] = {}
    for group in alike.values():
        names = list(dict.fromkeys(each.operation for each in group))
        if len(names) > 1:
            message = f"{group[0].message}, at {len(names)} operations, of which {names[0]} is one"
            first = replace(group[0], operation="", message=message)
            merged |= {id(each): replace(first, count=each.count) for each in group}
    return merged
