"""What came of a client's calls: for each operation and kind of answer a verdict, and what was wrong or looked at."""

from dataclasses import dataclass, field
from typing import NamedTuple

from mockserver.check.client.cases import Case, Kind
from mockserver.check.client.checks import Fault
from mockserver.messages import Json


class Variant(NamedTuple):
    """Which of the clients of a release is meant."""

    asynchronous: bool
    strict: bool

    def __str__(self) -> str:
        return f"{'strict' if self.strict else 'loose'}, {'async' if self.asynchronous else 'sync'}"


LOOSE, STRICT = Variant(False, False), Variant(False, True)


@dataclass(slots=True)
class Tally:
    """What came of the cases of one kind: of one operation, behind one door."""

    cases: int = 0
    wrong: int = 0
    exercised: int = 0
    why: str = ""
    """Why none of them was exercised."""


class Place(NamedTuple):
    """An operation as a client has it: behind which door."""

    door: str
    operation: str

    def __str__(self) -> str:
        return f"{self.door}.{self.operation}"


class Looked(NamedTuple):
    """An answer outside the contract, and who got it."""

    place: Place
    case: str
    variant: Variant


class Broken(NamedTuple):
    """A fault, with the case and the client that showed it first, and how many showed it."""

    fault: Fault
    place: Place
    case: Case
    variant: Variant
    times: int = 1


@dataclass(slots=True)
class Result:
    """What a client did against one contract."""

    release: str
    contract: str
    era: str
    surface: Json
    tallies: dict[tuple[Place, Kind], Tally] = field(default_factory=dict)
    broken: dict[tuple[str, ...], Broken] = field(default_factory=dict)
    looked: dict[Looked, str] = field(default_factory=dict)
    warnings: dict[Place, set[str]] = field(default_factory=dict)
    calls: int = 0
    requests: int = 0

    def count(self, verdict: str) -> int:
        """Count the operations and kinds of one verdict."""
        return sum(verdict_of(tally) == verdict for tally in self.tallies.values())


HANDLED, MISHANDLED, UNEXERCISED = "handled", "mishandled", "never exercised"


def verdict_of(tally: Tally) -> str:
    """Give the verdict on a kind of answer."""
    if not tally.exercised:
        return UNEXERCISED
    return MISHANDLED if tally.wrong else HANDLED
