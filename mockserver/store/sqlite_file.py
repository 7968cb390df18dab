"""An SQLite file of ours: its tables, and how it is opened, checked and waited for."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Lock, get_ident
from time import monotonic, sleep
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from mockserver.errors import StoreBusyError, StoreError

VERSION = 3
"""The version of the tables below."""

APPLICATION = int.from_bytes(b"mock")
"""Marks a file as ours, in the field of its header that SQLite has for this."""

# A record that changes writes to `scopes`, `records` and the index of the order, and to nothing else.
# A key of a scope is never used twice, so what a dropped scope has left behind belongs to none.
TABLES = """
CREATE TABLE scopes (key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL,
  seed TEXT, records INTEGER NOT NULL, gone INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE counters (scope INTEGER NOT NULL, name TEXT NOT NULL, counted INTEGER NOT NULL,
  PRIMARY KEY (scope, name)) WITHOUT ROWID;
CREATE TABLE records (key INTEGER PRIMARY KEY, scope INTEGER NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL,
  seq INTEGER NOT NULL, grp TEXT, data BLOB NOT NULL, own INTEGER NOT NULL, rest INTEGER NOT NULL,
  UNIQUE (scope, collection, id));
CREATE UNIQUE INDEX latest ON records (scope, collection, seq);
CREATE INDEX latest_of_group ON records (scope, collection, grp, seq) WHERE grp IS NOT NULL;
CREATE TABLE parts (record INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (record, number));
CREATE TABLE gone (key INTEGER PRIMARY KEY, scope INTEGER NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL,
  UNIQUE (scope, collection, id));
CREATE INDEX oldest_gone ON gone (scope, key);
CREATE TABLE total (records INTEGER NOT NULL, bytes INTEGER NOT NULL, journal INTEGER NOT NULL);
CREATE TABLE dropped (scope INTEGER PRIMARY KEY);
CREATE TABLE entries (key INTEGER PRIMARY KEY, scope TEXT NOT NULL, number INTEGER NOT NULL, entry BLOB NOT NULL);
CREATE UNIQUE INDEX entries_of_scope ON entries (scope, number);
CREATE TABLE stubs (number INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, revision INTEGER NOT NULL,
  spec BLOB NOT NULL);
CREATE INDEX stubs_of_scope ON stubs (scope);
CREATE TABLE claims (scope TEXT, key TEXT, uses INTEGER NOT NULL, PRIMARY KEY (scope, key)) WITHOUT ROWID;
INSERT INTO total VALUES (0, 0, 0)
"""

T = TypeVar("T")
Asked = TypeVar("Asked")
Work: TypeAlias = Callable[[sqlite3.Connection], T]

_PATIENCE = 2.0
"""Seconds to wait for another process that writes."""

_HASTE = 0.05
"""The same after it was waited for in vain, until a call succeeds: else each caller waits for all before it."""

_GLANCE = 0.01
"""The same for a caller that must not wait, and for all before they wait longer."""

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


class SqliteFile:
    """An SQLite file, asked by one caller at a time."""

    # One connection, one caller at a time: SQLite lets one write at a time in any case, and who waits for a lock of
    # Python's is woken at once, where SQLite would have it sleep and look again. So threads are for those who wait for
    # another process, and let others have the connection meanwhile.
    threads = 16
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
        self._hurried = 0
        """The thread that must not wait; 0 for none."""
        self._changed = False
        """Whether anything was changed since its call began."""

    def at_once(self, function: Callable[[Asked], T], asked: Asked) -> T:
        """Call a function whose thread must not wait; StoreBusyError if it would have to before it changes anything."""
        self._hurried, self._changed = get_ident(), False
        try:
            return function(asked)
        finally:
            self._hurried = 0

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
            connection.execute(f"PRAGMA busy_timeout = {int(_GLANCE * 1000)}")
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
        if version < VERSION:
            why = f"an earlier release wrote it, with the tables of version {version}; this one reads version {VERSION}"
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
        """Run a function as one transaction; while another process writes, calls that need not wait go on."""
        begun = monotonic()
        while True:
            with self._lock:
                try:
                    connection = self._connected()
                    if self._begin(connection, begin, begun):
                        result = self._finish(connection, work)
                        self._changed = self._changed or begin != "BEGIN"
                        return result
                except sqlite3.Error as error:
                    self._patience = _HASTE
                    raise self._error("the store cannot be used", why=str(error), fix=_USABLE) from error
                finally:
                    ended = monotonic()
                    self._waited = ended if ended - begun > _LONG else self._waited
            sleep(_GLANCE)

    def _begin(self, connection: sqlite3.Connection, begin: str, begun: float) -> bool:
        """Begin a transaction, and return whether it could, which it cannot while another process writes."""
        try:
            connection.execute(begin)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            self._waited = monotonic()  # others are not to try without a thread meanwhile
            if self._hurried == get_ident() and not self._changed:
                raise StoreBusyError from None
            if self._waited - begun > self._patience:
                raise
            return False
        return True

    def _finish(self, connection: sqlite3.Connection, work: Work[T]) -> T:
        """Run a function in the transaction that was begun."""
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._patience = _PATIENCE
        return result
