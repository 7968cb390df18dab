"""What a server remembers beside sessions, each scope by itself: its journal, and the answers that are planned."""

import marshal
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from itertools import count
from threading import Lock
from typing import NamedTuple, Protocol

from mockserver.errors import PlanError
from mockserver.exchange import Json
from mockserver.journal import Brief, Exchange
from mockserver.settings import MOST_EXCHANGES

MOST_JOURNALS = 1_000
"""How many scopes have a journal at once; one more, and the one that was written to longest ago is forgotten."""

MOST_PLANNED = 1_000
"""How many answers are planned at once in a scope."""


class Kept(NamedTuple):
    """A planned answer as it is kept: its number, how often it was changed, and what it says."""

    number: int
    revision: int
    spec: Json


class Shelf(Protocol):
    """Keeps journals and plans; every method is atomic, and raises StoreError where what it stands on fails."""

    shared: bool
    """Whether other processes see it, too."""

    def record(self, exchange: Exchange) -> int:
        """Remember an exchange, and give its number: its place in the journal of its scope, from 1 on."""

    def exchanges(self, scope: str) -> Sequence[Exchange]:
        """Give what is remembered of a scope, the oldest first."""

    def scopes(self) -> Sequence[str]:
        """Name the scopes of which something is kept, be it a journal, a plan, or that something was claimed."""

    def clear(self, scope: str) -> None:
        """Forget the journal of a scope."""

    def plan(self, scope: str) -> Sequence[Kept]:
        """Give what is planned in a scope, in the order in which it was."""

    def put(self, scope: str, spec: Json, number: int = 0) -> Kept:
        """Plan an answer, or, with its number, change one that is planned."""

    def remove(self, scope: str, number: int = 0) -> None:
        """Take back one planned answer, or all, and how often they were claimed."""

    def claim(self, scope: str, key: str, most: int | None = None) -> int:
        """Count one more use of something, and give the count; 0, and nothing is counted, where it was `most` already.

        However many processes ask at once, each gets another count.
        """

    def claims(self, scope: str) -> Mapping[str, int]:
        """Give how often each thing was used."""

    def forget(self, scope: str) -> None:
        """Forget journal and plan of a scope."""


class _Journal:
    """The exchanges of a scope, as they are kept, and how many there ever were."""

    __slots__ = ("kept", "total")

    def __init__(self, most: int) -> None:
        self.kept: deque[bytes | Brief | Exchange] = deque(maxlen=most)
        self.total = 0


_MARSHAL = 2
"""The format in which nothing is looked up by identity, which takes half the time."""


def _packed(exchange: Exchange) -> bytes | Exchange:
    """Pack an exchange into one object: what is long ago would else be many, which to let go of costs more than this.

    One with findings stays as it is, and what is no plain value.
    """
    try:
        return marshal.dumps(exchange[:], _MARSHAL)  # type: ignore[arg-type]  # what is no plain value is the exception
    except ValueError:
        return exchange


def _unpacked(kept: bytes | Brief | Exchange, scope: str) -> Exchange:
    if isinstance(kept, Brief):
        return kept.in_full(scope)
    return Exchange(*marshal.loads(kept)) if isinstance(kept, bytes) else kept  # noqa: S302  # of this process's own making


class MemoryShelf:
    """Journals and plans in this process's memory."""

    shared = False

    def __init__(self, most: int = MOST_EXCHANGES, most_journals: int = MOST_JOURNALS) -> None:
        self._most, self._most_journals = most, most_journals
        self._journals: OrderedDict[str, _Journal] = OrderedDict()
        self._plans: dict[str, dict[int, Kept]] = {}
        self._claims: dict[str, dict[str, int]] = {}
        self._numbers = count(1)
        self._lock = Lock()

    def record(self, exchange: Exchange) -> int:
        """Remember an exchange."""
        return self.keep(exchange.scope, _packed(exchange))

    def keep(self, scope: str, kept: bytes | Brief | Exchange) -> int:
        """Remember an exchange of a scope in one of the forms in which it can be kept, and give its number."""
        with self._lock:
            journal = self._journals.get(scope)
            if journal is None:
                journal = self._journals[scope] = _Journal(self._most)
                while len(self._journals) > self._most_journals:
                    self._journals.popitem(last=False)
            elif len(self._journals) > 1:
                self._journals.move_to_end(scope)
            journal.kept.append(kept)
            journal.total += 1
            return journal.total

    def exchanges(self, scope: str) -> Sequence[Exchange]:
        """Give what is remembered of a scope."""
        with self._lock:
            journal = self._journals.get(scope)
            if journal is None:
                return []
            first = journal.total - len(journal.kept) + 1
            return [_unpacked(each, scope)._replace(number=number) for number, each in enumerate(journal.kept, first)]

    def scopes(self) -> Sequence[str]:
        """Name the scopes of which something is kept."""
        with self._lock:
            return sorted(self._journals.keys() | self._plans.keys() | self._claims.keys())

    def clear(self, scope: str) -> None:
        """Forget the journal of a scope."""
        with self._lock:
            self._journals.pop(scope, None)

    def plan(self, scope: str) -> Sequence[Kept]:
        """Give what is planned in a scope."""
        plan = self._plans.get(scope)
        return () if plan is None else list(plan.values())

    def put(self, scope: str, spec: Json, number: int = 0) -> Kept:
        """Plan an answer, or change one."""
        with self._lock:
            plan = self._plans.get(scope, {})
            if number and number not in plan:
                raise no_such(number)
            if not number and len(plan) >= MOST_PLANNED:
                raise too_many()
            made = Kept(number or next(self._numbers), plan[number].revision + 1 if number else 1, spec)
            plan[made.number] = made
            self._plans[scope] = plan
            return made

    def remove(self, scope: str, number: int = 0) -> None:
        """Take back one planned answer, or all."""
        with self._lock:
            if not number:
                self._plans.pop(scope, None)
                self._claims.pop(scope, None)
                return
            plan = self._plans.get(scope, {})
            if plan.pop(number, None) is None:
                raise no_such(number)
            if not plan:
                del self._plans[scope]
            claims = self._claims.get(scope, {})
            for key in [key for key in claims if key.partition(":")[0] == str(number)]:
                del claims[key]
            if not claims:
                self._claims.pop(scope, None)

    def claim(self, scope: str, key: str, most: int | None = None) -> int:
        """Count one more use of something."""
        with self._lock:
            claims = self._claims.get(scope, {})
            used = claims.get(key, 0)
            if most is not None and used >= most:
                return 0
            claims[key] = used + 1
            self._claims[scope] = claims
            return used + 1

    def claims(self, scope: str) -> Mapping[str, int]:
        """Give how often each thing was used."""
        with self._lock:
            return dict(self._claims.get(scope, {}))

    def forget(self, scope: str) -> None:
        """Forget journal and plan of a scope."""
        with self._lock:
            for kept in (self._journals, self._plans, self._claims):
                kept.pop(scope, None)


def no_such(number: int) -> PlanError:
    """Say that nothing of this number is planned."""
    return PlanError(f"there is no planned answer {number}", mend="GET /__mock__/plan shows those that there are")


def too_many() -> PlanError:
    """Say that no more can be planned."""
    return PlanError(f"{MOST_PLANNED} answers are planned already", mend="take some back: DELETE /__mock__/plan")
