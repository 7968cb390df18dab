"""Stores to be tested, each opened twice."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TypeAlias

import pytest

from mockserver.store.base import DEFAULT_LIMITS, Limits, Store
from mockserver.store.memory import MemoryStore
from mockserver.store.redis import RedisStore
from mockserver.store.sqlite import SharedSqliteStore, SqliteStore
from tests.redis_server import RedisServer, redis_server

Doors: TypeAlias = Callable[..., tuple[Store, Store]]
"""Opens a new, empty store twice, with the given limits; what one of the two does, the other must see."""

KINDS = ("memory", "sqlite", "shared-sqlite", "redis")


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=KINDS)
def doors(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Doors]:
    numbers = count()
    with ExitStack() as stack:

        def open_twice(limits: Limits = DEFAULT_LIMITS) -> tuple[Store, Store]:
            first, second = make(next(numbers), limits)
            stack.callback(first.close)
            stack.callback(second.close)
            return first, second

        def make(number: int, limits: Limits) -> tuple[Store, Store]:
            path = tmp_path / f"{number}.db"
            if request.param in ("memory", "sqlite"):
                store = MemoryStore(limits) if request.param == "memory" else SqliteStore(path, limits)
                return store, store
            if request.param == "shared-sqlite":
                return SharedSqliteStore(path, limits), SharedSqliteStore(path, limits)
            url = f"{request.getfixturevalue('redis').url}?prefix={tmp_path.name}:{number}:"
            return RedisStore(url, limits), RedisStore(url, limits)

        yield open_twice
