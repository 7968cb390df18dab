"""Keeps everything in a Redis, which any number of processes may use at once."""

import sys
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from mockserver.errors import StoreError, StoreFullError, install_command
from mockserver.messages import Json
from mockserver.store import redis_scripts as scripts
from mockserver.store.base import (
    DEFAULT_LIMITS,
    Asked,
    Change,
    Counters,
    Entry,
    Found,
    Given,
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

T = TypeVar("T")

_OLD_KEYS = ("scopes", "journals", "planners")
"""What stands right after the prefix where an earlier release has kept something."""

_PATIENCE = 2.0
"""Seconds to wait for an answer from Redis."""

_REST = 0.2
"""Seconds for which it is not asked again after it has not answered in time."""

_LATE_TRIES = 60
"""How often an update is retried because a change with a later time came first, as of a machine whose clock is fast."""

_TRIES = 200
"""How often an update is retried when another process changed the record first."""


class RedisStore:
    """Everything in one Redis (no cluster); the keys begin with `mockserver:`, or with `?prefix=` of the URL.

    Each write is one script, which Redis runs whole. Where the answer to a write is lost, it may have been made.
    """

    threads = 16
    waits = True
    shared = True
    shared_log = True
    stubbed: Mapping[str, Mapping[int, StoredStub]] | None = None

    def __init__(self, url: str, limits: Limits = DEFAULT_LIMITS) -> None:
        try:
            from redis import Redis, RedisError
            from redis import TimeoutError as RedisTimeoutError
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise StoreError(
                "the store in Redis needs the extra redis, which is not installed",
                where="--store",
                why=f"there is no module redis in {sys.executable}",
                fix=install_command("redis"),
            ) from error
        self._error, self._timeout = RedisError, RedisTimeoutError
        self._hangs_until = 0.0
        """Until when calls fail at once, since one was not answered in time; 0 while Redis answers."""
        self._limits = limits
        try:
            self.url, prefix, address = _read_url(url)
            self.prefix = prefix + scripts.LAYOUT
            # Nothing is sent twice: a write whose answer was lost would be made twice. A connection that Redis has
            # closed is seen before anything is sent, and made anew.
            self.redis: Any = Redis.from_url(
                address,
                socket_timeout=_PATIENCE,
                socket_connect_timeout=_PATIENCE,
                retry=Retry(NoBackoff(), 0),
                protocol=2,  # the client's extras for version 3 of the protocol hide closed connections
            )
            self._refuse_old_layout(prefix)
        except (ValueError, TypeError):  # without its words, which may quote the password
            fix = "write redis://USER:PASSWORD@HOST:PORT/DATABASE, special characters as %XX"
            raise StoreError("the store's URL is no address of a Redis", fix=fix) from None
        parts = [(text, scripts.RECORDS + text, scripts.RECORD_KEYS) for text in scripts.ON_RECORDS]
        parts += [(text, scripts.LOG + text, scripts.LOG_KEYS) for text in scripts.ON_LOG]
        parts += [(scripts.DROP, scripts.DROP, scripts.RECORD_KEYS + scripts.LOG_KEYS)]
        self._scripts = {text: (self.redis.register_script(whole), keys) for text, whole, keys in parts}
        # Threads that change the same record wait here, since of those who try at once only one succeeds.
        self._turnstiles = tuple(Lock() for _ in range(64))

    def at_once(self, function: Callable[[Asked], Given], asked: Asked) -> Given:
        """Call a function; this store always waits."""
        return function(asked)

    def _refuse_old_layout(self, prefix: str) -> None:
        if self._ask(self.redis.exists, *(prefix + key for key in _OLD_KEYS)):
            raise StoreError(
                f"this Redis has keys of the old layout under {prefix}",
                where=self.url,
                why="an earlier release wrote them, and this one would not see what they keep",
                fix="save the state with the release that wrote it (GET /__mock__/state) and empty it "
                "(POST /__mock__/reset), then start this one with --state; or keep apart from it with ?prefix=",
            )

    def _ask(self, command: Callable[..., T], *arguments: object, **options: object) -> T:
        """Ask Redis; every failure becomes a StoreError.

        Where it has not answered in time, one call at a time tries again, and all others fail at once.
        """
        if self._hangs_until:
            if monotonic() < self._hangs_until:
                raise self._failure(f"it has not answered within {_PATIENCE:g} s, and is asked again soon")
            self._hangs_until = monotonic() + _PATIENCE
        try:
            result = command(*arguments, **options)
        except (self._error, OSError) as error:
            is_late = isinstance(error, self._timeout)
            self._hangs_until = monotonic() + _REST if is_late else 0.0
            raise self._failure(str(error) or type(error).__name__) from error
        if self._hangs_until:
            self._hangs_until = 0.0
        return result

    def _failure(self, why: str) -> StoreError:
        fix = "see that it runs there, takes the user and password of the URL, and has memory left"
        return StoreError("Redis cannot be used", where=self.url, why=why, fix=fix)

    def _run(self, script: str, scope: str, *arguments: str | bytes | int) -> Any:
        command, names = self._scripts[script]
        keys = [self.prefix + name + (scope if name[-1] == ":" else "") for name in names]
        return self._ask(command, keys, arguments)

    def _keep(self, script: str, scope: str, *arguments: str | bytes | int) -> int:
        """Run a script that creates its scope if need be."""
        answer = self._run(script, scope, scope, self._limits.scopes, *arguments)
        if answer is None:
            raise StoreFullError("scopes", self._limits.scopes)
        return int(answer)

    def count(self, scope: str, counter: str) -> int:
        """Add one to a named counter."""
        return self._keep(scripts.COUNT, scope, counter)

    def update(self, scope: str, collection: str, id: str, step: Update) -> Record | None:
        """Change one record by a function."""
        turnstile = self._turnstiles[hash((scope, collection, id)) % len(self._turnstiles)]
        entered = turnstile.acquire(timeout=_PATIENCE)  # it only helps; where Redis hangs, nobody queues for long
        try:
            raw, gone = self._run(scripts.FIND, scope, _name(collection, id), 0)
            for tried in range(_TRIES):
                old = _load(collection, id, raw) if raw else None
                change = step(old, gone == 1)
                new = change.record
                if new is old and (new is None or not change.parts):
                    return old
                at = change.at if tried < _LATE_TRIES else ""
                status, *answer = self._commit(scope, collection, id, raw, gone, old, change, at)
                if status == b"done":
                    return None if new is None else placed(collection, id, new, answer[0])
                if status not in (b"again", b"late"):
                    what = status.decode()
                    raise StoreFullError(what, getattr(self._limits, what))
                raw, gone = answer
        finally:
            if entered:
                turnstile.release()
        raise StoreError(
            f"{id!r} of {collection} could not be changed",
            where=self.url,
            why=f"other processes changed it first, {_TRIES} times",
            fix="ask again",
        )

    def _commit(
        self, scope: str, collection: str, id: str, raw: bytes, gone: int, old: Record | None, change: Change, at: str
    ) -> list[Any]:
        new = change.record
        parts = [each for number, values in change.parts for each in (number, dump_json(values))]
        line = b"" if new is None else dump_json([new.group, new.data])
        answer: list[Any] = self._run(
            scripts.COMMIT,
            scope,
            scope,
            _sized(collection),
            id,
            raw,
            gone,
            line,
            "" if old is None or old.group is None else _place(collection, old.group),
            "" if new is None or new.group is None else _place(collection, new.group),
            int(change.gone),
            self._limits.scopes,
            self._limits.records,
            self._limits.gone,
            self._limits.record_bytes,
            self._limits.store_bytes,
            len(line) + len(id),
            int(change.minor),
            change.reserve,
            at,
            int(change.stays),
            *parts,
        )
        return answer

    def find(self, scope: str, collection: str, id: str, *, parts: bool = False) -> Found:
        """Look up an id."""
        raw, gone, *written = self._run(scripts.FIND, scope, _name(collection, id), int(parts))
        if not raw:
            return Found(gone=gone == 1)
        values = zip(map(int, written[::2]), map(load_json, written[1::2]), strict=True)
        return Found(_load(collection, id, raw), tuple(values))

    def page(
        self, scope: str, collection: str, group: str | None, past: int | None, size: int, *, oldest: bool = False
    ) -> Sequence[Record]:
        """List at most `size` records, the latest update first, or the earliest."""
        end = "" if past is None else ":" if past >= 10**16 else f"{max(0, past):016}"
        script = scripts.OLDEST if oldest else scripts.PAGE
        found = self._run(script, scope, _sized(collection), _place(collection, group), end, size)
        return [_load(collection, id.decode(), raw) for id, raw in zip(found[::2], found[1::2], strict=True)]

    def size(self, scope: str, collection: str, group: str | None) -> int:
        """Count the records of a collection, or of a group of it."""
        return int(self._run(scripts.SIZE, scope, _place(collection, group)))

    def collections(self, scope: str) -> Sequence[str]:
        """Name the collections of a scope that have records."""
        return sorted(name.decode() for name in self._run(scripts.COLLECTIONS, scope))

    def scopes(self) -> Mapping[str, int]:
        """Count the records of each scope."""
        found = self._ask(self.redis.hgetall, self.prefix + "scopes")
        return {name.decode(): int(count) for name, count in found.items()}

    def seed(self, scope: str) -> int | None:
        """Return the seed that a scope was given."""
        seed = self._ask(self.redis.hget, self.prefix + "meta:" + scope, "seed")
        return None if seed is None else int(seed)

    def set_seed(self, scope: str, seed: int) -> None:
        """Set the seed of a scope."""
        self._keep(scripts.SET_SEED, scope, str(seed))

    def counters(self, scope: str) -> Counters:
        """Return what a scope has counted."""
        counts, seq, gone = self._run(scripts.COUNTERS, scope)
        named = {name.decode(): int(counted) for name, counted in zip(counts[::2], counts[1::2], strict=True)}
        return Counters(named, int(seq), [_parse_name(each) for each in gone])

    def restore(self, scope: str, counters: Counters) -> None:
        """Raise the counters of a scope to at least these, and mark these ids as gone."""
        counts = [each for pair in counters.counts.items() for each in pair]
        gone = [_name(*each) for each in counters.gone]
        self._keep(scripts.RESTORE, scope, counters.seq, self._limits.gone, len(counters.counts), *counts, *gone)

    def clear_records(self, scope: str) -> None:
        """Forget the records of a scope."""
        self._run(scripts.CLEAR_RECORDS, scope, scope)

    def __len__(self) -> int:
        return int(self._ask(self.redis.get, self.prefix + "count") or 0)

    def append(self, scope: str, entry: Entry, _: int = 0, /) -> int:
        """Add an entry to the journal of a scope; its size is its length."""
        limits = self._limits
        counts, sizes = (limits.entries, limits.journals), (limits.journal_bytes, limits.kept_journal_bytes)
        return int(self._run(scripts.APPEND, scope, scope, entry, *counts, self.prefix, *sizes))

    def entries(self, scope: str) -> Sequence[tuple[int, Entry]]:
        """List the journal of a scope."""
        total, entries = self._run(scripts.ENTRIES, scope)
        return list(enumerate(entries, int(total) - len(entries) + 1))

    def clear_entries(self, scope: str) -> None:
        """Forget the journal of a scope."""
        self._run(scripts.CLEAR_ENTRIES, scope, scope)

    def stubs(self, scope: str) -> Sequence[StoredStub]:
        """List the stubs of a scope."""
        found = self._ask(self.redis.hgetall, f"{self.prefix}stubs:{scope}")
        split = [(int(number), *value.split(b" ", 1)) for number, value in found.items()]
        return [StoredStub(number, int(revision), load_json(spec)) for number, revision, spec in sorted(split)]

    def put_stub(self, scope: str, spec: Json, number: int = 0) -> StoredStub:
        """Add a stub, or replace one."""
        limits = self._limits
        status, *made = self._run(
            scripts.PUT_STUB, scope, scope, dump_json(spec), number, limits.stubs, limits.stub_bytes
        )
        if status == b"none":
            raise no_such_stub(number)
        if status == b"many":
            raise too_many_stubs(limits.stubs)
        if status == b"long":
            raise too_long_stubs(limits.stub_bytes)
        return StoredStub(int(made[0]), int(made[1]), spec)

    def remove_stubs(self, scope: str, number: int = 0) -> None:
        """Remove one stub, or all."""
        if not self._run(scripts.REMOVE_STUBS, scope, scope, number):
            raise no_such_stub(number)

    def claim(self, scope: str, key: str, most: int | None = None) -> int:
        """Add one to the uses of a key."""
        return int(self._run(scripts.CLAIM, scope, scope, key, "" if most is None else most))

    def claims(self, scope: str) -> Mapping[str, int]:
        """Return how often each key was used."""
        found = self._ask(self.redis.hgetall, f"{self.prefix}claims:{scope}")
        return {key.decode(): int(uses) for key, uses in found.items()}

    def active_scopes(self) -> Sequence[str]:
        """Name the scopes that have a journal, stubs or claims."""
        journals = self._ask(self.redis.zrange, self.prefix + "journals", 0, -1)
        stubbed = self._ask(self.redis.smembers, self.prefix + "stubbed")
        return sorted(name.decode() for name in {*journals, *stubbed})

    def drop(self, scope: str) -> None:
        """Forget all of a scope."""
        self._run(scripts.DROP, scope, scope)

    def close(self) -> None:
        """Close the connections; a later call makes new ones."""
        self.redis.close()


def _read_url(url: str) -> tuple[str, str, str]:
    """Return the name of a Redis without its password, the prefix of its keys, and the URL without the prefix."""
    parts = urlsplit(url)
    if "@" in parts.path + parts.query or parts.fragment:
        raise ValueError("a password has special characters")
    options = dict(parse_qsl(parts.query))
    prefix = options.pop("prefix", "mockserver:")
    told = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return told, prefix, url.partition("?")[0] + ("?" + urlencode(options) if options else "")


def _sized(text: str) -> str:
    """Encode a text so that its end can be found."""
    return f"{len(text.encode())}:{text}"


def _name(collection: str, id: str) -> str:
    return f"{_sized(collection)}:{id}"


def _parse_name(name: bytes) -> tuple[str, str]:
    length, _, rest = name.partition(b":")
    return rest[: int(length)].decode(), rest[int(length) + 1 :].decode()


def _place(collection: str, group: str | None) -> str:
    """Return the prefix of the order's entries for a collection, or for one group of it."""
    return f"c{_sized(collection)}:" if group is None else f"g{_sized(collection)}:{_sized(group)}:"


def _load(collection: str, id: str, raw: bytes) -> Record:
    group, data = load_json(raw[17:])
    return Record(collection=collection, id=id, data=data, group=group, seq=int(raw[:16]))
