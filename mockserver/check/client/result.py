"""What came of a client's calls: for each operation and kind of answer a verdict, and what was wrong or looked at."""

from dataclasses import dataclass, field
from typing import NamedTuple

from mockserver.check.client.cases import CaseKind, ClientCase
from mockserver.check.part import Sdk
from mockserver.messages import Finding, Json


class ClientVariant(NamedTuple):
    """Which of the clients of a release is meant."""

    asynchronous: bool
    strict: bool

    def __str__(self) -> str:
        return f"{'strict' if self.strict else 'loose'}, {'async' if self.asynchronous else 'sync'}"


LOOSE, STRICT = ClientVariant(False, False), ClientVariant(False, True)


@dataclass(slots=True)
class CaseCount:
    """What came of the cases of one kind: of one operation, behind one door."""

    cases: int = 0
    wrong: int = 0
    exercised: int = 0
    why: str = ""
    """Why none of them was exercised."""


class ClientMethod(NamedTuple):
    """An operation as a client has it: behind which door."""

    door: str
    operation: str

    def __str__(self) -> str:
        return f"{self.door}.{self.operation}"


class Looked(NamedTuple):
    """An answer outside the contract, and who got it."""

    place: ClientMethod
    case: str
    variant: ClientVariant


class Failure(NamedTuple):
    """A finding, with the case and the client that showed it first; it counts how many showed it."""

    finding: Finding
    place: ClientMethod
    case: ClientCase
    variant: ClientVariant


@dataclass(slots=True)
class Result:
    """What a client did against one contract."""

    release: str
    contract: str
    version: str
    surface: Json
    sdk: Sdk
    tallies: dict[tuple[ClientMethod, CaseKind], CaseCount] = field(default_factory=dict)
    broken: dict[tuple[str, ...], Failure] = field(default_factory=dict)
    looked: dict[Looked, str] = field(default_factory=dict)
    warnings: dict[ClientMethod, set[str]] = field(default_factory=dict)
    surplus: list[ClientMethod] = field(default_factory=list)
    """The methods of the client that the contract does not have."""
    calls: int = 0
    steps: int = 0
    total: int = 0
    """How many operations are to be played, to each kind of client, and how many were."""
    requests: int = 0

    def count(self, verdict: str) -> int:
        """Count the operations and kinds of one verdict."""
        return sum(verdict_of(count) == verdict for count in self.tallies.values())


HANDLED, MISHANDLED, UNEXERCISED = "handled", "mishandled", "never exercised"

NOT_IN_CONTRACT = "NOT IN CONTRACT"
"""What reports call a method of the client that the contract does not have."""


def verdict_of(count: CaseCount) -> str:
    """Return the verdict on a kind of answer."""
    if not count.exercised:
        return UNEXERCISED
    return MISHANDLED if count.wrong else HANDLED
