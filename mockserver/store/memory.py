"""Keeps sessions in this process's memory."""

import marshal
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from threading import Lock

from mockserver.clock import Clock
from mockserver.errors import StoreFullError
from mockserver.journal.exchange import Brief, Exchange
from mockserver.messages import Json
from mockserver.settings import MOST_EXCHANGES
from mockserver.store.base import (
    MOST_GONE,
    MOST_JOURNALS,
    MOST_PLANNED,
    MOST_SCOPES,
    MOST_SESSIONS,
    Counters,
    Events,
    Found,
    Kept,
    Session,
    Step,
    no_such,
    too_many,
)

_new = tuple.__new__
"""Makes a named tuple in half the time of its own constructor, which every change of a session pays for."""

_BLOCK = 8
"""The sequence numbers that differ only in so many low bits stand together."""


class Timeline:
    """Sessions in the order of their updates; adding, removing and finding one's place cost the same at any size.

    They stand in blocks of neighbouring sequence numbers, each a dict, which keeps the order in which it was filled.
    """

    __slots__ = ("_blocks", "_numbers")

    def __init__(self) -> None:
        self._blocks: dict[int, dict[int, Session]] = {}
        self._numbers: list[int] = []

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return any(self._blocks.values())

    def add(self, session: Session) -> None:
        """Add a session, which is later than all the others."""
        number = session.seq >> _BLOCK
        block = self._blocks.get(number)
        if block is None:
            if self._numbers and not self._blocks[self._numbers[-1]]:
                del self._blocks[self._numbers.pop()]
            block = self._blocks[number] = {}
            self._numbers.append(number)
        block[session.seq] = session

    def remove(self, seq: int) -> None:
        """Remove the session of a sequence number."""
        number = seq >> _BLOCK
        block = self._blocks[number]
        del block[seq]
        if not block and number != self._numbers[-1]:  # the latest will soon be filled again
            del self._blocks[number]
            del self._numbers[bisect_left(self._numbers, number)]

    def move(self, seq: int, session: Session) -> None:
        """Put a session, which is later than all the others, where one with this sequence number was."""
        block = self._blocks.get(session.seq >> _BLOCK)
        if block is not None and seq in block:
            del block[seq]
            block[session.seq] = session
        else:
            self.remove(seq)
            self.add(session)

    def before(self, seq: int | None) -> Iterator[Session]:
        """Give the sessions before a sequence number, the latest first."""
        at = len(self._numbers) if seq is None else bisect_left(self._numbers, (seq >> _BLOCK) + 1)
        for index in range(at - 1, -1, -1):
            for session in reversed(self._blocks[self._numbers[index]].values()):
                if seq is None or session.seq < seq:
                    yield session


class _World:
    """All that is kept of one scope."""

    __slots__ = ("births", "gone", "most_gone", "projects", "seed", "seq", "sessions", "timeline", "turns")

    def __init__(self, most_gone: int = MOST_GONE) -> None:
        self.most_gone = most_gone
        self.sessions: dict[str, Session] = {}
        self.timeline = Timeline()
        self.projects: dict[str, Timeline] = {}
        self.turns: dict[str, dict[int, Events]] = {}
        self.gone: dict[str, None] = {}
        self.births = self.seq = 0
        self.seed: int | None = None

    def keep(self, old: Session | None, new: Session) -> None:
        """Put a session in its place, and the one that it was before out of it."""
        self.sessions[new.id] = new
        if old is None:
            self.timeline.add(new)
        else:
            self.timeline.move(old.seq, new)
            if old.project_id is not None:
                self.leave_project(old)
        if new.project_id is not None:
            self.projects.setdefault(new.project_id, Timeline()).add(new)

    def leave_project(self, session: Session) -> None:
        project = session.project_id or ""
        self.projects[project].remove(session.seq)
        if not self.projects[project]:
            del self.projects[project]

    def bury(self, session: Session) -> None:
        """Forget a session, but not that there was one, if it was issued."""
        del self.sessions[session.id]
        self.timeline.remove(session.seq)
        if session.project_id is not None:
            self.leave_project(session)
        self.turns.pop(session.id, None)
        if session.issued:
            self.gone.pop(session.id, None)  # deleted once more, it is the latest
            self.mark_gone([session.id])

    def mark_gone(self, session_ids: Iterable[str]) -> None:
        self.gone.update(dict.fromkeys(session_ids))
        while len(self.gone) > self.most_gone:
            del self.gone[next(iter(self.gone))]


class MemoryStore:
    """Sessions in this process's memory."""

    url = "memory://"
    threads = 0
    waits = False
    shared = False

    def __init__(
        self, most_sessions: int = MOST_SESSIONS, most_scopes: int = MOST_SCOPES, most_gone: int = MOST_GONE
    ) -> None:
        self._most_sessions, self._most_scopes, self._most_gone = most_sessions, most_scopes, most_gone
        self._worlds: dict[str, _World] = {}
        self._count = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return self._count

    def _world(self, scope: str, more: int = 0) -> _World:
        """Give the world of a scope, made if it is not there, and if there is room for it and so many more sessions."""
        world = self._worlds.get(scope)
        if world is None and len(self._worlds) >= self._most_scopes:
            raise StoreFullError("scopes", self._most_scopes)
        if more and self._count + more > self._most_sessions:
            raise StoreFullError("sessions", self._most_sessions)
        if world is None:
            world = self._worlds[scope] = _World(self._most_gone)
        return world

    def birth(self, scope: str) -> int:
        """Count one more birth in a scope, and give its number."""
        with self._lock:
            world = self._world(scope)
            world.births += 1
            return world.births

    def change(self, scope: str, session_id: str, step: Step) -> Session | None:
        """Change one session as `step` says."""
        with self._lock:
            world = self._worlds.get(scope) or _World()
            old = world.sessions.get(session_id)
            new, turn = step(old, session_id in world.gone)
            if new is old and turn is None:
                return old
            if new is None:
                if old is not None:
                    world.bury(old)
                    self._count -= 1
                return None
            if old is None:
                world = self._world(scope, 1)
                self._count += 1
            world.seq = seq = world.seq + 1
            new = _new(Session, (*new[:-1], seq))
            if old is not None and old.project_id is None and new.project_id is None:  # most changes, at once
                world.sessions[session_id] = new
                world.timeline.move(old.seq, new)
            else:
                world.keep(old, new)
            if turn is not None:
                world.turns.setdefault(session_id, {})[turn[0]] = turn[1]
            return new

    def retitle(self, scope: str, session_id: str, title: str, clock: Clock) -> Session | None:
        """Give a session its title, as a change would; None, and nothing was done, if it has a project or is none."""
        with self._lock:
            world = self._worlds.get(scope)
            old = None if world is None else world.sessions.get(session_id)
            if world is None or old is None or old[6] is not None:
                return None
            world.seq = seq = world.seq + 1
            new = world.sessions[session_id] = _new(Session, (session_id, clock(), title, *old[3:-1], seq))
            world.timeline.move(old[-1], new)
            return new

    def find(self, scope: str, session_id: str, *, turns: bool = False) -> Found:
        """Give what is known of an id."""
        with self._lock:
            world = self._worlds.get(scope)
            if world is None:
                return Found()
            session = world.sessions.get(session_id)
            if session is None:
                return Found(None, (), session_id in world.gone)
            told = world.turns.get(session_id, {}) if turns else {}
            return Found(session, tuple(told[number] for number in sorted(told)))

    def page(self, scope: str, project: str | None, before: int | None, size: int) -> Sequence[Session]:
        """Give at most `size` sessions, the latest update first."""
        found: list[Session] = []
        with self._lock:
            world = self._worlds.get(scope)
            timeline = world and (world.timeline if project is None else world.projects.get(project))
            for session in timeline.before(before) if timeline else ():
                if len(found) == size:
                    break
                found.append(session)
        return found

    def scopes(self) -> Mapping[str, int]:
        """Give the number of sessions in each scope."""
        with self._lock:
            return {name: len(world.sessions) for name, world in self._worlds.items()}

    def drop(self, scope: str) -> None:
        """Forget a scope."""
        with self._lock:
            world = self._worlds.pop(scope, None)
            self._count -= len(world.sessions) if world is not None else 0

    def seed(self, scope: str) -> int | None:
        """Give the seed that a scope was given."""
        with self._lock:
            world = self._worlds.get(scope)
            return None if world is None else world.seed

    def set_seed(self, scope: str, seed: int) -> None:
        """Give a scope a seed of its own."""
        with self._lock:
            self._world(scope).seed = seed

    def counters(self, scope: str) -> Counters:
        """Give what a scope has counted."""
        with self._lock:
            world = self._worlds.get(scope) or _World()
            return Counters(world.births, world.seq, list(world.gone))

    def restore(self, scope: str, counters: Counters) -> None:
        """Raise the counters of a scope to at least these, and make these deleted sessions known."""
        with self._lock:
            world = self._world(scope)
            world.births = max(world.births, counters.births)
            world.seq = max(world.seq, counters.seq)
            world.mark_gone(name for name in counters.gone if name not in world.sessions)

    def close(self) -> None:
        """Let go of nothing: what is in memory ends with the process."""


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
