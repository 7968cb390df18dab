"""While another process holds the SQLite file, only who writes waits: the loop of the server and readers go on."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from mockserver.engine import Mock
from mockserver.errors import StoreBusyError, StoreError
from mockserver.store import sqlite_file
from mockserver.store.base import Change, Record
from mockserver.store.sqlite import SharedSqliteStore, SqliteStore
from tests.conftest import app_of, settings
from tests.talk import KEY, MESSAGE, TITLE

SUMMARY = TITLE.replace("/title", "/summary")


@contextmanager
def held(path: Path) -> Iterator[sqlite3.Connection]:
    """Hold the lock of a file for writing, as another process that writes does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield holder


def write(store: SqliteStore | SharedSqliteStore, title: str = "x") -> None:
    store.update("a", "c", "r", lambda *_: Change(Record("c", "r", {"title": title})))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_request_that_has_to_wait_keeps_no_other_waiting(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "s.db"
    mock = Mock(settings(seed=0, store=f"sqlite:///{path}", workers=workers, journal_size=2 - workers))
    transport = httpx.ASGITransport(app_of(mock))

    async def talk() -> tuple[httpx.Response, httpx.Response]:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://mock", headers={"authorization": KEY}
        ) as client:
            assert (await client.post(TITLE, json={"first_message": "first"})).status_code == 200
            with held(path) as holder:
                title = asyncio.ensure_future(client.post(TITLE, json={"first_message": MESSAGE}))
                await asyncio.sleep(0)
                summary = await client.get(SUMMARY)  # it ends before the title, which waits for the end of this block
                assert not title.done()
                holder.execute("ROLLBACK")
            return await title, summary

    title, summary = asyncio.run(talk())
    assert (summary.status_code, summary.json()["generated_title"]) == (200, "first...")
    assert (title.status_code, title.json()["generated_title"]) == (200, MESSAGE + "...")


@pytest.mark.parametrize("kind", [SqliteStore, SharedSqliteStore])
def test_a_thread_that_must_not_wait_is_told_so_only_while_nothing_is_done(
    tmp_path: Path, kind: type[SqliteStore | SharedSqliteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "_PATIENCE", 0.05)
    store, path = kind(tmp_path / "s.db"), tmp_path / "s.db"
    write(store)

    def claim_and_write(_: None) -> None:
        if kind is SqliteStore:
            store.claim("a", "1")
        else:
            write(store, "y")
        with held(path):
            write(store)

    def write_held(_: None) -> None:
        with held(path):
            write(store)

    with pytest.raises(StoreBusyError):
        store.at_once(write_held, None)
    assert store.waits
    with pytest.raises(StoreError):
        store.at_once(claim_and_write, None)  # it waits: made again, it would claim twice
    with pytest.raises(StoreError):
        write_held(None)


def test_readers_go_on_while_a_writer_waits(tmp_path: Path) -> None:
    store, written = SqliteStore(tmp_path / "s.db"), threading.Event()
    write(store)

    def wait() -> None:
        write(store, "later")
        written.set()

    with held(tmp_path / "s.db") as holder:
        threading.Thread(target=wait, daemon=True).start()
        while not store.waits:
            threading.Event().wait(0.001)
        for _ in range(20):
            assert store.find("a", "c", "r").record == Record("c", "r", {"title": "x"}, seq=1)
        assert not written.is_set()
        holder.execute("ROLLBACK")
    assert written.wait(10)
