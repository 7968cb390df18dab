"""Keeps everything in this process's memory."""

from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, count, dropwhile, islice
from threading import Lock

import orjson

from mockserver.errors import StoreFullError
from mockserver.messages import Json
from mockserver.store.base import (
    DEFAULT_LIMITS,
    Asked,
    Change,
    Counters,
    Entry,
    Found,
    Given,
    Limits,
    Part,
    Record,
    StoredStub,
    Update,
    dump_json,
    no_such_stub,
    too_long_stubs,
    too_many_stubs,
)

_BLOCK = 8
"""Records whose places in the order differ only in so many low bits stand together."""


class Timeline:
    """Records in the order of their updates; adding, removing and finding one's place cost the same at any size.

    They stand in blocks of neighbouring places, each a dict, which keeps the order in which it was filled.
    """

    __slots__ = ("_blocks", "_numbers", "count")

    def __init__(self) -> None:
        self._blocks: dict[int, dict[int, Record]] = {}
        self._numbers: list[int] = []
        self.count = 0
        """How many there are."""

    def add(self, record: Record) -> None:
        """Add a record, which is later than all the others."""
        number = record.seq >> _BLOCK
        block = self._blocks.get(number)
        if block is None:
            if self._numbers and not self._blocks[self._numbers[-1]]:
                del self._blocks[self._numbers.pop()]
            block = self._blocks[number] = {}
            self._numbers.append(number)
        block[record.seq] = record
        self.count += 1

    def remove(self, seq: int) -> None:
        """Remove the record at a place."""
        number = seq >> _BLOCK
        block = self._blocks[number]
        del block[seq]
        self.count -= 1
        if not block and number != self._numbers[-1]:  # the latest will soon be filled again
            del self._blocks[number]
            del self._numbers[bisect_left(self._numbers, number)]

    def move(self, seq: int, record: Record) -> None:
        """Replace the record at a place with one at the same place, or later than all the others."""
        block = self._blocks.get(record.seq >> _BLOCK)
        if block is not None and seq in block:
            if seq != record.seq:
                del block[seq]
            block[record.seq] = record
        else:
            self.remove(seq)
            self.add(record)

    def after(self, seq: int | None) -> Iterator[Record]:
        """Iterate over the records after a place, the earliest first."""
        numbers, blocks = self._numbers, self._blocks
        if seq is not None:
            numbers = numbers[bisect_left(numbers, seq >> _BLOCK) :]
        earliest = chain.from_iterable(blocks[number].values() for number in numbers)
        return earliest if seq is None else dropwhile(lambda record: record.seq <= seq, earliest)

    def before(self, seq: int | None) -> Iterator[Record]:
        """Iterate over the records before a place, the latest first."""
        numbers, blocks = self._numbers, self._blocks
        if seq is not None:
            numbers = numbers[: bisect_left(numbers, (seq >> _BLOCK) + 1)]
        latest = chain.from_iterable(reversed(blocks[number].values()) for number in reversed(numbers))
        return latest if seq is None else dropwhile(lambda record: record.seq >= seq, latest)


class _Collection:
    """The records of one collection in one scope."""

    __slots__ = ("groups", "parts", "records", "sizes", "timeline")

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.timeline = Timeline()
        self.groups: dict[str, Timeline] = {}
        self.parts: dict[str, dict[int, Part]] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        """The bytes of each record, and those of its parts."""

    def regroup(self, old: Record | None, new: Record | None) -> None:
        """Take a record out of its old group and put it into its new one."""
        if old is not None and new is not None and old.group == new.group:
            if new.group is not None:
                self.groups[new.group].move(old.seq, new)
            return
        if old is not None and old.group is not None:
            self.groups[old.group].remove(old.seq)
            if not self.groups[old.group].count:
                del self.groups[old.group]
        if new is not None and new.group is not None:
            self.groups.setdefault(new.group, Timeline()).add(new)

    def remove(self, record: Record) -> None:
        del self.records[record.id], self.sizes[record.id]
        self.timeline.remove(record.seq)
        self.regroup(record, None)
        self.parts.pop(record.id, None)


class _Scope:
    """The records of one scope, and what it has counted."""

    __slots__ = ("collections", "counts", "gone", "seed", "seq")

    def __init__(self) -> None:
        self.collections: dict[str, _Collection] = {}
        self.counts: dict[str, int] = {}
        self.gone: dict[tuple[str, str], None] = {}
        self.seed: int | None = None
        self.seq = 0

    def __len__(self) -> int:
        return sum(len(each.records) for each in self.collections.values())

    def has(self, collection: str, id: str) -> bool:
        return id in self.collections.get(collection, _NO_COLLECTION).records

    def mark_gone(self, ids: Iterable[tuple[str, str]], most: int) -> None:
        self.gone.update(dict.fromkeys(ids))
        while len(self.gone) > most:
            del self.gone[next(iter(self.gone))]


_NO_SCOPE, _NO_COLLECTION = _Scope(), _Collection()
"""Stand for what is not there; nothing is ever written to them."""


def _place(space: _Scope, old: Record | None, made: Record, change: Change) -> int:
    """Return the place in the order at which a record is written: its own if it stays there, else the next."""
    if change.stays and old is not None and old.group == made.group:
        return old.seq
    space.seq += 1
    return space.seq


class _Journal:
    """The entries of a scope that are kept, with their sizes, and how many there ever were."""

    __slots__ = ("entries", "sizes", "total")

    def __init__(self, most: int) -> None:
        self.entries: deque[Entry] = deque(maxlen=most)
        self.sizes: deque[int] = deque(maxlen=most)
        self.total = 0


class MemoryLog:
    """Journals and stubs in this process's memory."""

    shared_log = False

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._log_limits = limits
        self._journals: OrderedDict[str, _Journal] = OrderedDict()
        self._most_entries, self._log_bytes = limits.entries, 0
        self._stubs: dict[str, dict[int, StoredStub]] = {}
        self.stubbed: Mapping[str, Mapping[int, StoredStub]] | None = self._stubs
        self._stub_sizes: dict[str, dict[int, int]] = {}
        self._claims: dict[str, dict[str, int]] = {}
        self._numbers = count(1)
        self._log_lock = Lock()

    def append(self, scope: str, entry: Entry, size: int = 0, /) -> int:
        """Add an entry to the journal of a scope."""
        with self._log_lock:
            journal = self._journals.get(scope)
            if journal is None:
                journal = self._journals[scope] = _Journal(self._log_limits.entries)
                while len(self._journals) > self._log_limits.journals:
                    self._log_bytes -= sum(self._journals.popitem(last=False)[1].sizes)
            elif len(self._journals) > 1:
                self._journals.move_to_end(scope)
            sizes = journal.sizes
            self._log_bytes += size - sizes[0] if len(sizes) == self._most_entries else size
            journal.entries.append(entry)
            sizes.append(size)
            journal.total += 1
            if self._log_bytes > self._log_limits.journal_bytes:
                self._forget_entries()
            return journal.total

    def _forget_entries(self) -> None:
        """Forget the oldest entries of the scopes written to longest ago, until there is room again."""
        most = self._log_limits.kept_journal_bytes
        for journal in self._journals.values():
            while self._log_bytes > most and len(journal.sizes) > 1:
                journal.entries.popleft()
                self._log_bytes -= journal.sizes.popleft()

    def _forget_journal(self, scope: str) -> None:
        journal = self._journals.pop(scope, None)
        if journal is not None:
            self._log_bytes -= sum(journal.sizes)

    def entries(self, scope: str) -> Sequence[tuple[int, Entry]]:
        """List the journal of a scope."""
        with self._log_lock:
            journal = self._journals.get(scope)
            if journal is None:
                return []
            return list(enumerate(journal.entries, journal.total - len(journal.entries) + 1))

    def clear_entries(self, scope: str) -> None:
        """Forget the journal of a scope."""
        with self._log_lock:
            self._forget_journal(scope)

    def stubs(self, scope: str) -> Sequence[StoredStub]:
        """List the stubs of a scope."""
        stubs = self._stubs.get(scope)
        return () if stubs is None else list(stubs.values())

    def put_stub(self, scope: str, spec: Json, number: int = 0) -> StoredStub:
        """Add a stub, or replace one."""
        with self._log_lock:
            stubs = self._stubs.get(scope, {})
            if number and number not in stubs:
                raise no_such_stub(number)
            if not number and len(stubs) >= self._log_limits.stubs:
                raise too_many_stubs(self._log_limits.stubs)
            sizes, size = self._stub_sizes.get(scope, {}), _spec_length(spec)
            total = sum(sum(each.values()) for each in self._stub_sizes.values()) - sizes.get(number, 0)
            if total + size > self._log_limits.stub_bytes and size > sizes.get(number, 0):
                raise too_long_stubs(self._log_limits.stub_bytes)
            revision = stubs[number].revision + 1 if number else 1
            made = StoredStub(number=number or next(self._numbers), revision=revision, spec=spec)
            stubs[made.number], sizes[made.number] = made, size
            self._stubs[scope], self._stub_sizes[scope] = stubs, sizes
            return made

    def remove_stubs(self, scope: str, number: int = 0) -> None:
        """Remove one stub, or all."""
        with self._log_lock:
            if not number:
                self._forget_stubs(scope)
                return
            stubs, claims = self._stubs.get(scope, {}), self._claims.get(scope, {})
            if stubs.pop(number, None) is None:
                raise no_such_stub(number)
            del self._stub_sizes[scope][number]
            for key in [key for key in claims if key.partition(":")[0] == str(number)]:
                del claims[key]
            if not stubs:
                del self._stubs[scope], self._stub_sizes[scope]
            if not claims:
                self._claims.pop(scope, None)

    def claim(self, scope: str, key: str, most: int | None = None) -> int:
        """Add one to the uses of a key."""
        with self._log_lock:
            claims = self._claims.get(scope, {})
            used = claims.get(key, 0)
            if most is not None and used >= most:
                return 0
            claims[key] = used + 1
            self._claims[scope] = claims
            return used + 1

    def claims(self, scope: str) -> Mapping[str, int]:
        """Return how often each key was used."""
        with self._log_lock:
            return dict(self._claims.get(scope, {}))

    def active_scopes(self) -> Sequence[str]:
        """Name the scopes that have a journal, stubs or claims."""
        with self._log_lock:
            return sorted(self._journals.keys() | self._stubs.keys() | self._claims.keys())

    def drop(self, scope: str) -> None:
        """Forget the journal, the stubs and the claims of a scope."""
        with self._log_lock:
            self._forget_journal(scope)
            self._forget_stubs(scope)

    def _forget_stubs(self, scope: str) -> None:
        for kept in (self._stubs, self._stub_sizes, self._claims):
            kept.pop(scope, None)


def _spec_length(spec: Json) -> int:
    """Return the length of a stub as JSON; one that holds functions, as in process, counts as what it prints."""
    try:
        return len(dump_json(spec))
    except TypeError:
        return len(repr(spec))


def _length(value: Json) -> int:
    """Return the length of a value as JSON."""
    try:
        return len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        return len(dump_json(value))


class MemoryStore(MemoryLog):
    """Everything in this process's memory."""

    url = "memory://"
    threads = 0
    waits = False
    shared = False

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._limits = limits
        self._scopes: dict[str, _Scope] = {}
        self._count = self._bytes = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return self._count

    def at_once(self, function: Callable[[Asked], Given], asked: Asked) -> Given:
        """Call a function; it never waits."""
        return function(asked)

    def _scope(self, scope: str, more: int = 0) -> _Scope:
        """Return a scope, made if it is not there, if there is room for it and for so many more records."""
        space = self._scopes.get(scope)
        if space is None and len(self._scopes) >= self._limits.scopes:
            raise StoreFullError("scopes", self._limits.scopes)
        if more and self._count + more > self._limits.records:
            raise StoreFullError("records", self._limits.records)
        if space is None:
            space = self._scopes[scope] = _Scope()
        return space

    def count(self, scope: str, counter: str) -> int:
        """Add one to a named counter."""
        with self._lock:
            counts = self._scope(scope).counts
            counts[counter] = counted = counts.get(counter, 0) + 1
            return counted

    def update(self, scope: str, collection: str, id: str, step: Update) -> Record | None:
        """Change one record as `step` says."""
        with self._lock:
            space = self._scopes.get(scope, _NO_SCOPE)
            kept = space.collections.get(collection, _NO_COLLECTION)
            old = kept.records.get(id)
            change = step(old, bool(space.gone) and (collection, id) in space.gone)
            made, parts = change.record, change.parts
            if made is old and not parts:
                return old
            if made is None:
                if old is not None:
                    self._delete(space, kept, old, gone=change.gone)
                return None
            size = None
            if old is None or parts or not change.minor:
                before = kept.sizes.get(id, (0, 0))
                size = self._measured(id, made, change, before, kept.parts.get(id, {}))
            if old is None:
                space = self._scope(scope, 1)
                kept = space.collections.setdefault(collection, _Collection())
                self._count += 1
            seq = _place(space, old, made, change)
            kept.records[id] = new = Record(collection, id, made.data, made.group, seq)
            if old is None:
                kept.timeline.add(new)
            else:
                kept.timeline.move(old.seq, new)
            if new.group is not None or (old is not None and old.group is not None):
                kept.regroup(old, new)
            if parts:
                kept.parts.setdefault(id, {}).update((part[0], part) for part in parts)
            if size is not None:
                self._bytes += sum(size) - sum(before)
                kept.sizes[id] = size
            return new

    def _measured(
        self, id: str, made: Record, change: Change, before: tuple[int, int], written: Mapping[int, Part]
    ) -> tuple[int, int]:
        """Return the bytes of a record and of its parts after a change; StoreFullError if there is no room for them.

        `before` are those that it had, `written` its parts.
        """
        own, rest = before
        if not own or not change.minor:
            own = _length(made.data) + len(id) + len(made.group or "")
        for number, values in dict(change.parts).items() if change.parts else ():
            rest += _length(values) - (_length(written[number][1]) if number in written else 0)
        size, grown = own + rest + change.reserve, own + rest - sum(before)
        total = self._bytes + grown + change.reserve
        if not change.minor and (size > self._limits.record_bytes or total > self._limits.store_bytes):
            self._limits.check_bytes(size, total, grown)
        return own, rest

    def _delete(self, space: _Scope, kept: _Collection, old: Record, *, gone: bool) -> None:
        self._count -= 1
        self._bytes -= sum(kept.sizes[old.id])
        kept.remove(old)
        if gone:
            space.gone.pop((old.collection, old.id), None)  # deleted once more, it is the latest
            space.mark_gone([(old.collection, old.id)], self._limits.gone)

    def find(self, scope: str, collection: str, id: str, *, parts: bool = False) -> Found:
        """Look up an id."""
        with self._lock:
            space = self._scopes.get(scope, _NO_SCOPE)
            kept = space.collections.get(collection, _NO_COLLECTION)
            record = kept.records.get(id)
            if record is None:
                return Found(gone=(collection, id) in space.gone)
            if not parts:
                return Found(record)
            written = kept.parts.get(id, {})
            return Found(record, tuple(written[number] for number in sorted(written)))

    def page(
        self, scope: str, collection: str, group: str | None, past: int | None, size: int, *, oldest: bool = False
    ) -> Sequence[Record]:
        """List at most `size` records, the latest update first, or the earliest."""
        with self._lock:
            timeline = self._timeline(scope, collection, group)
            if timeline is None:
                return []
            return list(islice(timeline.after(past) if oldest else timeline.before(past), size))

    def size(self, scope: str, collection: str, group: str | None) -> int:
        """Count the records of a collection, or of a group of it."""
        with self._lock:
            timeline = self._timeline(scope, collection, group)
            return 0 if timeline is None else timeline.count

    def _timeline(self, scope: str, collection: str, group: str | None) -> Timeline | None:
        kept = self._scopes.get(scope, _NO_SCOPE).collections.get(collection, _NO_COLLECTION)
        return kept.timeline if group is None else kept.groups.get(group)

    def collections(self, scope: str) -> Sequence[str]:
        """Name the collections of a scope that have records."""
        with self._lock:
            kept = self._scopes.get(scope, _NO_SCOPE).collections
            return sorted(name for name, each in kept.items() if each.records)

    def scopes(self) -> Mapping[str, int]:
        """Count the records of each scope."""
        with self._lock:
            return {name: len(space) for name, space in self._scopes.items()}

    def seed(self, scope: str) -> int | None:
        """Return the seed that a scope was given."""
        with self._lock:
            return self._scopes.get(scope, _NO_SCOPE).seed

    def set_seed(self, scope: str, seed: int) -> None:
        """Give a scope a seed of its own."""
        with self._lock:
            self._scope(scope).seed = seed

    def counters(self, scope: str) -> Counters:
        """Return what a scope has counted."""
        with self._lock:
            space = self._scopes.get(scope, _NO_SCOPE)
            return Counters(dict(space.counts), space.seq, list(space.gone))

    def restore(self, scope: str, counters: Counters) -> None:
        """Raise the counters of a scope to at least these, and mark these ids as gone."""
        with self._lock:
            space = self._scope(scope)
            for name, counted in counters.counts.items():
                space.counts[name] = max(space.counts.get(name, 0), counted)
            space.seq = max(space.seq, counters.seq)
            space.mark_gone((each for each in counters.gone if not space.has(*each)), self._limits.gone)

    def clear_records(self, scope: str) -> None:
        """Forget the records of a scope."""
        with self._lock:
            space = self._scopes.pop(scope, _NO_SCOPE)
            self._count -= len(space)
            self._bytes -= sum(own + rest for kept in space.collections.values() for own, rest in kept.sizes.values())

    def drop(self, scope: str) -> None:
        """Forget all of a scope."""
        self.clear_records(scope)
        super().drop(scope)

    def close(self) -> None:
        """Let go of nothing: what is in memory ends with the process."""
