"""Keeps everything in an SQLite file, which several processes may use at once."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mockserver.errors import StoreFullError
from mockserver.messages import Json
from mockserver.store.base import (
    DEFAULT_LIMITS,
    Change,
    Counters,
    Entry,
    Found,
    Limits,
    Record,
    StoredStub,
    Update,
    dump_json,
    load_json,
    no_such_stub,
    placed,
    too_long_stubs,
    too_many_stubs,
)
from mockserver.store.memory import MemoryLog
from mockserver.store.sqlite_file import SqliteFile

_CHUNK = 2_000
"""How many records of a dropped scope are deleted in one transaction, so that no other process waits for long."""

_LAST = 2**63 - 1

_LOOK = """
SELECT scopes.key, scopes.seq, records.key, records.seq, records.grp, records.data, gone.key,
  records.own, records.rest FROM scopes
LEFT JOIN records ON records.scope = scopes.key AND records.collection = ?1 AND records.id = ?2
LEFT JOIN gone ON gone.scope = scopes.key AND gone.collection = ?1 AND gone.id = ?2
WHERE scopes.name = ?3
"""
_PAGE = """
SELECT id, data, grp, seq FROM records INDEXED BY latest
WHERE scope = (SELECT key FROM scopes WHERE name = ?) AND collection = ? AND seq < ? ORDER BY seq DESC LIMIT ?
"""
_PAGE_OF_GROUP = """
SELECT id, data, grp, seq FROM records INDEXED BY latest_of_group
WHERE scope = (SELECT key FROM scopes WHERE name = ?) AND collection = ? AND grp = ? AND seq < ?
ORDER BY seq DESC LIMIT ?
"""
_OLDEST = """
SELECT id, data, grp, seq FROM records INDEXED BY latest
WHERE scope = (SELECT key FROM scopes WHERE name = ?) AND collection = ? AND seq > ? ORDER BY seq LIMIT ?
"""
_OLDEST_OF_GROUP = """
SELECT id, data, grp, seq FROM records INDEXED BY latest_of_group
WHERE scope = (SELECT key FROM scopes WHERE name = ?) AND collection = ? AND grp = ? AND seq > ? ORDER BY seq LIMIT ?
"""
_SIZE = """
SELECT count(*) FROM records INDEXED BY latest
WHERE scope = (SELECT key FROM scopes WHERE name = ?) AND collection = ?
"""
_SIZE_OF_GROUP = """
SELECT count(*) FROM records INDEXED BY latest_of_group
WHERE scope = (SELECT key FROM scopes WHERE name = ?) AND collection = ? AND grp = ?
"""
_COLLECTIONS = """
SELECT DISTINCT collection FROM records WHERE scope = (SELECT key FROM scopes WHERE name = ?) ORDER BY collection
"""
_COUNT = """
INSERT INTO counters VALUES (?, ?, 1)
ON CONFLICT DO UPDATE SET counted = counted + 1 RETURNING counted
"""
_RAISE_COUNTER = """
INSERT INTO counters VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET counted = max(counted, excluded.counted)
"""
_MARK_GONE = """
INSERT OR IGNORE INTO gone SELECT NULL, ?1, ?2, ?3
WHERE NOT EXISTS (SELECT 1 FROM records WHERE scope = ?1 AND collection = ?2 AND id = ?3)
"""
_FORGET_GONE = "DELETE FROM gone WHERE key IN (SELECT key FROM gone WHERE scope = ? ORDER BY key LIMIT ?)"
_NEXT_ENTRY = "SELECT coalesce(max(number), 0) + 1 FROM entries WHERE scope = ?"
_OLDEST_JOURNALS = "SELECT scope FROM entries GROUP BY scope ORDER BY max(key) DESC LIMIT -1 OFFSET ?"
_JOURNALS = "SELECT scope, max(number) FROM entries GROUP BY scope ORDER BY max(key)"
_SIZES = "SELECT number, length(entry) FROM entries WHERE scope = ? AND number < ? ORDER BY number"
_SIZE_OF_ENTRIES = "SELECT coalesce(sum(length(entry)), 0) FROM entries WHERE scope = ? AND number <= ?"
_SIZE_OF_STUBS = """
SELECT coalesce(sum(length(spec)), 0), coalesce(sum(CASE WHEN number = ? THEN length(spec) END), 0) FROM stubs
"""
_ACTIVE = "SELECT scope FROM entries UNION SELECT scope FROM stubs UNION SELECT scope FROM claims"


class _Looked(NamedTuple):
    """What is found of an id: the key and the last place of its scope, its own key and record, whether it is gone."""

    space: int = 0
    last: int = 0
    key: int = 0
    record: Record | None = None
    gone: bool = False
    own: int = 0
    """Its bytes, without those of its parts."""
    rest: int = 0
    """The bytes of its parts."""


def _look(connection: sqlite3.Connection, scope: str, collection: str, id: str) -> _Looked:
    row = connection.execute(_LOOK, (collection, id, scope)).fetchone()
    if row is None:
        return _Looked()
    space, last, key, seq, group, data, gone, own, rest = row
    record = None if key is None else _record(collection, id, data, group, seq)
    return _Looked(space, last, key or 0, record, gone is not None, own or 0, rest or 0)


def _record(collection: str, id: str, data: bytes, group: str | None, seq: int) -> Record:
    return Record(collection=collection, id=id, data=load_json(data), group=group, seq=seq)


class _SqliteRecords(SqliteFile):
    """Records in an SQLite file; what was acknowledged is there after the process was killed."""

    def __init__(self, path: str | Path, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(path)
        self._limits = limits
        self._sweep_all()  # also what a killed process did not come to

    def _space(self, connection: sqlite3.Connection, scope: str) -> int:
        """Return the key of a scope, which is made if it is not there."""
        row = connection.execute("SELECT key FROM scopes WHERE name = ?", (scope,)).fetchone()
        if row is not None:
            return int(row[0])
        (count,) = connection.execute("SELECT count(*) FROM scopes").fetchone()
        if count >= self._limits.scopes:
            raise StoreFullError("scopes", self._limits.scopes)
        made = connection.execute("INSERT INTO scopes VALUES (NULL, ?, 0, NULL, 0, 0, 0)", (scope,))
        return made.lastrowid or 0

    def count(self, scope: str, counter: str) -> int:
        """Add one to a named counter."""

        def work(connection: sqlite3.Connection) -> int:
            return int(connection.execute(_COUNT, (self._space(connection, scope), counter)).fetchall()[0][0])

        return self._do(work)

    def update(self, scope: str, collection: str, id: str, step: Update) -> Record | None:
        """Change one record by a function."""

        def work(connection: sqlite3.Connection) -> Record | None:
            looked = _look(connection, scope, collection, id)
            old, key = looked.record, looked.key
            change = step(old, looked.gone)
            made = change.record
            if made is old and not change.parts:
                return old
            if made is None:
                if old is not None:
                    self._delete(connection, looked, old, gone=change.gone)
                return None
            stays = change.stays and old is not None and old.group == made.group
            seq = old.seq if stays and old is not None else looked.last + 1
            new, line = placed(collection, id, made, seq), dump_json(made.data)
            if old is None:
                key = self._insert(connection, scope, new, line)
            else:
                if not stays:
                    connection.execute("UPDATE scopes SET seq = ? WHERE key = ?", (new.seq, looked.space))
                update = "UPDATE records SET seq = ?, grp = ?, data = ? WHERE key = ?"
                connection.execute(update, (new.seq, new.group, line, key))
            if old is None or change.parts or not change.minor:
                self._weigh(connection, looked, key, change, len(line) + len(id) + len(new.group or ""))
            return new

        return self._do(work)

    def _weigh(self, connection: sqlite3.Connection, looked: _Looked, key: int, change: Change, own: int) -> None:
        """Write the parts of a record, and count the bytes of both; StoreFullError if there is no room for them."""
        if looked.own and change.minor:
            own = looked.own
        grown = own - looked.own
        for number, values in change.parts:
            line = dump_json(values)
            old = connection.execute("SELECT length(data) FROM parts WHERE record = ? AND number = ?", (key, number))
            grown += len(line) - (old.fetchone() or (0,))[0]
            connection.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", (key, number, line))
        size = looked.own + looked.rest + grown
        (total,) = connection.execute("UPDATE total SET bytes = bytes + ? RETURNING bytes", (grown,)).fetchall()[0]
        if not change.minor:
            self._limits.check_bytes(size + change.reserve, total + change.reserve, grown)
        connection.execute("UPDATE records SET own = ?, rest = ? WHERE key = ?", (own, size - own, key))
        scope = "UPDATE scopes SET bytes = bytes + ? WHERE key = (SELECT scope FROM records WHERE key = ?)"
        connection.execute(scope, (grown, key))

    def _insert(self, connection: sqlite3.Connection, scope: str, new: Record, line: bytes) -> int:
        space = self._space(connection, scope)
        (count,) = connection.execute("SELECT records FROM total").fetchone()
        if count >= self._limits.records:
            raise StoreFullError("records", self._limits.records)
        connection.execute("UPDATE total SET records = records + 1")
        connection.execute("UPDATE scopes SET seq = ?, records = records + 1 WHERE key = ?", (new.seq, space))
        values = (space, new.collection, new.id, new.seq, new.group, line)
        return connection.execute("INSERT INTO records VALUES (NULL, ?, ?, ?, ?, ?, ?, 0, 0)", values).lastrowid or 0

    def _delete(self, connection: sqlite3.Connection, looked: _Looked, old: Record, *, gone: bool) -> None:
        connection.execute("DELETE FROM parts WHERE record = ?", (looked.key,))
        connection.execute("DELETE FROM records WHERE key = ?", (looked.key,))
        size = looked.own + looked.rest
        connection.execute("UPDATE total SET records = records - 1, bytes = bytes - ?", (size,))
        left = "UPDATE scopes SET records = records - 1, bytes = bytes - ? WHERE key = ?"
        connection.execute(left, (size, looked.space))
        if gone:
            values = (looked.space, old.collection, old.id)
            connection.execute("INSERT OR REPLACE INTO gone VALUES (NULL, ?, ?, ?)", values)
            self._count_gone(connection, looked.space, 0 if looked.gone else 1)

    def _count_gone(self, connection: sqlite3.Connection, space: int, more: int) -> None:
        """Count further deleted ids, and forget the oldest above the limit."""
        (count,) = connection.execute("SELECT gone + ? FROM scopes WHERE key = ?", (more, space)).fetchone()
        if count > self._limits.gone:
            connection.execute(_FORGET_GONE, (space, count - self._limits.gone))
            count = self._limits.gone
        connection.execute("UPDATE scopes SET gone = ? WHERE key = ?", (count, space))

    def find(self, scope: str, collection: str, id: str, *, parts: bool = False) -> Found:
        """Look up an id."""

        def work(connection: sqlite3.Connection) -> Found:
            looked = _look(connection, scope, collection, id)
            if looked.record is None:
                return Found(gone=looked.gone)
            if not parts:
                return Found(looked.record)
            select = "SELECT number, data FROM parts WHERE record = ? ORDER BY number"
            rows = connection.execute(select, (looked.key,))
            return Found(looked.record, tuple((number, load_json(data)) for number, data in rows))

        return self._do(work, "BEGIN")

    def page(
        self, scope: str, collection: str, group: str | None, past: int | None, size: int, *, oldest: bool = False
    ) -> Sequence[Record]:
        """List at most `size` records, the latest update first, or the earliest."""
        limit = (0 if oldest else _LAST) if past is None else max(0, min(past, _LAST))
        if group is None:
            rows = self._select(_OLDEST if oldest else _PAGE, scope, collection, limit, size)
        else:
            rows = self._select(_OLDEST_OF_GROUP if oldest else _PAGE_OF_GROUP, scope, collection, group, limit, size)
        return [_record(collection, *row) for row in rows]

    def size(self, scope: str, collection: str, group: str | None) -> int:
        """Count the records of a collection, or of a group of it."""
        if group is None:
            return int(self._select(_SIZE, scope, collection)[0][0])
        return int(self._select(_SIZE_OF_GROUP, scope, collection, group)[0][0])

    def collections(self, scope: str) -> Sequence[str]:
        """Name the collections of a scope that have records."""
        return [name for (name,) in self._select(_COLLECTIONS, scope)]

    def scopes(self) -> Mapping[str, int]:
        """Count the records of each scope."""
        return dict(self._select("SELECT name, records FROM scopes ORDER BY key"))

    def seed(self, scope: str) -> int | None:
        """Return the seed that a scope was given."""
        rows = self._select("SELECT seed FROM scopes WHERE name = ? AND seed IS NOT NULL", scope)
        return int(rows[0][0]) if rows else None

    def set_seed(self, scope: str, seed: int) -> None:
        """Set the seed of a scope; stored as text, since it may be any whole number."""

        def work(connection: sqlite3.Connection) -> None:
            space = self._space(connection, scope)
            connection.execute("UPDATE scopes SET seed = ? WHERE key = ?", (str(seed), space))

        self._do(work)

    def counters(self, scope: str) -> Counters:
        """Return what a scope has counted."""

        def work(connection: sqlite3.Connection) -> Counters:
            row = connection.execute("SELECT seq, key FROM scopes WHERE name = ?", (scope,)).fetchone()
            seq, space = row or (0, 0)
            counts = connection.execute("SELECT name, counted FROM counters WHERE scope = ?", (space,)).fetchall()
            gone = connection.execute("SELECT collection, id FROM gone WHERE scope = ? ORDER BY key", (space,))
            return Counters(dict(counts), seq, gone.fetchall())

        return self._do(work, "BEGIN")

    def restore(self, scope: str, counters: Counters) -> None:
        """Raise the counters of a scope to at least these, and mark these ids as gone."""

        def work(connection: sqlite3.Connection) -> None:
            space = self._space(connection, scope)
            counts = [(space, *each) for each in counters.counts.items()]
            connection.executemany(_RAISE_COUNTER, counts)
            connection.execute("UPDATE scopes SET seq = max(seq, ?) WHERE key = ?", (counters.seq, space))
            added = connection.executemany(_MARK_GONE, [(space, *each) for each in counters.gone]).rowcount
            self._count_gone(connection, space, max(0, added))  # the count is -1 for an empty list

        self._do(work)

    def clear_records(self, scope: str) -> None:
        """Forget the records of a scope, at once; what they leave behind is deleted piece by piece."""
        self._do(lambda connection: _detach(connection, scope))
        self._sweep_all()

    def _sweep_all(self) -> None:
        while self._do(_sweep):
            pass

    def __len__(self) -> int:
        return int(self._select("SELECT records FROM total")[0][0])


def _detach(connection: sqlite3.Connection, scope: str) -> None:
    """Detach a scope from its records."""
    row = connection.execute("SELECT key, records, bytes FROM scopes WHERE name = ?", (scope,)).fetchone()
    if row is not None:
        connection.execute("DELETE FROM scopes WHERE key = ?", row[:1])
        connection.execute("INSERT INTO dropped VALUES (?)", row[:1])
        connection.execute("UPDATE total SET records = records - ?, bytes = bytes - ?", row[1:])


def _sweep(connection: sqlite3.Connection) -> bool:
    """Delete some of the records that dropped scopes left behind; return whether there are more."""
    row = connection.execute("SELECT scope FROM dropped LIMIT 1").fetchone()
    if row is None:
        return False
    keys = connection.execute("SELECT key FROM records WHERE scope = ? LIMIT ?", (*row, _CHUNK)).fetchall()
    connection.executemany("DELETE FROM parts WHERE record = ?", keys)
    connection.executemany("DELETE FROM records WHERE key = ?", keys)
    if len(keys) == _CHUNK:
        return True
    connection.execute("DELETE FROM counters WHERE scope = ?", row)
    connection.execute("DELETE FROM gone WHERE scope = ?", row)
    connection.execute("DELETE FROM dropped WHERE scope = ?", row)
    return connection.execute("SELECT 1 FROM dropped").fetchone() is not None


class SqliteStore(_SqliteRecords, MemoryLog):
    """Records in an SQLite file; journal and stubs in the memory of the one process that serves."""

    def __init__(self, path: str | Path, limits: Limits = DEFAULT_LIMITS) -> None:
        MemoryLog.__init__(self, limits)
        _SqliteRecords.__init__(self, path, limits)

    def claim(self, scope: str, key: str, most: int | None = None) -> int:
        """Add one to the uses of a key."""
        self._changed = True
        return MemoryLog.claim(self, scope, key, most)

    def drop(self, scope: str) -> None:
        """Forget all of a scope."""
        self.clear_records(scope)
        MemoryLog.drop(self, scope)


def _forget_entries(connection: sqlite3.Connection, scope: str, last: int = _LAST) -> int:
    """Delete the entries of a scope up to a number, and return how many bytes they took."""
    values = (scope, last)
    (size,) = connection.execute(_SIZE_OF_ENTRIES, values).fetchone()
    connection.execute("DELETE FROM entries WHERE scope = ? AND number <= ?", values)
    return int(size)


def _count_entries(connection: sqlite3.Connection, more: int) -> int:
    """Count bytes of entries, and return how many there are now."""
    return int(connection.execute("UPDATE total SET journal = journal + ? RETURNING journal", (more,)).fetchall()[0][0])


def _make_room(connection: sqlite3.Connection, wanted: int) -> None:
    """Forget so many bytes of the oldest entries of the scopes written to longest ago, but for the newest of each."""
    gone = 0
    for scope, newest in connection.execute(_JOURNALS).fetchall():
        last = 0
        rows = connection.execute(_SIZES, (scope, newest))
        for number, size in rows:
            if gone >= wanted:
                break
            gone, last = gone + size, number
        rows.close()
        connection.execute("DELETE FROM entries WHERE scope = ? AND number <= ?", (scope, last))
    _count_entries(connection, -gone)


class SharedSqliteStore(_SqliteRecords):
    """Everything in an SQLite file, for several processes that serve as one."""

    shared_log = True
    stubbed: Mapping[str, Mapping[int, StoredStub]] | None = None

    def append(self, scope: str, entry: Entry, _: int = 0, /) -> int:
        """Add an entry to the journal of a scope; its size is its length."""

        def work(connection: sqlite3.Connection) -> int:
            (number,) = connection.execute(_NEXT_ENTRY, (scope,)).fetchone()
            connection.execute("INSERT INTO entries VALUES (NULL, ?, ?, ?)", (scope, number, entry))
            gone = _forget_entries(connection, scope, number - self._limits.entries)
            if number == 1:
                for (old,) in connection.execute(_OLDEST_JOURNALS, (self._limits.journals,)).fetchall():
                    gone += _forget_entries(connection, old)
            total = _count_entries(connection, len(entry) - gone)
            if total > self._limits.journal_bytes:
                _make_room(connection, total - self._limits.kept_journal_bytes)
            return int(number)

        return self._do(work)

    def entries(self, scope: str) -> Sequence[tuple[int, Entry]]:
        """List the journal of a scope."""
        return self._select("SELECT number, entry FROM entries WHERE scope = ? ORDER BY number", scope)

    def clear_entries(self, scope: str) -> None:
        """Forget the journal of a scope."""
        self._do(lambda connection: _count_entries(connection, -_forget_entries(connection, scope)))

    def stubs(self, scope: str) -> Sequence[StoredStub]:
        """List the stubs of a scope."""
        rows = self._select("SELECT number, revision, spec FROM stubs WHERE scope = ? ORDER BY number", scope)
        return [StoredStub(number, revision, load_json(spec)) for number, revision, spec in rows]

    def put_stub(self, scope: str, spec: Json, number: int = 0) -> StoredStub:
        """Add a stub, or replace one."""
        line = dump_json(spec)

        def work(connection: sqlite3.Connection) -> StoredStub:
            total, old = connection.execute(_SIZE_OF_STUBS, (number,)).fetchone()
            if total - old + len(line) > self._limits.stub_bytes and len(line) > old:
                raise too_long_stubs(self._limits.stub_bytes)
            if number:
                change = "UPDATE stubs SET revision = revision + 1, spec = ? WHERE scope = ? AND number = ?"
                if not connection.execute(change, (line, scope, number)).rowcount:
                    raise no_such_stub(number)
                (revision,) = connection.execute("SELECT revision FROM stubs WHERE number = ?", (number,)).fetchone()
                return StoredStub(number, revision, spec)
            (count,) = connection.execute("SELECT count(*) FROM stubs WHERE scope = ?", (scope,)).fetchone()
            if count >= self._limits.stubs:
                raise too_many_stubs(self._limits.stubs)
            made = connection.execute("INSERT INTO stubs VALUES (NULL, ?, 1, ?)", (scope, line))
            return StoredStub(made.lastrowid or 0, 1, spec)

        return self._do(work)

    def remove_stubs(self, scope: str, number: int = 0) -> None:
        """Remove one stub, or all."""

        def work(connection: sqlite3.Connection) -> None:
            if not number:
                connection.execute("DELETE FROM stubs WHERE scope = ?", (scope,))
                connection.execute("DELETE FROM claims WHERE scope = ?", (scope,))
                return
            if not connection.execute("DELETE FROM stubs WHERE scope = ? AND number = ?", (scope, number)).rowcount:
                raise no_such_stub(number)
            delete = "DELETE FROM claims WHERE scope = ? AND (key = ? OR key GLOB ?)"
            connection.execute(delete, (scope, str(number), f"{number}:*"))

        self._do(work)

    def claim(self, scope: str, key: str, most: int | None = None) -> int:
        """Add one to the uses of a key."""

        def work(connection: sqlite3.Connection) -> int:
            row = connection.execute("SELECT uses FROM claims WHERE scope = ? AND key = ?", (scope, key)).fetchone()
            used = int(row[0]) if row else 0
            if most is not None and used >= most:
                return 0
            connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?)", (scope, key, used + 1))
            return used + 1

        return self._do(work)

    def claims(self, scope: str) -> Mapping[str, int]:
        """Return how often each key was used."""
        return dict(self._select("SELECT key, uses FROM claims WHERE scope = ?", scope))

    def active_scopes(self) -> Sequence[str]:
        """Name the scopes that have a journal, stubs or claims."""
        return sorted(scope for (scope,) in self._select(_ACTIVE))

    def drop(self, scope: str) -> None:
        """Forget all of a scope."""

        def work(connection: sqlite3.Connection) -> None:
            _detach(connection, scope)
            _count_entries(connection, -_forget_entries(connection, scope))
            for table in ("stubs", "claims"):
                connection.execute(f"DELETE FROM {table} WHERE scope = ?", (scope,))  # noqa: S608  # names of ours

        self._do(work)
        self._sweep_all()
