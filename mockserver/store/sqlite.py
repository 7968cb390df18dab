"""Keeps sessions in an SQLite file, which several processes may use at once."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from mockserver.errors import StoreError, StoreFullError
from mockserver.journal.exchange import Exchange, as_json, from_json
from mockserver.messages import Json
from mockserver.settings import MOST_EXCHANGES
from mockserver.store.base import (
    MOST_GONE,
    MOST_JOURNALS,
    MOST_PLANNED,
    MOST_SCOPES,
    MOST_SESSIONS,
    Counters,
    Found,
    Kept,
    Session,
    Step,
    dump_json,
    dump_session,
    load_json,
    load_session,
    no_such,
    placed,
    too_many,
)

VERSION = 1
"""The version of the tables below."""

APPLICATION = int.from_bytes(b"mock")
"""Marks a file as ours, in the field of its header that SQLite has for this."""

# A title that changes writes to `scopes`, `sessions` and the index of the order, and to nothing else.
# A key of a scope is never used twice, so what a dropped scope has left behind belongs to none.
TABLES = """
CREATE TABLE scopes (key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, births INTEGER NOT NULL,
  seq INTEGER NOT NULL, seed TEXT, sessions INTEGER NOT NULL, gone INTEGER NOT NULL);
CREATE TABLE sessions (key INTEGER PRIMARY KEY, scope INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL,
  project TEXT, record BLOB NOT NULL, UNIQUE (scope, id));
CREATE UNIQUE INDEX latest ON sessions (scope, seq);
CREATE INDEX latest_of_project ON sessions (scope, project, seq) WHERE project IS NOT NULL;
CREATE TABLE turns (session INTEGER NOT NULL, number INTEGER NOT NULL, events BLOB NOT NULL,
  PRIMARY KEY (session, number));
CREATE TABLE gone (key INTEGER PRIMARY KEY, scope INTEGER NOT NULL, id TEXT NOT NULL, UNIQUE (scope, id));
CREATE INDEX oldest_gone ON gone (scope, key);
CREATE TABLE total (sessions INTEGER NOT NULL);
CREATE TABLE dropped (scope INTEGER PRIMARY KEY);
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

_CHUNK = 2_000
"""How many sessions of a dropped scope are deleted in one transaction, so that no other process waits for long."""

_LAST = 2**63 - 1

_LOOK = """
SELECT scopes.key, scopes.seq, sessions.key, sessions.seq, sessions.record, gone.key FROM scopes
LEFT JOIN sessions ON sessions.scope = scopes.key AND sessions.id = ?1
LEFT JOIN gone ON gone.scope = scopes.key AND gone.id = ?1
WHERE scopes.name = ?2
"""
_PAGE = """
SELECT record, seq FROM sessions INDEXED BY latest
WHERE scope = (SELECT key FROM scopes WHERE name = ?) AND seq < ? ORDER BY seq DESC LIMIT ?
"""
_PAGE_OF_PROJECT = """
SELECT record, seq FROM sessions INDEXED BY latest_of_project
WHERE scope = (SELECT key FROM scopes WHERE name = ?) AND project = ? AND seq < ? ORDER BY seq DESC LIMIT ?
"""
_MARK_GONE = """
INSERT OR IGNORE INTO gone SELECT NULL, ?1, ?2
WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE scope = ?1 AND id = ?2)
"""
_FORGET_GONE = "DELETE FROM gone WHERE key IN (SELECT key FROM gone WHERE scope = ? ORDER BY key LIMIT ?)"


def _look(connection: sqlite3.Connection, scope: str, session_id: str) -> tuple[int, int, int, Session | None, bool]:
    """Give the key and the last place of a scope, a session's key and the session, and whether one was deleted."""
    row = connection.execute(_LOOK, (session_id, scope)).fetchone()
    if row is None:
        return 0, 0, 0, None, False
    world, last, key, seq, record, gone = row
    return world, last, key, None if key is None else load_session(record, seq), gone is not None


class SqliteStore:
    """Sessions in an SQLite file; what was acknowledged is there after the process was killed."""

    # One connection, one caller at a time: SQLite lets one write at a time in any case, and who waits for a lock of
    # Python's is woken at once, where SQLite would have it sleep and look again.
    threads = 1
    shared = True

    @property
    def waits(self) -> bool:
        """Say whether a call has waited lately, for another process or for the disk.

        Usually none does, and a change takes less time than to hand it to a thread and back.
        """
        return monotonic() < self._waited + _CAUTION

    def __init__(
        self,
        path: str | Path,
        most_sessions: int = MOST_SESSIONS,
        most_scopes: int = MOST_SCOPES,
        most_gone: int = MOST_GONE,
    ) -> None:
        self.url = f"sqlite:///{path}"
        self._path = Path(path).absolute()
        self._most_sessions, self._most_scopes, self._most_gone = most_sessions, most_scopes, most_gone
        self._lock = Lock()
        self._waited, self._patience = -_CAUTION, _PATIENCE
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._sweep_all()  # also what a killed process did not come to

    def _connected(self) -> sqlite3.Connection:
        """Give the connection, to the file that now has the name: what goes into a removed one would be lost."""
        file = self._identity()
        if self._connection is not None and file is not None and file == self._file:
            return self._connection
        if self._connection is not None and file is None:
            raise self._error("the file of the store was removed", mend="put it back, or start anew")
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
            raise self._error("the file of the store is no SQLite file", why=str(error), mend=_ANOTHER) from error
        if application != APPLICATION:
            raise self._error("the file is no store of sessions", why="another application made it", mend=_ANOTHER)
        if version != VERSION:
            why = f"its version is {version}, not {VERSION}"
            raise self._error("the file of the store is of another version", why=why, mend=_ANOTHER)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._file = None

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            self._close()

    def _error(self, what: str, *, why: str = "", mend: str) -> StoreError:
        return StoreError(what, where=self.url, why=why, mend=mend)

    def select(self, text: str, *values: str | int) -> list[tuple[Any, ...]]:
        """Give the rows of a question."""
        return self.do(lambda connection: connection.execute(text, values).fetchall(), "BEGIN")

    def do(self, work: Work[T], begin: str = "BEGIN IMMEDIATE") -> T:
        """Do all of some work, or nothing of it."""
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
                raise self._error("the store cannot be used", why=str(error), mend=_USABLE) from error
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

    def _world(self, connection: sqlite3.Connection, scope: str) -> int:
        """Give the key of a scope, which is made if it is not there."""
        row = connection.execute("SELECT key FROM scopes WHERE name = ?", (scope,)).fetchone()
        if row is not None:
            return int(row[0])
        (count,) = connection.execute("SELECT count(*) FROM scopes").fetchone()
        if count >= self._most_scopes:
            raise StoreFullError("scopes", self._most_scopes)
        made = connection.execute("INSERT INTO scopes VALUES (NULL, ?, 0, 0, NULL, 0, 0)", (scope,))
        return made.lastrowid or 0

    def birth(self, scope: str) -> int:
        """Count one more birth in a scope, and give its number."""

        def work(connection: sqlite3.Connection) -> int:
            count = "UPDATE scopes SET births = births + 1 WHERE key = ? RETURNING births"
            return int(connection.execute(count, (self._world(connection, scope),)).fetchall()[0][0])

        return self.do(work)

    def change(self, scope: str, session_id: str, step: Step) -> Session | None:
        """Change one session as `step` says."""

        def work(connection: sqlite3.Connection) -> Session | None:
            world, seq, key, old, gone = _look(connection, scope, session_id)
            new, turn = step(old, gone)
            if new is old and turn is None:
                return old
            if new is None:
                if old is not None:
                    self._delete(connection, world, key, old, known=gone)
                return None
            new = placed(new, seq + 1)
            if old is None:
                key = self._insert(connection, scope, new)
            else:
                connection.execute("UPDATE scopes SET seq = ? WHERE key = ?", (new.seq, world))
                update = "UPDATE sessions SET seq = ?, project = ?, record = ? WHERE key = ?"
                connection.execute(update, (new.seq, new.project_id, dump_session(new), key))
            if turn is not None:
                row = (key, turn[0], dump_json(turn[1]))
                connection.execute("INSERT OR REPLACE INTO turns VALUES (?, ?, ?)", row)
            return new

        return self.do(work)

    def _insert(self, connection: sqlite3.Connection, scope: str, new: Session) -> int:
        world = self._world(connection, scope)
        (count,) = connection.execute("SELECT sessions FROM total").fetchone()
        if count >= self._most_sessions:
            raise StoreFullError("sessions", self._most_sessions)
        connection.execute("UPDATE total SET sessions = sessions + 1")
        connection.execute("UPDATE scopes SET seq = ?, sessions = sessions + 1 WHERE key = ?", (new.seq, world))
        values = (world, new.id, new.seq, new.project_id, dump_session(new))
        return connection.execute("INSERT INTO sessions VALUES (NULL, ?, ?, ?, ?, ?)", values).lastrowid or 0

    def _delete(self, connection: sqlite3.Connection, world: int, key: int, old: Session, *, known: bool) -> None:
        connection.execute("DELETE FROM turns WHERE session = ?", (key,))
        connection.execute("DELETE FROM sessions WHERE key = ?", (key,))
        connection.execute("UPDATE total SET sessions = sessions - 1")
        connection.execute("UPDATE scopes SET sessions = sessions - 1 WHERE key = ?", (world,))
        if old.issued:
            connection.execute("INSERT OR REPLACE INTO gone VALUES (NULL, ?, ?)", (world, old.id))
            self._count_gone(connection, world, 0 if known else 1)

    def _count_gone(self, connection: sqlite3.Connection, world: int, more: int) -> None:
        """Count that more deleted sessions are known, and forget the oldest that are too many."""
        (count,) = connection.execute("SELECT gone + ? FROM scopes WHERE key = ?", (more, world)).fetchone()
        if count > self._most_gone:
            connection.execute(_FORGET_GONE, (world, count - self._most_gone))
            count = self._most_gone
        connection.execute("UPDATE scopes SET gone = ? WHERE key = ?", (count, world))

    def find(self, scope: str, session_id: str, *, turns: bool = False) -> Found:
        """Give what is known of an id."""

        def work(connection: sqlite3.Connection) -> Found:
            _, _, key, session, gone = _look(connection, scope, session_id)
            if session is None:
                return Found(None, (), gone)
            if not turns:
                return Found(session)
            rows = connection.execute("SELECT events FROM turns WHERE session = ? ORDER BY number", (key,))
            return Found(session, tuple(load_json(events) for (events,) in rows))

        return self.do(work, "BEGIN")

    def page(self, scope: str, project: str | None, before: int | None, size: int) -> Sequence[Session]:
        """Give at most `size` sessions, the latest update first."""
        limit = _LAST if before is None else max(0, min(before, _LAST))
        if project is None:
            rows = self.select(_PAGE, scope, limit, size)
        else:
            rows = self.select(_PAGE_OF_PROJECT, scope, project, limit, size)
        return [load_session(record, seq) for record, seq in rows]

    def scopes(self) -> Mapping[str, int]:
        """Give the number of sessions in each scope."""
        return dict(self.select("SELECT name, sessions FROM scopes ORDER BY key"))

    def drop(self, scope: str) -> None:
        """Forget a scope, at once; what it leaves behind is deleted piece by piece."""

        def work(connection: sqlite3.Connection) -> None:
            row = connection.execute("SELECT key, sessions FROM scopes WHERE name = ?", (scope,)).fetchone()
            if row is not None:
                connection.execute("DELETE FROM scopes WHERE key = ?", row[:1])
                connection.execute("INSERT INTO dropped VALUES (?)", row[:1])
                connection.execute("UPDATE total SET sessions = sessions - ?", row[1:])

        self.do(work)
        self._sweep_all()

    def _sweep_all(self) -> None:
        while self.do(self._sweep):
            pass

    def _sweep(self, connection: sqlite3.Connection) -> bool:
        """Delete a piece of what dropped scopes left behind, and say whether there is more."""
        row = connection.execute("SELECT scope FROM dropped LIMIT 1").fetchone()
        if row is None:
            return False
        keys = connection.execute("SELECT key FROM sessions WHERE scope = ? LIMIT ?", (*row, _CHUNK)).fetchall()
        connection.executemany("DELETE FROM turns WHERE session = ?", keys)
        connection.executemany("DELETE FROM sessions WHERE key = ?", keys)
        if len(keys) == _CHUNK:
            return True
        connection.execute("DELETE FROM gone WHERE scope = ?", row)
        connection.execute("DELETE FROM dropped WHERE scope = ?", row)
        return connection.execute("SELECT 1 FROM dropped").fetchone() is not None

    def seed(self, scope: str) -> int | None:
        """Give the seed that a scope was given."""
        rows = self.select("SELECT seed FROM scopes WHERE name = ? AND seed IS NOT NULL", scope)
        return int(rows[0][0]) if rows else None

    def set_seed(self, scope: str, seed: int) -> None:
        """Give a scope a seed of its own; kept as text, since it may be any whole number."""

        def work(connection: sqlite3.Connection) -> None:
            world = self._world(connection, scope)
            connection.execute("UPDATE scopes SET seed = ? WHERE key = ?", (str(seed), world))

        self.do(work)

    def counters(self, scope: str) -> Counters:
        """Give what a scope has counted."""

        def work(connection: sqlite3.Connection) -> Counters:
            row = connection.execute("SELECT births, seq, key FROM scopes WHERE name = ?", (scope,)).fetchone()
            births, seq, world = row or (0, 0, 0)
            rows = connection.execute("SELECT id FROM gone WHERE scope = ? ORDER BY key", (world,))
            return Counters(births, seq, [name for (name,) in rows])

        return self.do(work, "BEGIN")

    def restore(self, scope: str, counters: Counters) -> None:
        """Raise the counters of a scope to at least these, and make these deleted sessions known."""

        def work(connection: sqlite3.Connection) -> None:
            world = self._world(connection, scope)
            values = (counters.births, counters.seq, world)
            connection.execute("UPDATE scopes SET births = max(births, ?), seq = max(seq, ?) WHERE key = ?", values)
            added = connection.executemany(_MARK_GONE, [(world, name) for name in counters.gone]).rowcount
            self._count_gone(connection, world, max(0, added))  # the count is -1 for an empty list

        self.do(work)

    def __len__(self) -> int:
        return int(self.select("SELECT sessions FROM total")[0][0])


_TABLES = (
    "CREATE TABLE IF NOT EXISTS exchanges (key INTEGER PRIMARY KEY, scope TEXT NOT NULL, number INTEGER NOT NULL, "
    "line BLOB NOT NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS exchanges_of_scope ON exchanges (scope, number)",
    "CREATE TABLE IF NOT EXISTS plans (number INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, "
    "revision INTEGER NOT NULL, spec BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS plans_of_scope ON plans (scope)",
    "CREATE TABLE IF NOT EXISTS claims (scope TEXT, key TEXT, uses INTEGER NOT NULL, PRIMARY KEY (scope, key)) "
    "WITHOUT ROWID",
)
_NEXT = "SELECT coalesce(max(number), 0) + 1 FROM exchanges WHERE scope = ?"
_SCOPES = "SELECT scope FROM exchanges UNION SELECT scope FROM plans UNION SELECT scope FROM claims"
_OLDEST = "SELECT scope FROM exchanges GROUP BY scope ORDER BY max(key) DESC LIMIT -1 OFFSET ?"


class SqliteShelf:
    """Journals and plans in the file of a store."""

    shared = True

    def __init__(self, store: SqliteStore, most: int = MOST_EXCHANGES, most_journals: int = MOST_JOURNALS) -> None:
        self._store, self._most, self._most_journals = store, most, most_journals

        def work(connection: sqlite3.Connection) -> None:
            for statement in _TABLES:
                connection.execute(statement)

        store.do(work)

    def record(self, exchange: Exchange) -> int:
        """Remember an exchange."""
        line, scope = dump_json(as_json(exchange)), exchange.scope

        def work(connection: sqlite3.Connection) -> int:
            (number,) = connection.execute(_NEXT, (scope,)).fetchone()
            connection.execute("INSERT INTO exchanges VALUES (NULL, ?, ?, ?)", (scope, number, line))
            connection.execute("DELETE FROM exchanges WHERE scope = ? AND number <= ?", (scope, number - self._most))
            if number == 1:
                for (old,) in connection.execute(_OLDEST, (self._most_journals,)).fetchall():
                    connection.execute("DELETE FROM exchanges WHERE scope = ?", (old,))
            return int(number)

        return self._store.do(work)

    def exchanges(self, scope: str) -> Sequence[Exchange]:
        """Give what is remembered of a scope."""
        rows = self._store.select("SELECT line, number FROM exchanges WHERE scope = ? ORDER BY number", scope)
        return [from_json(load_json(line))._replace(number=number) for line, number in rows]

    def scopes(self) -> Sequence[str]:
        """Name the scopes of which something is kept."""
        rows = self._store.select(_SCOPES)
        return sorted(scope for (scope,) in rows)

    def clear(self, scope: str) -> None:
        """Forget the journal of a scope."""
        self._store.do(lambda connection: connection.execute("DELETE FROM exchanges WHERE scope = ?", (scope,)))

    def plan(self, scope: str) -> Sequence[Kept]:
        """Give what is planned in a scope."""
        rows = self._store.select("SELECT number, revision, spec FROM plans WHERE scope = ? ORDER BY number", scope)
        return [Kept(number, revision, load_json(spec)) for number, revision, spec in rows]

    def put(self, scope: str, spec: Json, number: int = 0) -> Kept:
        """Plan an answer, or change one."""
        line = dump_json(spec)

        def work(connection: sqlite3.Connection) -> Kept:
            if number:
                change = "UPDATE plans SET revision = revision + 1, spec = ? WHERE scope = ? AND number = ?"
                if not connection.execute(change, (line, scope, number)).rowcount:
                    raise no_such(number)
                (revision,) = connection.execute("SELECT revision FROM plans WHERE number = ?", (number,)).fetchone()
                return Kept(number, revision, spec)
            (planned,) = connection.execute("SELECT count(*) FROM plans WHERE scope = ?", (scope,)).fetchone()
            if planned >= MOST_PLANNED:
                raise too_many()
            made = connection.execute("INSERT INTO plans VALUES (NULL, ?, 1, ?)", (scope, line))
            return Kept(made.lastrowid or 0, 1, spec)

        return self._store.do(work)

    def remove(self, scope: str, number: int = 0) -> None:
        """Take back one planned answer, or all."""

        def work(connection: sqlite3.Connection) -> None:
            if not number:
                connection.execute("DELETE FROM plans WHERE scope = ?", (scope,))
                connection.execute("DELETE FROM claims WHERE scope = ?", (scope,))
                return
            if not connection.execute("DELETE FROM plans WHERE scope = ? AND number = ?", (scope, number)).rowcount:
                raise no_such(number)
            pattern = f"{number}:*"
            connection.execute(
                "DELETE FROM claims WHERE scope = ? AND (key = ? OR key GLOB ?)", (scope, str(number), pattern)
            )

        self._store.do(work)

    def claim(self, scope: str, key: str, most: int | None = None) -> int:
        """Count one more use of something."""

        def work(connection: sqlite3.Connection) -> int:
            row = connection.execute("SELECT uses FROM claims WHERE scope = ? AND key = ?", (scope, key)).fetchone()
            used = int(row[0]) if row else 0
            if most is not None and used >= most:
                return 0
            connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?)", (scope, key, used + 1))
            return used + 1

        return self._store.do(work)

    def claims(self, scope: str) -> Mapping[str, int]:
        """Give how often each thing was used."""
        return dict(self._store.select("SELECT key, uses FROM claims WHERE scope = ?", scope))

    def forget(self, scope: str) -> None:
        """Forget journal and plan of a scope."""

        def work(connection: sqlite3.Connection) -> None:
            for table in ("exchanges", "plans", "claims"):
                connection.execute(f"DELETE FROM {table} WHERE scope = ?", (scope,))  # noqa: S608  # names of ours

        self._store.do(work)
