"""Keeps journals and plans in the Redis of a store, for all servers that share it."""

from collections.abc import Mapping, Sequence
from typing import Any

from mockserver.exchange import Json
from mockserver.journal import Exchange, as_json, from_json
from mockserver.settings import MOST_EXCHANGES
from mockserver.shelves import MOST_JOURNALS, MOST_PLANNED, Kept, no_such, too_many
from mockserver.store_redis import RedisStore
from mockserver.stores import dump_json, load_json

# What is kept, each under the prefix:
#   journals       zset  scopes that have a journal, by the number of their last exchange
#   planners       set   scopes that have a plan, or claims
#   written        int   the exchanges of all scopes, ever
#   planned        int   the number of the last planned answer
#   journal:SCOPE  list  exchanges
#   logged:SCOPE   int   how many exchanges there ever were
#   plan:SCOPE     hash  number -> "REVISION SPEC"
#   claims:SCOPE   hash  key -> uses

_HEAD = """
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
            text: store.script(_HEAD + text) for text in (_RECORD, _EXCHANGES, _CLEAR, _PUT, _REMOVE, _CLAIM, _FORGET)
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
