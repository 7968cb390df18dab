"""What every store keeps, each scope by itself: records, counters, a journal and stubs."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import orjson
from msgspec import structs

from mockserver.errors import StoreFullError, StubError
from mockserver.messages import Json, Value
from mockserver.settings import MOST_EXCHANGES, MOST_JOURNAL_BYTES, MOST_RECORD_BYTES, MOST_STORE_BYTES, MOST_STUB_BYTES

Asked = TypeVar("Asked")
Given = TypeVar("Given")

Part: TypeAlias = tuple[int, Sequence[Json]]
"""A numbered piece of what belongs to a record: what is too long to be rewritten with each change."""

Entry: TypeAlias = Any
"""A journal entry, which only the journal reads: bytes where the log is shared, else any immutable object."""


class Limits(NamedTuple):
    """How much a store keeps."""

    records: int = 1_000_000
    """Of all scopes together."""
    scopes: int = 10_000
    """Scopes that have records, counters or a seed."""
    gone: int = 10_000
    """Deleted ids that stay known, in each scope; the one deleted longest ago is forgotten first."""
    entries: int = MOST_EXCHANGES
    """Journal entries, in each scope; the oldest go first."""
    journals: int = 1_000
    """Scopes that have a journal; the one written to longest ago goes first."""
    stubs: int = 1_000
    """In each scope."""
    record_bytes: int = MOST_RECORD_BYTES
    """Of one record with its parts, as JSON."""
    store_bytes: int = MOST_STORE_BYTES
    """Of all records with their parts."""
    journal_bytes: int = MOST_JOURNAL_BYTES
    """Of all journals. Beyond it, the scopes written to longest ago lose their oldest entries, but for the newest of
    each scope, until an eighth is free."""

    stub_bytes: int = MOST_STUB_BYTES
    """Of the stubs of all scopes, as JSON."""

    @property
    def kept_journal_bytes(self) -> int:
        """How many bytes of journals are left where there were too many."""
        return self.journal_bytes - self.journal_bytes // 8

    def check_bytes(self, record: int, store: int, grown: int) -> None:
        """Raise StoreFullError if a record or the store, which have grown by so many bytes, is beyond its limit."""
        if grown > 0 and record > self.record_bytes:
            raise StoreFullError("record_bytes", self.record_bytes)
        if grown > 0 and store > self.store_bytes:
            raise StoreFullError("store_bytes", self.store_bytes)


DEFAULT_LIMITS = Limits()


class Record(Value, frozen=True):
    """One thing that an API keeps."""

    collection: str
    id: str
    data: Json
    """A JSON object as a dict, which is never changed in place."""
    group: str | None = None
    """Pages can be limited to a group of the collection."""
    seq: int = 0
    """Its place in the order of updates of its scope, later is greater; the store sets it at each write."""

    def changed(self, **fields: Json) -> "Record":
        """Return the record with some fields of its data changed, to be written."""
        return structs.replace(self, data={**self.data, **fields}, seq=0)


def placed(collection: str, id: str, made: Record, seq: int) -> Record:
    """Return what an update of this id has made, at its place in the order."""
    return Record(collection=collection, id=id, data=made.data, group=made.group, seq=seq)


class Change(Value, frozen=True):
    """What an update makes of a record."""

    record: Record | None
    """What it is afterwards; None deletes it, with its parts."""
    parts: Sequence[Part] = ()
    """Parts to write. A part whose number is taken replaces the one that has it."""
    gone: bool = False
    """Whether a deleted id stays known as gone."""
    minor: bool = False
    """Whether it is too small to be refused for its bytes; a record that is there is not measured again for it."""
    reserve: int = 0
    """How many bytes are to follow, for which there must be room, too."""
    stays: bool = False
    """Whether a record keeps its place in the order, if it is there and stays in its group."""
    at: str = ""
    """The time that it says, as a text that sorts by time; changes of a scope follow each other in that order."""


Update: TypeAlias = Callable[[Record | None, bool], Change]
"""Makes a change of the record that there is now, if any; the second argument says whether its id is known as gone.

A store may call it again, where another process was faster. If it raises, nothing is changed.
If it returns the very record that it was given and no parts, nothing is written.
"""


class Found(Value, frozen=True):
    """What a store knows of an id: its record, with its parts if asked for; without a record, whether it is gone."""

    record: Record | None = None
    parts: Sequence[Part] = ()
    gone: bool = False


class Counters(NamedTuple):
    """What a scope has counted, and the ids that it knows as gone, each with its collection, oldest first."""

    counts: Mapping[str, int]
    seq: int
    gone: Sequence[tuple[str, str]]


class StoredStub(NamedTuple):
    """A stub as it is kept."""

    number: int
    revision: int
    """How often it was written, from 1 on."""
    spec: Json


class Store(Protocol):
    """Keeps all that outlives a request. Every method is atomic, and raises StoreError if the store cannot be reached.

    Records and log are bounded apart: `scopes` names the scopes with records, counters or a seed, `active_scopes`
    those with a journal, stubs or claims.
    """

    url: str
    """Its URL, without a password."""
    threads: int
    """How many threads may call it at once; 0 for a store that never waits."""
    shared: bool
    """Whether several processes may use it at once."""
    stubbed: Mapping[str, Mapping[int, StoredStub]] | None
    """The stubs of each scope that has any; None where other processes write some, and they must be asked for."""
    shared_log: bool
    """Whether other processes see its journal and stubs: then entries are bytes, and specs are JSON."""

    @property
    def waits(self) -> bool:
        """Whether the next call is likely to wait, so that it should be made in a thread."""

    def at_once(self, function: Callable[[Asked], Given], asked: Asked) -> Given:
        """Call a function whose thread must not wait; StoreBusyError if it would have to before it changes anything."""

    # Records

    def count(self, scope: str, counter: str) -> int:
        """Add one to a named counter and return it: 1 the first time. StoreFullError if there is no room."""

    def update(self, scope: str, collection: str, id: str, step: Update) -> Record | None:
        """Change one record as `step` says, and return what it is afterwards; StoreFullError if there is no room."""

    def find(self, scope: str, collection: str, id: str, *, parts: bool = False) -> Found:
        """Look up an id, and on request its parts, by number."""

    def page(
        self, scope: str, collection: str, group: str | None, past: int | None, size: int, *, oldest: bool = False
    ) -> Sequence[Record]:
        """List at most `size` records, the latest update first, of those whose `seq` is less than `past`.

        With `oldest`, the earliest first, of those whose `seq` is more than it. With a group, only its records.
        """

    def size(self, scope: str, collection: str, group: str | None) -> int:
        """Count the records of a collection, or of a group of it."""

    def collections(self, scope: str) -> Sequence[str]:
        """Name the collections of a scope that have records, sorted."""

    def scopes(self) -> Mapping[str, int]:
        """Count the records of each scope."""

    def seed(self, scope: str) -> int | None:
        """Return the seed that a scope was given."""

    def set_seed(self, scope: str, seed: int) -> None:
        """Give a scope a seed of its own."""

    def counters(self, scope: str) -> Counters:
        """Return what a scope has counted."""

    def restore(self, scope: str, counters: Counters) -> None:
        """Raise the counters of a scope to at least these, and mark these ids as gone."""

    def clear_records(self, scope: str) -> None:
        """Forget the records of a scope, the ids known as gone, its counters and its seed."""

    def __len__(self) -> int:
        """Count the records of all scopes."""

    # Journal

    def append(self, scope: str, entry: Entry, size: int = 0, /) -> int:
        """Add an entry to the journal of a scope, and return its number there, from 1 on.

        `size` is how many bytes it takes, if it is not itself bytes.
        """

    def entries(self, scope: str) -> Sequence[tuple[int, Entry]]:
        """List the journal of a scope, the oldest first, each entry with its number."""

    def clear_entries(self, scope: str) -> None:
        """Forget the journal of a scope; the next entry has the number 1."""

    # Stubs

    def stubs(self, scope: str) -> Sequence[StoredStub]:
        """List the stubs of a scope in the order in which they were added."""

    def put_stub(self, scope: str, spec: Json, number: int = 0) -> StoredStub:
        """Add a stub, or replace the one with this number."""

    def remove_stubs(self, scope: str, number: int = 0) -> None:
        """Remove one stub with its claims, or all stubs and claims of a scope."""

    def claim(self, scope: str, key: str, most: int | None = None) -> int:
        """Add one to the uses of a key and return them; if there are `most` already, return 0 and add nothing.

        However many processes ask at once, each gets another number. The key is a stub's number, or begins with it and
        a colon.
        """

    def claims(self, scope: str) -> Mapping[str, int]:
        """Return how often each key was used."""

    # All of it

    def active_scopes(self) -> Sequence[str]:
        """Name the scopes that have a journal, stubs or claims, sorted."""

    def drop(self, scope: str) -> None:
        """Forget all of a scope: records, counters, seed, journal, stubs and claims."""

    def close(self) -> None:
        """Let go of what is held."""


def no_such_stub(number: int) -> StubError:
    """Say that there is no stub with this number."""
    return StubError(f"there is no stub {number}", fix="GET /__mock__/stubs lists those that there are")


def too_many_stubs(most: int) -> StubError:
    """Say that there is no room for one more stub."""
    return StubError(f"there are {most} stubs already", fix="remove some: DELETE /__mock__/stubs")


def too_long_stubs(most: int) -> StubError:
    """Say that there is no room for the bytes of a stub."""
    return StubError(
        f"the stubs of all scopes would take more than {most} bytes",
        fix="remove some: DELETE /__mock__/stubs, or raise --max-stub-bytes",
    )


def dump_json(value: Json) -> bytes:
    """Write a value as a line; one that orjson refuses (a whole number of more than 64 bits) begins with a space."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return b" " + json.dumps(value).encode()


def load_json(line: bytes) -> Json:
    """Read the line of a value."""
    return json.loads(line) if line.startswith(b" ") else orjson.loads(line)
