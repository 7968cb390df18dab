"""Opens the store that a URL names."""

from mockserver.errors import UsageError
from mockserver.store.base import Limits, Store
from mockserver.store.memory import MemoryStore

KINDS = "memory://, sqlite:///FILE, redis://HOST:PORT"


def open_store(url: str, max_records: int, max_scopes: int, journal_size: int, workers: int = 1) -> Store:
    """Open the store of a URL; a StoreError says why it cannot be had, a UsageError that it names none.

    Journal and stubs are kept where all that serve as one see them: in a Redis; in a file, if several workers use it;
    else in memory.
    """
    limits = Limits(records=max_records, scopes=max_scopes, entries=journal_size)
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
