"""Keeps sessions in a Redis, which any number of processes may use at once."""

import sys
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

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
    Change,
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

T = TypeVar("T")

_PATIENCE = 2.0
"""Seconds to wait for an answer of Redis's."""

_TRIES = 200
"""How often a change is tried where other processes are faster each time."""

# What is kept, each under the prefix:
#   scopes         hash  scope -> how many sessions it has
#   count          int   the sessions of all scopes
#   meta:SCOPE     hash  births, seq, seed; burials, which puts the deleted ones in order
#   sessions:SCOPE hash  id -> "SEQ TURN RECORD": its place, 16 digits; its last turn that is written; its line
#   turns:SCOPE    hash  "NUMBER:ID" -> events
#   gone:SCOPE     zset  deleted ids, by burial
#   order:SCOPE    zset  "-:SEQ:ID" of each session, and "LENGTH:PROJECT:SEQ:ID" of those of a project, by letters
# So a scope is six keys, whatever it holds.
_KINDS = ("meta:", "sessions:", "turns:", "gone:", "order:")

_HEAD = """
local scopes, count, meta, sessions, turns, gone, order = unpack(KEYS)
local function digits(seq) return string.format('%016.0f', seq) end
local function keep(scope, most)
  if redis.call('HEXISTS', scopes, scope) == 1 then return true end
  if redis.call('HLEN', scopes) >= tonumber(most) then return false end
  redis.call('HSET', scopes, scope, 0)
  return true
end
"""

_BIRTH = """
local scope, most = unpack(ARGV)
if not keep(scope, most) then return false end
return redis.call('HINCRBY', meta, 'births', 1)
"""

_SET_SEED = """
local scope, most, seed = unpack(ARGV)
if not keep(scope, most) then return false end
return redis.call('HSET', meta, 'seed', seed)
"""

_RESTORE = """
local scope, most, births, seq, most_gone = unpack(ARGV, 1, 5)
if not keep(scope, most) then return false end
for name, least in pairs({births = births, seq = seq}) do
  if tonumber(redis.call('HGET', meta, name) or 0) < tonumber(least) then redis.call('HSET', meta, name, least) end
end
for i = 6, #ARGV do
  if redis.call('HEXISTS', sessions, ARGV[i]) == 0 and not redis.call('ZSCORE', gone, ARGV[i]) then
    redis.call('ZADD', gone, redis.call('HINCRBY', meta, 'burials', 1), ARGV[i])
  end
end
redis.call('ZREMRANGEBYRANK', gone, 0, -most_gone - 1)
return 1
"""

_FIND = """
local id, with_turns = unpack(ARGV)
local raw = redis.call('HGET', sessions, id)
local found = {raw or '', redis.call('ZSCORE', gone, id) and 1 or 0}
if raw and with_turns == '1' then
  for number = 1, tonumber(string.match(raw, '^%d+ (%d+)')) do
    local events = redis.call('HGET', turns, number .. ':' .. id)
    if events then found[#found + 1] = events end
  end
end
return found
"""

# Writes what a step has made, if the session is still what the step was given; else tells what it is now.
# The first thing written takes memory: only there does a Redis that has none left refuse the whole script.
_COMMIT = """
local scope, id, expected, was_gone, record, number, events, before, after, issued, most_scopes, most_sessions,
  most_gone = unpack(ARGV)
local raw = redis.call('HGET', sessions, id) or ''
local is_gone = redis.call('ZSCORE', gone, id) and '1' or '0'
if raw ~= expected or is_gone ~= was_gone then return {'again', raw, tonumber(is_gone)} end
if raw == '' then
  if redis.call('HEXISTS', scopes, scope) == 0 and redis.call('HLEN', scopes) >= tonumber(most_scopes) then
    return {'scopes'}
  end
  if tonumber(redis.call('GET', count) or 0) >= tonumber(most_sessions) then return {'sessions'} end
end
local seq = record ~= '' and redis.call('HINCRBY', meta, 'seq', 1)
local last = 0
if raw == '' then
  redis.call('HINCRBY', scopes, scope, 1)
  redis.call('INCR', count)
else
  local was, turn = string.match(raw, '^(%d+) (%d+)')
  last = tonumber(turn)
  redis.call('ZREM', order, '-:' .. was .. ':' .. id, before .. was .. ':' .. id)
end
if record == '' then
  for turn = 1, last do redis.call('HDEL', turns, turn .. ':' .. id) end
  redis.call('HDEL', sessions, id)
  redis.call('HINCRBY', scopes, scope, -1)
  redis.call('DECR', count)
  if issued == '1' then
    redis.call('ZADD', gone, redis.call('HINCRBY', meta, 'burials', 1), id)
    redis.call('ZREMRANGEBYRANK', gone, 0, -most_gone - 1)
  end
  return {'done', 0}
end
if number ~= '0' then
  redis.call('HSET', turns, number .. ':' .. id, events)
  last = math.max(last, tonumber(number))
end
redis.call('HSET', sessions, id, digits(seq) .. ' ' .. last .. ' ' .. record)
redis.call('ZADD', order, 0, '-:' .. digits(seq) .. ':' .. id)
if after ~= '' then redis.call('ZADD', order, 0, after .. digits(seq) .. ':' .. id) end
return {'done', seq}
"""

# A colon comes after all digits.
_PAGE = """
local project, before, size = unpack(ARGV)
local last = before == '' and ':' or before
local found = {}
for i, place in ipairs(redis.call('ZREVRANGEBYLEX', order, '(' .. project .. last, '[' .. project, 'LIMIT', 0, size)) do
  found[i] = redis.call('HGET', sessions, string.sub(place, #project + 18))
end
return found
"""

_DROP = """
local scope = unpack(ARGV)
redis.call('DECRBY', count, redis.call('HGET', scopes, scope) or 0)
redis.call('HDEL', scopes, scope)
if redis.call('HLEN', scopes) == 0 then redis.call('UNLINK', count) end
return redis.call('UNLINK', meta, sessions, turns, gone, order)
"""

_COUNTERS = """
local counted = redis.call('HMGET', meta, 'births', 'seq')
return {counted[1] or '0', counted[2] or '0', redis.call('ZRANGE', gone, 0, -1)}
"""


class RedisStore:
    """Sessions in one Redis (no cluster); the keys begin with `mockserver:`, or with `?prefix=` of the URL.

    Each write is one script, which Redis runs whole. Where the answer to a write is lost, it may have been made.
    """

    threads = 16
    waits = True
    shared = True

    def __init__(
        self,
        url: str,
        most_sessions: int = MOST_SESSIONS,
        most_scopes: int = MOST_SCOPES,
        most_gone: int = MOST_GONE,
    ) -> None:
        try:
            from redis import Redis, RedisError
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            mend = f"{sys.executable} -m pip install redis"
            raise StoreError("the client for Redis is missing", why=str(error), mend=mend) from error
        self._error = RedisError
        self._most_sessions, self._most_scopes, self._most_gone = most_sessions, most_scopes, most_gone
        try:
            self.url, self.prefix, address = _read_url(url)
            # Nothing is sent twice: a write whose answer was lost would be made twice. A connection that Redis has
            # closed is seen before anything is sent, and made anew.
            self.redis: Any = Redis.from_url(
                address,
                socket_timeout=_PATIENCE,
                socket_connect_timeout=_PATIENCE,
                retry=Retry(NoBackoff(), 0),
                protocol=2,  # the client's extras for version 3 of the protocol hide closed connections
            )
            self.ask(self.redis.ping)
        except (ValueError, TypeError):  # without its words, which may quote the password
            mend = "write redis://USER:PASSWORD@HOST:PORT/DATABASE, special characters as %XX"
            raise StoreError("the store's URL is no address of a Redis", mend=mend) from None
        scripts = (_BIRTH, _SET_SEED, _RESTORE, _FIND, _COMMIT, _PAGE, _DROP, _COUNTERS)
        self._scripts = {text: self.redis.register_script(_HEAD + text) for text in scripts}
        # Threads that change the same session wait here, since of those who try at once only one succeeds.
        self._turnstiles = tuple(Lock() for _ in range(64))

    def ask(self, command: Callable[..., T], *arguments: object, **options: object) -> T:
        """Ask Redis; every failure becomes a StoreError."""
        try:
            return command(*arguments, **options)
        except (self._error, OSError) as error:
            raise StoreError(
                "Redis cannot be used",
                where=self.url,
                why=str(error) or type(error).__name__,
                mend="see that it runs there, takes the user and password of the URL, and has memory left",
            ) from error

    def script(self, text: str) -> Callable[..., Any]:
        """Give a script of Lua's, which Redis runs whole; to be called by `ask`."""
        made: Callable[..., Any] = self.redis.register_script(text)
        return made

    def _run(self, script: str, scope: str, *arguments: str | bytes | int) -> Any:
        keys = [self.prefix + "scopes", self.prefix + "count", *(self.prefix + kind + scope for kind in _KINDS)]
        return self.ask(self._scripts[script], keys, arguments)

    def _keep(self, script: str, scope: str, *arguments: str | bytes | int) -> int:
        """Run a script that makes its scope appear."""
        answer = self._run(script, scope, scope, self._most_scopes, *arguments)
        if answer is None:
            raise StoreFullError("scopes", self._most_scopes)
        return int(answer)

    def birth(self, scope: str) -> int:
        """Count one more birth in a scope, and give its number."""
        return self._keep(_BIRTH, scope)

    def change(self, scope: str, session_id: str, step: Step) -> Session | None:
        """Change one session as `step` says."""
        turnstile = self._turnstiles[hash((scope, session_id)) % len(self._turnstiles)]
        entered = turnstile.acquire(timeout=_PATIENCE)  # it only helps; where Redis hangs, nobody queues for long
        try:
            raw, gone = self._run(_FIND, scope, session_id, 0)
            for _ in range(_TRIES):
                old = _load(raw) if raw else None
                change = step(old, gone == 1)
                new = change.session
                if change.turn is None and new is old:
                    return old
                if new is None and old is None:
                    return None
                status, *answer = self._commit(scope, session_id, raw, old, gone, change)
                if status == b"done":
                    return None if new is None else placed(new, answer[0])
                if status != b"again":
                    what = status.decode()
                    raise StoreFullError(what, self._most_scopes if what == "scopes" else self._most_sessions)
                raw, gone = answer
        finally:
            if entered:
                turnstile.release()
        raise StoreError(
            f"the session {session_id} could not be changed",
            where=self.url,
            why=f"other processes changed it first, {_TRIES} times",
            mend="ask again",
        )

    def _commit(
        self, scope: str, session_id: str, raw: bytes, old: Session | None, gone: int, change: Change
    ) -> list[Any]:
        new, (number, events) = change.session, change.turn or (0, None)
        answer: list[Any] = self._run(
            _COMMIT,
            scope,
            scope,
            session_id,
            raw,
            gone,
            b"" if new is None else dump_session(new),
            0 if new is None else number,
            dump_json(events),
            _place(old and old.project_id),
            _place(new and new.project_id),
            int(old is not None and old.issued),
            self._most_scopes,
            self._most_sessions,
            self._most_gone,
        )
        return answer

    def find(self, scope: str, session_id: str, *, turns: bool = False) -> Found:
        """Give what is known of an id."""
        raw, gone, *events = self._run(_FIND, scope, session_id, int(turns))
        return Found(_load(raw), tuple(map(load_json, events))) if raw else Found(None, (), gone == 1)

    def page(self, scope: str, project: str | None, before: int | None, size: int) -> Sequence[Session]:
        """Give at most `size` sessions, the latest update first."""
        last = "" if before is None or before >= 10**16 else f"{max(0, before):016}"
        return [_load(raw) for raw in self._run(_PAGE, scope, _place(project) or "-:", last, size)]

    def scopes(self) -> Mapping[str, int]:
        """Give the number of sessions in each scope."""
        found = self.ask(self.redis.hgetall, self.prefix + "scopes")
        return {name.decode(): int(count) for name, count in found.items()}

    def drop(self, scope: str) -> None:
        """Forget a scope."""
        self._run(_DROP, scope, scope)

    def seed(self, scope: str) -> int | None:
        """Give the seed that a scope was given."""
        seed = self.ask(self.redis.hget, self.prefix + "meta:" + scope, "seed")
        return None if seed is None else int(seed)

    def set_seed(self, scope: str, seed: int) -> None:
        """Give a scope a seed of its own."""
        self._keep(_SET_SEED, scope, str(seed))

    def counters(self, scope: str) -> Counters:
        """Give what a scope has counted."""
        births, seq, gone = self._run(_COUNTERS, scope)
        return Counters(int(births), int(seq), [name.decode() for name in gone])

    def restore(self, scope: str, counters: Counters) -> None:
        """Raise the counters of a scope to at least these, and make these deleted sessions known."""
        self._keep(_RESTORE, scope, counters.births, counters.seq, self._most_gone, *counters.gone)

    def __len__(self) -> int:
        return int(self.ask(self.redis.get, self.prefix + "count") or 0)

    def close(self) -> None:
        """Close the connections; a later call makes new ones."""
        self.redis.close()


def _read_url(url: str) -> tuple[str, str, str]:
    """Give how a Redis is called, without a password; the prefix of its keys; and the URL without the prefix."""
    parts = urlsplit(url)
    if "@" in parts.path + parts.query or parts.fragment:
        raise ValueError("a password has special characters")
    options = dict(parse_qsl(parts.query))
    prefix = options.pop("prefix", "mockserver:")
    told = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return told, prefix, url.partition("?")[0] + ("?" + urlencode(options) if options else "")


def _place(project: str | None) -> str:
    """Begin the place of a session in the order of its project; none for none."""
    return "" if project is None else f"{len(project.encode())}:{project}:"


def _load(raw: bytes) -> Session:
    seq, _, line = raw.split(b" ", 2)
    return load_session(line, int(seq))


# What is kept, each under the prefix:
#   journals       zset  scopes that have a journal, by the number of their last exchange
#   planners       set   scopes that have a plan, or claims
#   written        int   the exchanges of all scopes, ever
#   planned        int   the number of the last planned answer
#   journal:SCOPE  list  exchanges
#   logged:SCOPE   int   how many exchanges there ever were
#   plan:SCOPE     hash  number -> "REVISION SPEC"
#   claims:SCOPE   hash  key -> uses

_SHARED_HEAD = """
local journals, written, planned, planners, journal, logged, plan, claims = unpack(KEYS)
"""

_RECORD = """
local scope, line, most, most_journals, prefix = unpack(ARGV)
redis.call('RPUSH', journal, line)
redis.call('LTRIM', journal, -most, -1)
local number = redis.call('INCR', logged)
redis.call('ZADD', journals, redis.call('INCR', written), scope)
while redis.call('ZCARD', journals) > tonumber(most_journals) do
  local old = redis.call('ZPOPMIN', journals)[1]
  redis.call('UNLINK', prefix .. 'journal:' .. old, prefix .. 'logged:' .. old)
end
return number
"""

_EXCHANGES = """
return {redis.call('GET', logged) or '0', redis.call('LRANGE', journal, 0, -1)}
"""

_CLEAR = """
redis.call('ZREM', journals, ARGV[1])
return redis.call('UNLINK', journal, logged)
"""

_PUT = """
local scope, spec, number, most = unpack(ARGV)
if number ~= '0' then
  local old = redis.call('HGET', plan, number)
  if not old then return {'none'} end
  local revision = tonumber(string.match(old, '^%d+')) + 1
  redis.call('HSET', plan, number, revision .. ' ' .. spec)
  return {'done', tonumber(number), revision}
end
if redis.call('HLEN', plan) >= tonumber(most) then return {'many'} end
number = redis.call('INCR', planned)
redis.call('SADD', planners, scope)
redis.call('HSET', plan, number, '1 ' .. spec)
return {'done', number, 1}
"""

_REMOVE = """
local scope, number = unpack(ARGV)
if number == '0' then
  redis.call('SREM', planners, scope)
  redis.call('UNLINK', plan, claims)
  return 1
end
if redis.call('HDEL', plan, number) == 0 then return 0 end
for _, key in ipairs(redis.call('HKEYS', claims)) do
  if key == number or string.sub(key, 1, #number + 1) == number .. ':' then redis.call('HDEL', claims, key) end
end
if redis.call('EXISTS', plan, claims) == 0 then redis.call('SREM', planners, scope) end
return 1
"""

_CLAIM = """
local scope, key, most = unpack(ARGV)
local used = tonumber(redis.call('HGET', claims, key) or 0)
if most ~= '' and used >= tonumber(most) then return 0 end
redis.call('SADD', planners, scope)
return redis.call('HINCRBY', claims, key, 1)
"""

_FORGET = """
redis.call('ZREM', journals, ARGV[1])
redis.call('SREM', planners, ARGV[1])
return redis.call('UNLINK', journal, logged, plan, claims)
"""


class RedisShelf:
    """Journals and plans in the Redis of a store."""

    shared = True

    def __init__(self, store: RedisStore, most: int = MOST_EXCHANGES, most_journals: int = MOST_JOURNALS) -> None:
        self._store, self._most, self._most_journals = store, most, most_journals
        self._scripts = {
            text: store.script(_SHARED_HEAD + text)
            for text in (_RECORD, _EXCHANGES, _CLEAR, _PUT, _REMOVE, _CLAIM, _FORGET)
        }

    def _run(self, script: str, scope: str, *arguments: str | bytes | int) -> Any:
        prefix = self._store.prefix
        keys = [prefix + name for name in ("journals", "written", "planned", "planners")]
        keys += [f"{prefix}{name}:{scope}" for name in ("journal", "logged", "plan", "claims")]
        return self._store.ask(self._scripts[script], keys, arguments)

    def record(self, exchange: Exchange) -> int:
        """Remember an exchange."""
        scope, line = exchange.scope, dump_json(as_json(exchange))
        return int(self._run(_RECORD, scope, scope, line, self._most, self._most_journals, self._store.prefix))

    def exchanges(self, scope: str) -> Sequence[Exchange]:
        """Give what is remembered of a scope."""
        total, lines = self._run(_EXCHANGES, scope)
        first = int(total) - len(lines) + 1
        return [from_json(load_json(line))._replace(number=number) for number, line in enumerate(lines, first)]

    def scopes(self) -> Sequence[str]:
        """Name the scopes of which something is kept."""
        prefix = self._store.prefix
        journals = self._store.ask(self._store.redis.zrange, prefix + "journals", 0, -1)
        planners = self._store.ask(self._store.redis.smembers, prefix + "planners")
        return sorted(name.decode() for name in {*journals, *planners})

    def clear(self, scope: str) -> None:
        """Forget the journal of a scope."""
        self._run(_CLEAR, scope, scope)

    def plan(self, scope: str) -> Sequence[Kept]:
        """Give what is planned in a scope."""
        found = self._store.ask(self._store.redis.hgetall, f"{self._store.prefix}plan:{scope}")
        kept = []
        for number, value in found.items():
            revision, _, spec = value.partition(b" ")
            kept.append(Kept(int(number), int(revision), load_json(spec)))
        return sorted(kept, key=lambda each: each.number)

    def put(self, scope: str, spec: Json, number: int = 0) -> Kept:
        """Plan an answer, or change one."""
        status, *made = self._run(_PUT, scope, scope, dump_json(spec), number, MOST_PLANNED)
        if status == b"none":
            raise no_such(number)
        if status == b"many":
            raise too_many()
        return Kept(int(made[0]), int(made[1]), spec)

    def remove(self, scope: str, number: int = 0) -> None:
        """Take back one planned answer, or all."""
        if not self._run(_REMOVE, scope, scope, number):
            raise no_such(number)

    def claim(self, scope: str, key: str, most: int | None = None) -> int:
        """Count one more use of something."""
        return int(self._run(_CLAIM, scope, scope, key, "" if most is None else most))

    def claims(self, scope: str) -> Mapping[str, int]:
        """Give how often each thing was used."""
        found = self._store.ask(self._store.redis.hgetall, f"{self._store.prefix}claims:{scope}")
        return {key.decode(): int(uses) for key, uses in found.items()}

    def forget(self, scope: str) -> None:
        """Forget journal and plan of a scope."""
        self._run(_FORGET, scope, scope)
