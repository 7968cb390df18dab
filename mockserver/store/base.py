"""What is kept of a session, and what every store of sessions can do, each scope in a world of its own."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

import orjson

from mockserver.errors import PlanError
from mockserver.journal.exchange import Exchange
from mockserver.messages import Json

MOST_SESSIONS = 1_000_000
"""How many sessions a store keeps by default, all scopes together."""

MOST_SCOPES = 10_000
"""How many scopes a store keeps by default."""

MOST_GONE = 10_000
"""How many deleted sessions stay known in each scope; beyond that the one deleted longest ago is forgotten."""

Events: TypeAlias = Sequence[Json]
"""The events of one turn, in order."""


class Session(NamedTuple):
    """What is known of a session; `updated_at` in upstream's form, None for what it has not."""

    id: str
    updated_at: str
    title: str | None = None
    job_metadata: Json = None
    index_ids: Sequence[str] | None = None
    shared_access: str | None = None
    project_id: str | None = None
    issued: bool = False
    """Whether create made it; else it came to life on first use."""
    turns: int = 0
    """How many turns were begun."""
    born: int = 0
    """The number of its birth in its scope: tells it from an earlier session of the same id."""
    seq: int = 0
    """Its place in the order of updates of its scope, later is greater; the store sets it at each write."""


class Change(NamedTuple):
    """What a step makes of a session: what it is afterwards, and the events of a turn to write.

    No session deletes it, with its events; one that was issued stays known as gone.
    A turn has a number from 1 on; one that is there already is written over.
    """

    session: Session | None
    turn: tuple[int, Events] | None = None


Step: TypeAlias = Callable[[Session | None, bool], Change]
"""Makes a change of what there is now: a session or none, and whether an issued one of this id was deleted.

It may be called more than once, where another process was faster; an exception leaves all as it was.
A change to the very session that it was given, without a turn, writes nothing.
"""


class Found(NamedTuple):
    """What a store knows of an id: a session, the events of its turns, whether an issued one was deleted."""

    session: Session | None = None
    turns: Sequence[Events] = ()
    gone: bool = False


class Counters(NamedTuple):
    """What a scope has counted, and which deleted sessions it still knows, the oldest first."""

    births: int
    seq: int
    gone: Sequence[str]


class Store(Protocol):
    """Keeps sessions; every method is atomic, and raises StoreError where the store cannot be reached.

    A scope appears when something is first kept in it.
    """

    url: str
    """How it is called, without a password."""
    threads: int
    """How many threads may call it at once; 0 for a store that never waits."""
    shared: bool
    """Whether several processes may use it at once."""

    @property
    def waits(self) -> bool:
        """Whether the next call is likely to wait, so that it should be made in a thread."""

    def birth(self, scope: str) -> int:
        """Count one more birth in a scope, and give its number, from 1 on."""

    def change(self, scope: str, session_id: str, step: Step) -> Session | None:
        """Change one session as `step` says, and give what it is afterwards; StoreFullError where there is no room."""

    def find(self, scope: str, session_id: str, *, turns: bool = False) -> Found:
        """Give what is known of an id, and on request the events of its turns, in order."""

    def page(self, scope: str, project: str | None, before: int | None, size: int) -> Sequence[Session]:
        """Give at most `size` sessions, the latest update first, whose `seq` is less than `before`.

        With a project, only its sessions.
        """

    def scopes(self) -> Mapping[str, int]:
        """Give the number of sessions in each scope."""

    def drop(self, scope: str) -> None:
        """Forget a scope: its sessions, its deleted ones, its births, its seed."""

    def seed(self, scope: str) -> int | None:
        """Give the seed that a scope was given."""

    def set_seed(self, scope: str, seed: int) -> None:
        """Give a scope a seed of its own."""

    def counters(self, scope: str) -> Counters:
        """Give what a scope has counted."""

    def restore(self, scope: str, counters: Counters) -> None:
        """Raise the counters of a scope to at least these, and make these deleted sessions known."""

    def __len__(self) -> int:
        """Count the sessions of all scopes."""

    def close(self) -> None:
        """Let go of what is held."""


_new = tuple.__new__
"""Makes a named tuple in half the time of its own constructor, which every change of a session pays for."""


def placed(session: Session, seq: int) -> Session:
    """Give a session its place in the order of updates."""
    return _new(Session, (*session[:-1], seq))


def titled(session: Session, now: str, title: str) -> Change:
    """Give a session its title."""
    return _new(Change, (_new(Session, (session[0], now, title, *session[3:])), None))


def dump_json(value: Json) -> bytes:
    """Write a value as a line; one that orjson refuses (a whole number of more than 64 bits) begins with a space."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return b" " + json.dumps(value).encode()


def load_json(line: bytes) -> Json:
    """Read the line of a value."""
    return json.loads(line) if line.startswith(b" ") else orjson.loads(line)


def dump_session(session: Session) -> bytes:
    """Write a session as a line, without its place in the order."""
    return dump_json(session[:-1])


def load_session(line: bytes, seq: int) -> Session:
    """Read a session's line."""
    return Session._make((*load_json(line), seq))


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


def no_such(number: int) -> PlanError:
    """Say that nothing of this number is planned."""
    return PlanError(f"there is no planned answer {number}", mend="GET /__mock__/plan shows those that there are")


def too_many() -> PlanError:
    """Say that no more can be planned."""
    return PlanError(f"{MOST_PLANNED} answers are planned already", mend="take some back: DELETE /__mock__/plan")
