"""Keeps everything in a Redis, which any number of processes may use at once."""

import sys
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from mockserver.errors import StoreError, StoreFullError, install_command
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
    too_many_stubs,
)

T = TypeVar("T")

LAYOUT = "2:"
"""Follows the prefix in every key: the version of the layout below."""

_OLD_KEYS = ("scopes", "journals", "planners")
"""What stands right after the prefix where an earlier release has kept something."""

_PATIENCE = 2.0
"""Seconds to wait for an answer from Redis."""

_TRIES = 200
"""How often an update is retried when another process changed the record first."""

# What is kept, each under the prefix and the version:
#   scopes         hash  scope -> how many records it has
#   count          int   the records of all scopes
#   meta:SCOPE     hash  seq, seed; burials, which puts the ids that are gone in order
#   counters:SCOPE hash  name -> counted
#   records:SCOPE  hash  NAME -> "SEQ [GROUP, DATA]", where SEQ has 16 digits
#   parts:SCOPE    hash  NAME ":" NUMBER -> part, where NUMBER has 16 digits
#   gone:SCOPE     zset  NAME, by burial
#   order:SCOPE    zset  by letters: "c" COLLECTION ":" SEQ ":" ID of each record,
#                        "g" COLLECTION ":" GROUP ":" SEQ ":" ID of each record of a group,
#                        "p" NAME ":" NUMBER of each part, where the NAME stands as "LENGTH:TEXT"
#   journals       zset  scopes that have a journal, by the number of their last entry
#   stubbed        set   scopes that have stubs or claims
#   written        int   the entries of all scopes, ever
#   numbered       int   the number of the last stub
#   journal:SCOPE  list  entries
#   logged:SCOPE   int   how many entries there ever were
#   stubs:SCOPE    hash  number -> "REVISION SPEC"
#   claims:SCOPE   hash  key -> uses
# COLLECTION and GROUP stand as "LENGTH:TEXT", a NAME is COLLECTION ":" ID: no text can be taken for another.
# So a scope is ten keys at the most, whatever it holds.
_RECORD_KEYS: tuple[str, ...] = ("scopes", "count", "meta:", "counters:", "records:", "parts:", "gone:", "order:")
_LOG_KEYS: tuple[str, ...] = ("journals", "stubbed", "written", "numbered", "journal:", "logged:", "stubs:", "claims:")

_RECORDS = """
local scopes, count, meta, counters, records, parts, gone, order = unpack(KEYS, 1, 8)
local function digits(number) return string.format('%016.0f', number) end  -- a colon comes after all of them
local function keep(scope, most)
  if redis.call('HEXISTS', scopes, scope) == 1 then return true end
  if redis.call('HLEN', scopes) >= tonumber(most) then return false end
  redis.call('HSET', scopes, scope, 0)
  return true
end
local function place(name, part) return 'p' .. #name .. ':' .. name .. ':' .. part end
local function numbers(name)
  local found = redis.call('ZRANGEBYLEX', order, '[' .. place(name, ''), '(' .. place(name, ':'))
  for i, each in ipairs(found) do found[i] = string.sub(each, -16) end
  return found
end
"""

_COUNT = """
local scope, most, counter = unpack(ARGV)
if not keep(scope, most) then return false end
return redis.call('HINCRBY', counters, counter, 1)
"""

_SET_SEED = """
local scope, most, seed = unpack(ARGV)
if not keep(scope, most) then return false end
return redis.call('HSET', meta, 'seed', seed)
"""

# The counters come as so many pairs, and after them the names that are gone.
_RESTORE = """
local scope, most, seq, most_gone, pairs_of = unpack(ARGV, 1, 5)
if not keep(scope, most) then return false end
local function raise(key, name, least)
  if tonumber(redis.call('HGET', key, name) or 0) < tonumber(least) then redis.call('HSET', key, name, least) end
end
raise(meta, 'seq', seq)
local first = 6 + 2 * tonumber(pairs_of)
for i = 6, first - 1, 2 do raise(counters, ARGV[i], ARGV[i + 1]) end
for i = first, #ARGV do
  if redis.call('HEXISTS', records, ARGV[i]) == 0 and not redis.call('ZSCORE', gone, ARGV[i]) then
    redis.call('ZADD', gone, redis.call('HINCRBY', meta, 'burials', 1), ARGV[i])
  end
end
redis.call('ZREMRANGEBYRANK', gone, 0, -most_gone - 1)
return 1
"""

_FIND = """
local name, with_parts = unpack(ARGV)
local raw = redis.call('HGET', records, name)
local found = {raw or '', redis.call('ZSCORE', gone, name) and 1 or 0}
if raw and with_parts == '1' then
  for _, number in ipairs(numbers(name)) do
    found[#found + 1] = number
    found[#found + 1] = redis.call('HGET', parts, name .. ':' .. number)
  end
end
return found
"""

# Writes the result of a step if the record is unchanged since the step read it; else returns what it is now.
# The first thing written takes memory: only there does a Redis that has none left refuse the whole script.
# The parts follow as pairs.
_COMMIT = """
local scope, collection, id, expected, was_gone, record, before, after, bury, most_scopes, most_records,
  most_gone = unpack(ARGV, 1, 12)
local name = collection .. ':' .. id
local raw = redis.call('HGET', records, name) or ''
local is_gone = redis.call('ZSCORE', gone, name) and '1' or '0'
if raw ~= expected or is_gone ~= was_gone then return {'again', raw, tonumber(is_gone)} end
if raw == '' then
  if redis.call('HEXISTS', scopes, scope) == 0 and redis.call('HLEN', scopes) >= tonumber(most_scopes) then
    return {'scopes'}
  end
  if tonumber(redis.call('GET', count) or 0) >= tonumber(most_records) then return {'records'} end
end
local seq = record ~= '' and redis.call('HINCRBY', meta, 'seq', 1)
if raw == '' then
  redis.call('HINCRBY', scopes, scope, 1)
  redis.call('INCR', count)
else
  local was = string.sub(raw, 1, 16)
  redis.call('ZREM', order, 'c' .. collection .. ':' .. was .. ':' .. id, before .. was .. ':' .. id)
end
if record == '' then
  for _, number in ipairs(numbers(name)) do
    redis.call('HDEL', parts, name .. ':' .. number)
    redis.call('ZREM', order, place(name, number))
  end
  redis.call('HDEL', records, name)
  redis.call('HINCRBY', scopes, scope, -1)
  redis.call('DECR', count)
  if bury == '1' then
    redis.call('ZADD', gone, redis.call('HINCRBY', meta, 'burials', 1), name)
    redis.call('ZREMRANGEBYRANK', gone, 0, -most_gone - 1)
  end
  return {'done', 0}
end
for i = 13, #ARGV, 2 do
  local number = digits(ARGV[i])
  redis.call('HSET', parts, name .. ':' .. number, ARGV[i + 1])
  redis.call('ZADD', order, 0, place(name, number))
end
redis.call('HSET', records, name, digits(seq) .. ' ' .. record)
redis.call('ZADD', order, 0, 'c' .. collection .. ':' .. digits(seq) .. ':' .. id)
if after ~= '' then redis.call('ZADD', order, 0, after .. digits(seq) .. ':' .. id) end
return {'done', seq}
"""

_PAGE = """
local collection, start, before, size = unpack(ARGV)
local last = before == '' and ':' or before
local found = {}
for _, each in ipairs(redis.call('ZREVRANGEBYLEX', order, '(' .. start .. last, '[' .. start, 'LIMIT', 0, size)) do
  local id = string.sub(each, #start + 18)
  found[#found + 1] = id
  found[#found + 1] = redis.call('HGET', records, collection .. ':' .. id)
end
return found
"""

# A semicolon comes after a colon: from the first record of each collection to that of the next.
_COLLECTIONS = """
local found, from = {}, '[c'
while true do
  local first = redis.call('ZRANGEBYLEX', order, from, '(d', 'LIMIT', 0, 1)[1]
  if not first then return found end
  local length = string.match(first, '^c(%d+):')
  local name = string.sub(first, #length + 3, #length + 2 + tonumber(length))
  found[#found + 1] = name
  from = '(c' .. length .. ':' .. name .. ';'
end
"""

_COUNTERS = """
return {redis.call('HGETALL', counters), redis.call('HGET', meta, 'seq') or '0', redis.call('ZRANGE', gone, 0, -1)}
"""

_CLEAR_RECORDS = """
redis.call('DECRBY', count, redis.call('HGET', scopes, ARGV[1]) or 0)
redis.call('HDEL', scopes, ARGV[1])
if redis.call('HLEN', scopes) == 0 then redis.call('UNLINK', count) end
redis.call('UNLINK', meta, counters, records, parts, gone, order)
"""

_LOG = """
local journals, stubbed, written, numbered, journal, logged, stubs, claims = unpack(KEYS, #KEYS - 7, #KEYS)
"""

_APPEND = """
local scope, entry, most, most_journals, prefix = unpack(ARGV)
redis.call('RPUSH', journal, entry)
redis.call('LTRIM', journal, -most, -1)
local number = redis.call('INCR', logged)
redis.call('ZADD', journals, redis.call('INCR', written), scope)
while redis.call('ZCARD', journals) > tonumber(most_journals) do
  local old = redis.call('ZPOPMIN', journals)[1]
  redis.call('UNLINK', prefix .. 'journal:' .. old, prefix .. 'logged:' .. old)
end
return number
"""

_ENTRIES = """
return {redis.call('GET', logged) or '0', redis.call('LRANGE', journal, 0, -1)}
"""

_CLEAR_ENTRIES = """
redis.call('ZREM', journals, ARGV[1])
return redis.call('UNLINK', journal, logged)
"""

_PUT_STUB = """
local scope, spec, number, most = unpack(ARGV)
if number ~= '0' then
  local old = redis.call('HGET', stubs, number)
  if not old then return {'none'} end
  local revision = tonumber(string.match(old, '^%d+')) + 1
  redis.call('HSET', stubs, number, revision .. ' ' .. spec)
  return {'done', tonumber(number), revision}
end
if redis.call('HLEN', stubs) >= tonumber(most) then return {'many'} end
number = redis.call('INCR', numbered)
redis.call('SADD', stubbed, scope)
redis.call('HSET', stubs, number, '1 ' .. spec)
return {'done', number, 1}
"""

_REMOVE_STUBS = """
local scope, number = unpack(ARGV)
if number == '0' then
  redis.call('SREM', stubbed, scope)
  redis.call('UNLINK', stubs, claims)
  return 1
end
if redis.call('HDEL', stubs, number) == 0 then return 0 end
for _, key in ipairs(redis.call('HKEYS', claims)) do
  if key == number or string.sub(key, 1, #number + 1) == number .. ':' then redis.call('HDEL', claims, key) end
end
if redis.call('EXISTS', stubs, claims) == 0 then redis.call('SREM', stubbed, scope) end
return 1
"""

_CLAIM = """
local scope, key, most = unpack(ARGV)
local used = tonumber(redis.call('HGET', claims, key) or 0)
if most ~= '' and used >= tonumber(most) then return 0 end
redis.call('SADD', stubbed, scope)
return redis.call('HINCRBY', claims, key, 1)
"""

_FORGET_LOG = """
redis.call('ZREM', journals, ARGV[1])
redis.call('SREM', stubbed, ARGV[1])
redis.call('UNLINK', journal, logged, stubs, claims)
"""

_ON_RECORDS = (_COUNT, _SET_SEED, _RESTORE, _FIND, _COMMIT, _PAGE, _COLLECTIONS, _COUNTERS, _CLEAR_RECORDS)
_ON_LOG = (_APPEND, _ENTRIES, _CLEAR_ENTRIES, _PUT_STUB, _REMOVE_STUBS, _CLAIM)
_DROP = _RECORDS + _LOG + _CLEAR_RECORDS + _FORGET_LOG


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
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise StoreError(
                "the store in Redis needs the extra redis, which is not installed",
                where="--store",
                why=f"there is no module redis in {sys.executable}",
                fix=install_command("redis"),
            ) from error
        self._error = RedisError
        self._limits = limits
        try:
            self.url, prefix, address = _read_url(url)
            self.prefix = prefix + LAYOUT
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
        parts = [(text, _RECORDS + text, _RECORD_KEYS) for text in _ON_RECORDS]
        parts += [(text, _LOG + text, _LOG_KEYS) for text in _ON_LOG]
        parts += [(_DROP, _DROP, _RECORD_KEYS + _LOG_KEYS)]
        self._scripts = {text: (self.redis.register_script(whole), keys) for text, whole, keys in parts}
        # Threads that change the same record wait here, since of those who try at once only one succeeds.
        self._turnstiles = tuple(Lock() for _ in range(64))

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
        """Ask Redis; every failure becomes a StoreError."""
        try:
            return command(*arguments, **options)
        except (self._error, OSError) as error:
            raise StoreError(
                "Redis cannot be used",
                where=self.url,
                why=str(error) or type(error).__name__,
                fix="see that it runs there, takes the user and password of the URL, and has memory left",
            ) from error

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
        return self._keep(_COUNT, scope, counter)

    def update(self, scope: str, collection: str, id: str, step: Update) -> Record | None:
        """Change one record by a function."""
        turnstile = self._turnstiles[hash((scope, collection, id)) % len(self._turnstiles)]
        entered = turnstile.acquire(timeout=_PATIENCE)  # it only helps; where Redis hangs, nobody queues for long
        try:
            raw, gone = self._run(_FIND, scope, _name(collection, id), 0)
            for _ in range(_TRIES):
                old = _load(collection, id, raw) if raw else None
                change = step(old, gone == 1)
                new = change.record
                if new is old and (new is None or not change.parts):
                    return old
                status, *answer = self._commit(scope, collection, id, raw, gone, old, change)
                if status == b"done":
                    return None if new is None else placed(collection, id, new, answer[0])
                if status != b"again":
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
        self, scope: str, collection: str, id: str, raw: bytes, gone: int, old: Record | None, change: Change
    ) -> list[Any]:
        new = change.record
        parts = [each for number, values in change.parts for each in (number, dump_json(values))]
        answer: list[Any] = self._run(
            _COMMIT,
            scope,
            scope,
            _sized(collection),
            id,
            raw,
            gone,
            b"" if new is None else dump_json([new.group, new.data]),
            "" if old is None or old.group is None else _place(collection, old.group),
            "" if new is None or new.group is None else _place(collection, new.group),
            int(change.gone),
            self._limits.scopes,
            self._limits.records,
            self._limits.gone,
            *parts,
        )
        return answer

    def find(self, scope: str, collection: str, id: str, *, parts: bool = False) -> Found:
        """Look up an id."""
        raw, gone, *written = self._run(_FIND, scope, _name(collection, id), int(parts))
        if not raw:
            return Found(gone=gone == 1)
        values = zip(map(int, written[::2]), map(load_json, written[1::2]), strict=True)
        return Found(_load(collection, id, raw), tuple(values))

    def page(self, scope: str, collection: str, group: str | None, before: int | None, size: int) -> Sequence[Record]:
        """List at most `size` records, the latest update first."""
        last = "" if before is None or before >= 10**16 else f"{max(0, before):016}"
        found = self._run(_PAGE, scope, _sized(collection), _place(collection, group), last, size)
        return [_load(collection, id.decode(), raw) for id, raw in zip(found[::2], found[1::2], strict=True)]

    def collections(self, scope: str) -> Sequence[str]:
        """Name the collections of a scope that have records."""
        return sorted(name.decode() for name in self._run(_COLLECTIONS, scope))

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
        self._keep(_SET_SEED, scope, str(seed))

    def counters(self, scope: str) -> Counters:
        """Return what a scope has counted."""
        counts, seq, gone = self._run(_COUNTERS, scope)
        named = {name.decode(): int(counted) for name, counted in zip(counts[::2], counts[1::2], strict=True)}
        return Counters(named, int(seq), [_parse_name(each) for each in gone])

    def restore(self, scope: str, counters: Counters) -> None:
        """Raise the counters of a scope to at least these, and mark these ids as gone."""
        counts = [each for pair in counters.counts.items() for each in pair]
        gone = [_name(*each) for each in counters.gone]
        self._keep(_RESTORE, scope, counters.seq, self._limits.gone, len(counters.counts), *counts, *gone)

    def clear_records(self, scope: str) -> None:
        """Forget the records of a scope."""
        self._run(_CLEAR_RECORDS, scope, scope)

    def __len__(self) -> int:
        return int(self._ask(self.redis.get, self.prefix + "count") or 0)

    def append(self, scope: str, entry: Entry) -> int:
        """Add an entry to the journal of a scope."""
        most, most_journals = self._limits.entries, self._limits.journals
        return int(self._run(_APPEND, scope, scope, entry, most, most_journals, self.prefix))

    def entries(self, scope: str) -> Sequence[tuple[int, Entry]]:
        """List the journal of a scope."""
        total, entries = self._run(_ENTRIES, scope)
        return list(enumerate(entries, int(total) - len(entries) + 1))

    def clear_entries(self, scope: str) -> None:
        """Forget the journal of a scope."""
        self._run(_CLEAR_ENTRIES, scope, scope)

    def stubs(self, scope: str) -> Sequence[StoredStub]:
        """List the stubs of a scope."""
        found = self._ask(self.redis.hgetall, f"{self.prefix}stubs:{scope}")
        split = [(int(number), *value.split(b" ", 1)) for number, value in found.items()]
        return [StoredStub(number, int(revision), load_json(spec)) for number, revision, spec in sorted(split)]

    def put_stub(self, scope: str, spec: Json, number: int = 0) -> StoredStub:
        """Add a stub, or replace one."""
        status, *made = self._run(_PUT_STUB, scope, scope, dump_json(spec), number, self._limits.stubs)
        if status == b"none":
            raise no_such_stub(number)
        if status == b"many":
            raise too_many_stubs(self._limits.stubs)
        return StoredStub(int(made[0]), int(made[1]), spec)

    def remove_stubs(self, scope: str, number: int = 0) -> None:
        """Remove one stub, or all."""
        if not self._run(_REMOVE_STUBS, scope, scope, number):
            raise no_such_stub(number)

    def claim(self, scope: str, key: str, most: int | None = None) -> int:
        """Add one to the uses of a key."""
        return int(self._run(_CLAIM, scope, scope, key, "" if most is None else most))

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
        self._run(_DROP, scope, scope)

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
