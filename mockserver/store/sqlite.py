"""Keeps everything in an SQLite file, which several processes may use at once."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote

from mockserver.errors import StoreError, StoreFullError
from mockserver.messages import Json
from mockserver.store.base import (
    DEFAULT_LIMITS,
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
    too_many_stubs,
)
from mockserver.store.memory import MemoryLog

VERSION = 2
"""The version of the tables below."""

APPLICATION = int.from_bytes(b"mock")
"""Marks a file as ours, in the field of its header that SQLite has for this."""

# A record that changes writes to `scopes`, `records` and the index of the order, and to nothing else.
# A key of a scope is never used twice, so what a dropped scope has left behind belongs to none.
TABLES = """
CREATE TABLE scopes (key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL,
  seed TEXT, records INTEGER NOT NULL, gone INTEGER NOT NULL);
CREATE TABLE counters (scope INTEGER NOT NULL, name TEXT NOT NULL, counted INTEGER NOT NULL,
  PRIMARY KEY (scope, name)) WITHOUT ROWID;
CREATE TABLE records (key INTEGER PRIMARY KEY, scope INTEGER NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL,
  seq INTEGER NOT NULL, grp TEXT, data BLOB NOT NULL, UNIQUE (scope, collection, id));
CREATE UNIQUE INDEX latest ON records (scope, collection, seq);
CREATE INDEX latest_of_group ON records (scope, collection, grp, seq) WHERE grp IS NOT NULL;
CREATE TABLE parts (record INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (record, number));
CREATE TABLE gone (key INTEGER PRIMARY KEY, scope INTEGER NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL,
  UNIQUE (scope, collection, id));
CREATE INDEX oldest_gone ON gone (scope, key);
CREATE TABLE total (records INTEGER NOT NULL);
CREATE TABLE dropped (scope INTEGER PRIMARY KEY);
CREATE TABLE entries (key INTEGER PRIMARY KEY, scope TEXT NOT NULL, number INTEGER NOT NULL, entry BLOB NOT NULL);
CREATE UNIQUE INDEX entries_of_scope ON entries (scope, number);
CREATE TABLE stubs (number INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, revision INTEGER NOT NULL,
  spec BLOB NOT NULL);
CREATE INDEX stubs_of_scope ON stubs (scope);
CREATE TABLE claims (scope TEXT, key TEXT, uses INTEGER NOT NULL, PRIMARY KEY (scope, key)) WITHOUT ROWID;
INSERT INTO total VALUES (0)
"""

T = TypeVar("T")
Work: TypeAlias = Callable[[sqlite3.Connection], T]

_PATIENCE = 2.0
"""Seconds to wait for another process that writes."""

_HASTE = 0.05
"""The same after it was waited for in vain, until a call succeeds: else each caller waits for all before it."""

_LONG = 0.02
"""Seconds from which on a call has waited."""

_CAUTION = 5.0
"""Seconds for which another is then expected to wait, too."""

_ANOTHER = "name another file"
_USABLE = "see that the file can be written, that its disk has room, and that nothing holds it for long"
_GET_ON = (
    "save its state with the release that wrote it (GET /__mock__/state), "
    "then start this one on a new file with --state"
)

_CHUNK = 2_000
"""How many records of a dropped scope are deleted in one transaction, so that no other process waits for long."""

_LAST = 2**63 - 1

_LOOK = """
SELECT scopes.key, scopes.seq, records.key, records.seq, records.grp, records.data, gone.key FROM scopes
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
_ACTIVE = "SELECT scope FROM entries UNION SELECT scope FROM stubs UNION SELECT scope FROM claims"


class _Looked(NamedTuple):
    """What is found of an id: the key and the last place of its scope, its own key and record, whether it is gone."""

    space: int = 0
    last: int = 0
    key: int = 0
    record: Record | None = None
    gone: bool = False


def _look(connection: sqlite3.Connection, scope: str, collection: str, id: str) -> _Looked:
    row = connection.execute(_LOOK, (collection, id, scope)).fetchone()
    if row is None:
        return _Looked()
    space, last, key, seq, group, data, gone = row
    record = None if key is None else _record(collection, id, data, group, seq)
    return _Looked(space=space, last=last, key=key or 0, record=record, gone=gone is not None)


def _record(collection: str, id: str, data: bytes, group: str | None, seq: int) -> Record:
    return Record(collection=collection, id=id, data=load_json(data), group=group, seq=seq)


class _SqliteFile:
    """An SQLite file, asked by one caller at a time."""

    # One connection, one caller at a time: SQLite lets one write at a time in any case, and who waits for a lock of
    # Python's is woken at once, where SQLite would have it sleep and look again.
    threads = 1
    shared = True

    @property
    def waits(self) -> bool:
        """Return whether a call has waited lately, for another process or for the disk.

        Usually none does, and a change takes less time than to hand it to a thread and back.
        """
        return monotonic() < self._waited + _CAUTION

    def __init__(self, path: str | Path) -> None:
        self.url = f"sqlite:///{path}"
        self._path = Path(path).absolute()
        self._lock = Lock()
        self._waited, self._patience = -_CAUTION, _PATIENCE
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def _connected(self) -> sqlite3.Connection:
        """Return a connection to the file that now has the name: writes to a removed file would be lost."""
        file = self._identity()
        if self._connection is not None and file is not None and file == self._file:
            return self._connection
        if self._connection is not None and file is None:
            raise self._error("the file of the store was removed", fix="put it back, or start anew")
        self._close()
        self._connection = self._open()
        self._file = self._identity()
        return self._connection

    def _identity(self) -> tuple[int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:  # why, SQLite will tell
            return None
        return stat.st_dev, stat.st_ino

    def _open(self) -> sqlite3.Connection:
        if self._identity() is not None and self._path.stat().st_size:
            self._check_file()
        connection = sqlite3.connect(self._path, _PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA user_version").fetchone() == (0,):
                for statement in TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = NORMAL")  # the system keeps what a killed process has written
            connection.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: copied back, and waited for, less often
            connection.execute("PRAGMA cache_size = -16000")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_file(self) -> None:
        """Refuse a file that is not ours, unchanged: `immutable` makes SQLite neither lock, recover nor write.

        The header is read through SQLite, since to close a file drops all locks that the process has on it.
        """
        try:
            with closing(sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro&immutable=1", uri=True)) as reader:
                (application,) = reader.execute("PRAGMA application_id").fetchone()
                (version,) = reader.execute("PRAGMA user_version").fetchone()
        except sqlite3.DatabaseError as error:
            raise self._error("the file of the store is no SQLite file", why=str(error), fix=_ANOTHER) from error
        if application != APPLICATION:
            raise self._error("the file is not a store", why="another application made it", fix=_ANOTHER)
        if version == 1:
            why = f"an earlier release wrote it, with the tables of version 1; this one reads version {VERSION}"
            raise self._error("the file of the store has the old layout", why=why, fix=_GET_ON)
        if version != VERSION:
            why = f"its version is {version}, not {VERSION}"
            raise self._error("the file of the store is of another version", why=why, fix=_ANOTHER)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._file = None

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            self._close()

    def _error(self, what: str, *, why: str = "", fix: str) -> StoreError:
        return StoreError(what, where=self.url, why=why, fix=fix)

    def _select(self, text: str, *values: str | int) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        return self._do(lambda connection: connection.execute(text, values).fetchall(), "BEGIN")

    def _do(self, work: Work[T], begin: str = "BEGIN IMMEDIATE") -> T:
        """Run a function as one transaction."""
        begun = monotonic()
        with self._lock:
            try:
                connection = self._connected()
                connection.execute(begin)
                try:
                    result = work(connection)
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                self._wait_at_most(_HASTE)
                raise self._error("the store cannot be used", why=str(error), fix=_USABLE) from error
            finally:
                ended = monotonic()
                self._waited = ended if ended - begun > _LONG else self._waited
            if self._patience != _PATIENCE:
                self._wait_at_most(_PATIENCE)
            return result

    def _wait_at_most(self, seconds: float) -> None:
        self._patience = seconds
        if self._connection is not None:
            self._connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


class _SqliteRecords(_SqliteFile):
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
        made = connection.execute("INSERT INTO scopes VALUES (NULL, ?, 0, NULL, 0, 0)", (scope,))
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
            new = placed(collection, id, made, looked.last + 1)
            if old is None:
                key = self._insert(connection, scope, new)
            else:
                connection.execute("UPDATE scopes SET seq = ? WHERE key = ?", (new.seq, looked.space))
                update = "UPDATE records SET seq = ?, grp = ?, data = ? WHERE key = ?"
                connection.execute(update, (new.seq, new.group, dump_json(new.data), key))
            for number, values in change.parts:
                row = (key, number, dump_json(values))
                connection.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", row)
            return new

        return self._do(work)

    def _insert(self, connection: sqlite3.Connection, scope: str, new: Record) -> int:
        space = self._space(connection, scope)
        (count,) = connection.execute("SELECT records FROM total").fetchone()
        if count >= self._limits.records:
            raise StoreFullError("records", self._limits.records)
        connection.execute("UPDATE total SET records = records + 1")
        connection.execute("UPDATE scopes SET seq = ?, records = records + 1 WHERE key = ?", (new.seq, space))
        values = (space, new.collection, new.id, new.seq, new.group, dump_json(new.data))
        return connection.execute("INSERT INTO records VALUES (NULL, ?, ?, ?, ?, ?, ?)", values).lastrowid or 0

    def _delete(self, connection: sqlite3.Connection, looked: _Looked, old: Record, *, gone: bool) -> None:
        connection.execute("DELETE FROM parts WHERE record = ?", (looked.key,))
        connection.execute("DELETE FROM records WHERE key = ?", (looked.key,))
        connection.execute("UPDATE total SET records = records - 1")
        connection.execute("UPDATE scopes SET records = records - 1 WHERE key = ?", (looked.space,))
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

    def page(self, scope: str, collection: str, group: str | None, before: int | None, size: int) -> Sequence[Record]:
        """List at most `size` records, the latest update first."""
        limit = _LAST if before is None else max(0, min(before, _LAST))
        if group is None:
            rows = self._select(_PAGE, scope, collection, limit, size)
        else:
            rows = self._select(_PAGE_OF_GROUP, scope, collection, group, limit, size)
        return [_record(collection, *row) for row in rows]

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
    row = connection.execute("SELECT key, records FROM scopes WHERE name = ?", (scope,)).fetchone()
    if row is not None:
        connection.execute("DELETE FROM scopes WHERE key = ?", row[:1])
        connection.execute("INSERT INTO dropped VALUES (?)", row[:1])
        connection.execute("UPDATE total SET records = records - ?", row[1:])


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

    def drop(self, scope: str) -> None:
        """Forget all of a scope."""
        self.clear_records(scope)
        MemoryLog.drop(self, scope)


class SharedSqliteStore(_SqliteRecords):
    """Everything in an SQLite file, for several processes that serve as one."""

    shared_log = True
    stubbed: Mapping[str, Mapping[int, StoredStub]] | None = None

    def append(self, scope: str, entry: Entry) -> int:
        """Add an entry to the journal of a scope."""

        def work(connection: sqlite3.Connection) -> int:
            (number,) = connection.execute(_NEXT_ENTRY, (scope,)).fetchone()
            connection.execute("INSERT INTO entries VALUES (NULL, ?, ?, ?)", (scope, number, entry))
            oldest = number - self._limits.entries
            connection.execute("DELETE FROM entries WHERE scope = ? AND number <= ?", (scope, oldest))
            if number == 1:
                for (old,) in connection.execute(_OLDEST_JOURNALS, (self._limits.journals,)).fetchall():
                    connection.execute("DELETE FROM entries WHERE scope = ?", (old,))
            return int(number)

        return self._do(work)

    def entries(self, scope: str) -> Sequence[tuple[int, Entry]]:
        """List the journal of a scope."""
        return self._select("SELECT number, entry FROM entries WHERE scope = ? ORDER BY number", scope)

    def clear_entries(self, scope: str) -> None:
        """Forget the journal of a scope."""
        self._do(lambda connection: connection.execute("DELETE FROM entries WHERE scope = ?", (scope,)))

    def stubs(self, scope: str) -> Sequence[StoredStub]:
        """List the stubs of a scope."""
        rows = self._select("SELECT number, revision, spec FROM stubs WHERE scope = ? ORDER BY number", scope)
        return [StoredStub(number, revision, load_json(spec)) for number, revision, spec in rows]

    def put_stub(self, scope: str, spec: Json, number: int = 0) -> StoredStub:
        """Add a stub, or replace one."""
        line = dump_json(spec)

        def work(connection: sqlite3.Connection) -> StoredStub:
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
            for table in ("entries", "stubs", "claims"):
                connection.execute(f"DELETE FROM {table} WHERE scope = ?", (scope,))  # noqa: S608  # names of ours

        self._do(work)
        self._sweep_all()
