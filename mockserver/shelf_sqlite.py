"""Keeps journals and plans in the SQLite file of a store, for the processes that share it."""

import sqlite3
from collections.abc import Mapping, Sequence

from mockserver.exchange import Json
from mockserver.journal import Exchange, as_json, from_json
from mockserver.settings import MOST_EXCHANGES
from mockserver.shelves import MOST_JOURNALS, MOST_PLANNED, Kept, no_such, too_many
from mockserver.store_sqlite import SqliteStore
from mockserver.stores import dump_json, load_json

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
