"""What the checks know of one API beyond its contract: a pack's part of every command that checks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from mockserver.api import NONE, Api, load
from mockserver.check.changes.operations import Description
from mockserver.contract.openapi import Contract, Operation
from mockserver.errors import UsageError
from mockserver.messages import Finding, Json

if TYPE_CHECKING:  # what sends requests needs an HTTP client, which not every command that reads a part has
    from mockserver.check.provider.cases import Case
    from mockserver.check.provider.checks import Check, Interaction
    from mockserver.check.target import Target

HeldOperation: TypeAlias = tuple[Contract, Operation]
"""An operation, and the contract that it is held to."""


class PathSource(Protocol):
    """Finds values for the paths of operations."""

    def told(self, operation: Operation, name: str) -> list[str]:
        """Return what the user says of a parameter of a path."""

    def of(self, operation: Operation) -> Mapping[str, str]:
        """Return values that the server took, else the likeliest; a ContractError where none can be found."""


class LackingError(Exception):
    """A check of state cannot be made: an operation is missing, or does not do the least of what it must."""


class DriverContext(NamedTuple):
    """What a driver of state checks works with."""

    target: "Target"
    operations: Sequence[HeldOperation]
    key: str | None
    patience: float
    """Seconds that an answer may take."""
    observe: "Callable[[Interaction], bool]"
    """Looks at the shape of an answer, and says whether anything is wrong with it."""
    chance: Random
    paths: PathSource
    subject: Any = None
    """What the checks are made of, where a pack names several subjects."""


class StateCheck(NamedTuple):
    """A check of state: its name, its sentence, the operation it is reported under, and what looks.

    What looks is given the pack's driver, which has a `trail` of requests, says whether an answer was `misshapen`,
    and finds an `operation` by its name.
    """

    name: str
    sentence: str
    operation: str
    look: Callable[[Any], Iterator[Finding]]


SendCase: TypeAlias = "Callable[[Contract, Case], Interaction]"
"""Sends a case, and gives what came of it."""


def one_turn(events: Sequence[Json]) -> list[list[Json]]:
    """Tell all events in one stream."""
    return [list(events)] if events else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdk:
    """The API's official client in Python, as check-client, matrix and drift use it."""

    package: str
    """The name under which package indexes know it."""
    module: str
    """The name under which it is imported."""
    clients: tuple[str, str]
    """Its classes: the client that blocks, and the asynchronous one."""
    releases: tuple[str, ...]
    """The releases that have the API, the oldest first."""
    pins: tuple[str, ...]
    """What every release depends on, in one version, so that only the releases differ."""
    driver: Path
    """The script that makes calls in the client's own environment."""
    read: Callable[[Path, str], Description]
    """Reads what an installed release says of the API; the text is what reports call it."""
    variables: tuple[str, ...] = ()
    """What the names of the environment variables begin with that would configure it."""
    need: str = ""
    """What an interpreter must have, in words."""
    turns: Callable[[Sequence[Json]], list[list[Json]]] = one_turn
    """Makes event streams in which each of some events stands once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPart:
    """What a pack brings to the checks; without one the generic checks run alone."""

    key_variable: str = "API_KEY"
    """The environment variable that holds the key."""
    checks: "Mapping[str, Check]" = field(default_factory=dict)
    """Checks of single answers, beside those that hold for every API."""
    is_fastapi: bool = False
    """Whether the service is known to be built on FastAPI: its refusals name places, and it reads content types."""
    state: Mapping[str, StateCheck] = field(default_factory=dict)
    """Checks of state, which make calls of their own."""
    driver: Callable[[DriverContext], Any] | None = None
    """Makes what the checks of state call the server by; a LackingError where that cannot be."""
    operations: frozenset[tuple[str, str]] = frozenset()
    """The operations (method, path) that the checks of state call; none where the subjects tell."""
    subjects: Callable[[Sequence[HeldOperation]], Mapping[str, Any]] = lambda _: {"": None}
    """Returns what each check of state is made of, by name, for operations that are asked: by default one, unnamed."""
    path_values: Callable[[Sequence[HeldOperation], "SendCase", Operation], Mapping[str, str]] = lambda *_: {}
    """Gives values for the path of an operation: of a record that it makes, say."""
    mutants: str = ""
    """Servers that break the contract: `"module:attribute"` of a sequence of `mutants.mutators.Mutant`."""
    equivalents: str = ""
    """Servers that look odd and are right, as above."""
    sdk: Sdk | None = None


NO_PART = CheckPart()


def sdk_of(api: Api | None) -> Sdk:
    """Give what a pack says of the API's official client; a UsageError where it says nothing."""
    sdk = part_of(api).sdk
    if sdk is None:
        name = NONE if api is None else api.name
        raise UsageError("no official client is known", where=f"--api {name}", fix="name the API pack of one")
    return sdk


def part_of(api: Api | None) -> CheckPart:
    """Load what a pack brings to the checks."""
    if api is None or not api.check:
        return NO_PART
    found: CheckPart = load(api.check)
    return found
