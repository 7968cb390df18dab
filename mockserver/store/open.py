"""Opens the store that a URL names."""

from mockserver.errors import UsageError
from mockserver.settings import Settings
from mockserver.store.base import Limits, Store
from mockserver.store.memory import MemoryStore

KINDS = "memory://, sqlite:///FILE, redis://HOST:PORT"


def limits_of(settings: Settings) -> Limits:
    """Return the limits that the settings ask for."""
    return Limits(
        records=settings.max_records,
        scopes=settings.max_scopes,
        entries=settings.journal_size,
        record_bytes=settings.max_record_bytes,
        store_bytes=settings.max_store_bytes,
        journal_bytes=settings.journal_bytes,
        stub_bytes=settings.max_stub_bytes,
    )


def open_store(url: str, limits: Limits, workers: int = 1) -> Store:
    """Open the store of a URL; a StoreError says why it cannot be had, a UsageError that it names none.

    Journal and stubs are kept where all that serve as one see them: in a Redis; in a file, if several workers use it;
    else in memory.
    """
    scheme, mark, rest = url.partition("://")
    if scheme == "memory" and mark and not rest.strip("/"):
        return MemoryStore(limits)
    if scheme == "sqlite" and rest.startswith("/:"):
        raise UsageError(f"{url!r} names no file", why="it would be kept in memory", fix="use --store memory://")
    if scheme == "sqlite" and rest.startswith("/") and rest.strip("/"):
        from mockserver.store.sqlite import SharedSqliteStore, SqliteStore

        return SharedSqliteStore(rest[1:], limits) if workers > 1 else SqliteStore(rest[1:], limits)
    if scheme in ("redis", "rediss", "unix"):
        from mockserver.store.redis import RedisStore

        return RedisStore(url, limits)
    told = url if "@" not in url else "..." + url.rpartition("@")[2]
    raise UsageError(f"there is no store {told!r}", why=f"a store is one of {KINDS}", fix="see --store")
