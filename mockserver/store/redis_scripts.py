"""The layout of what is kept in a Redis, and the scripts that read and change it."""

LAYOUT = "2:"
"""Follows the prefix in every key: the version of the layout below."""

# What is kept, each under the prefix and the version:
#   scopes         hash  scope -> how many records it has
#   count          int   the records of all scopes
#   bytes          int   the bytes of all scopes
#   meta:SCOPE     hash  seq, seed; burials, which puts the ids that are gone in order; bytes, of its records;
#                        at, the time of its last change
#   counters:SCOPE hash  name -> counted
#   records:SCOPE  hash  NAME -> "SEQ [GROUP, DATA]", where SEQ has 16 digits
#   sizes:SCOPE    hash  NAME -> the bytes of the record, without and with its parts
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
#   logsizes       hash  scope -> the bytes of its entries
#   logsize        int   the bytes of all entries
#   stubsizes      hash  scope -> the bytes of its stubs
#   stubsize       int   the bytes of all stubs
#   stubs:SCOPE    hash  number -> "REVISION SPEC"
#   claims:SCOPE   hash  key -> uses
# COLLECTION and GROUP stand as "LENGTH:TEXT", a NAME is COLLECTION ":" ID: no text can be taken for another.
# So a scope is eleven keys at the most, whatever it holds.
RECORD_KEYS: tuple[str, ...] = (
    *("scopes", "count", "bytes"),
    *("meta:", "counters:", "records:", "parts:", "gone:", "order:", "sizes:"),
)
LOG_KEYS: tuple[str, ...] = (
    *("journals", "stubbed", "written", "numbered", "logsizes", "logsize", "stubsizes", "stubsize"),
    *("journal:", "logged:", "stubs:", "claims:"),
)

RECORDS = """
local scopes, count, bytes, meta, counters, records, parts, gone, order, sizes = unpack(KEYS, 1, 10)
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

COUNT = """
local scope, most, counter = unpack(ARGV)
if not keep(scope, most) then return false end
return redis.call('HINCRBY', counters, counter, 1)
"""

SET_SEED = """
local scope, most, seed = unpack(ARGV)
if not keep(scope, most) then return false end
return redis.call('HSET', meta, 'seed', seed)
"""

# The counters come as so many pairs, and after them the names that are gone.
RESTORE = """
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

FIND = """
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
COMMIT = """
local scope, collection, id, expected, was_gone, record, before, after, bury, most_scopes, most_records,
  most_gone, most_record, most_bytes, own, minor, reserve, at, stays = unpack(ARGV, 1, 19)
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
if at ~= '' and at < (redis.call('HGET', meta, 'at') or '') then return {'late', raw, tonumber(is_gone)} end
local had_own, had = string.match(redis.call('HGET', sizes, name) or '0 0', '^(%d+) (%d+)$')
local grown = -had
if record ~= '' then
  if had ~= '0' and minor == '1' then own = had_own end
  grown = own - had_own
  local seen = {}
  for i = 20, #ARGV, 2 do
    local number = digits(ARGV[i])
    grown = grown + #ARGV[i + 1] - (seen[number] or redis.call('HSTRLEN', parts, name .. ':' .. number))
    seen[number] = #ARGV[i + 1]
  end
  if minor ~= '1' and grown > 0 then
    if had + grown + reserve > tonumber(most_record) then return {'record_bytes'} end
    if (redis.call('GET', bytes) or 0) + grown + reserve > tonumber(most_bytes) then return {'store_bytes'} end
  end
end
if at ~= '' then redis.call('HSET', meta, 'at', at) end
local seq = record ~= '' and (raw ~= '' and stays == '1' and before == after and tonumber(string.sub(raw, 1, 16))
  or redis.call('HINCRBY', meta, 'seq', 1))
if grown ~= 0 then
  redis.call('INCRBY', bytes, grown)
  redis.call('HINCRBY', meta, 'bytes', grown)
  redis.call('HSET', sizes, name, own .. ' ' .. string.format('%.0f', had + grown))
end
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
  redis.call('HDEL', sizes, name)
  redis.call('HINCRBY', scopes, scope, -1)
  redis.call('DECR', count)
  if bury == '1' then
    redis.call('ZADD', gone, redis.call('HINCRBY', meta, 'burials', 1), name)
    redis.call('ZREMRANGEBYRANK', gone, 0, -most_gone - 1)
  end
  return {'done', 0}
end
for i = 20, #ARGV, 2 do
  local number = digits(ARGV[i])
  redis.call('HSET', parts, name .. ':' .. number, ARGV[i + 1])
  redis.call('ZADD', order, 0, place(name, number))
end
redis.call('HSET', records, name, digits(seq) .. ' ' .. record)
redis.call('ZADD', order, 0, 'c' .. collection .. ':' .. digits(seq) .. ':' .. id)
if after ~= '' then redis.call('ZADD', order, 0, after .. digits(seq) .. ':' .. id) end
return {'done', seq}
"""

PAGE = """
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

OLDEST = """
local collection, start, after, size = unpack(ARGV)
local first = after == '' and '[' .. start or '(' .. start .. after .. ';'
local found = {}
for _, each in ipairs(redis.call('ZRANGEBYLEX', order, first, '(' .. start .. ':', 'LIMIT', 0, size)) do
  local id = string.sub(each, #start + 18)
  found[#found + 1] = id
  found[#found + 1] = redis.call('HGET', records, collection .. ':' .. id)
end
return found
"""

SIZE = """
local start = ARGV[1]
return redis.call('ZLEXCOUNT', order, '[' .. start, '(' .. start .. ':')
"""

# A semicolon comes after a colon: from the first record of each collection to that of the next.
COLLECTIONS = """
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

COUNTERS = """
return {redis.call('HGETALL', counters), redis.call('HGET', meta, 'seq') or '0', redis.call('ZRANGE', gone, 0, -1)}
"""

CLEAR_RECORDS = """
redis.call('DECRBY', count, redis.call('HGET', scopes, ARGV[1]) or 0)
redis.call('HDEL', scopes, ARGV[1])
redis.call('DECRBY', bytes, redis.call('HGET', meta, 'bytes') or 0)
if redis.call('HLEN', scopes) == 0 then redis.call('UNLINK', count, bytes) end
redis.call('UNLINK', meta, counters, records, parts, gone, order, sizes)
"""

LOG = """
local journals, stubbed, written, numbered, logsizes, logsize, stubsizes, stubsize, journal, logged, stubs, claims =
  unpack(KEYS, #KEYS - 11, #KEYS)
local function weigh(scope, more)
  redis.call('HINCRBY', logsizes, scope, more)
  return redis.call('INCRBY', logsize, more)
end
local function leave(sizes, size, scope)
  redis.call('DECRBY', size, redis.call('HGET', sizes, scope) or 0)
  redis.call('HDEL', sizes, scope)
  if redis.call('HLEN', sizes) == 0 then redis.call('UNLINK', size) end
end
local function forget(scope) leave(logsizes, logsize, scope) end
local function weigh_stub(scope, more)
  redis.call('INCRBY', stubsize, more)
  if redis.call('HINCRBY', stubsizes, scope, more) == 0 then leave(stubsizes, stubsize, scope) end
end
"""

APPEND = """
local scope, entry, most, most_journals, prefix, most_bytes, kept_bytes = unpack(ARGV)
local more = #entry
if redis.call('RPUSH', journal, entry) > tonumber(most) then more = more - #redis.call('LPOP', journal) end
local total = weigh(scope, more)
local number = redis.call('INCR', logged)
redis.call('ZADD', journals, redis.call('INCR', written), scope)
while redis.call('ZCARD', journals) > tonumber(most_journals) do
  local old = redis.call('ZPOPMIN', journals)[1]
  redis.call('UNLINK', prefix .. 'journal:' .. old, prefix .. 'logged:' .. old)
  forget(old)
end
if total > tonumber(most_bytes) then
  for _, name in ipairs(redis.call('ZRANGE', journals, 0, -1)) do
    local list = prefix .. 'journal:' .. name
    while total > tonumber(kept_bytes) and redis.call('LLEN', list) > 1 do
      total = weigh(name, -#redis.call('LPOP', list))
    end
  end
end
return number
"""

ENTRIES = """
return {redis.call('GET', logged) or '0', redis.call('LRANGE', journal, 0, -1)}
"""

CLEAR_ENTRIES = """
redis.call('ZREM', journals, ARGV[1])
forget(ARGV[1])
return redis.call('UNLINK', journal, logged)
"""

PUT_STUB = """
local scope, spec, number, most, most_bytes = unpack(ARGV)
local function is_long(was)
  return #spec > was and (redis.call('GET', stubsize) or 0) + #spec - was > tonumber(most_bytes)
end
if number ~= '0' then
  local old = redis.call('HGET', stubs, number)
  if not old then return {'none'} end
  local was = #string.match(old, ' (.*)$')
  if is_long(was) then return {'long'} end
  weigh_stub(scope, #spec - was)
  local revision = tonumber(string.match(old, '^%d+')) + 1
  redis.call('HSET', stubs, number, revision .. ' ' .. spec)
  return {'done', tonumber(number), revision}
end
if redis.call('HLEN', stubs) >= tonumber(most) then return {'many'} end
if is_long(0) then return {'long'} end
weigh_stub(scope, #spec)
number = redis.call('INCR', numbered)
redis.call('SADD', stubbed, scope)
redis.call('HSET', stubs, number, '1 ' .. spec)
return {'done', number, 1}
"""

REMOVE_STUBS = """
local scope, number = unpack(ARGV)
if number == '0' then
  redis.call('SREM', stubbed, scope)
  redis.call('UNLINK', stubs, claims)
  leave(stubsizes, stubsize, scope)
  return 1
end
local old = redis.call('HGET', stubs, number)
if not old then return 0 end
redis.call('HDEL', stubs, number)
weigh_stub(scope, -#string.match(old, ' (.*)$'))
for _, key in ipairs(redis.call('HKEYS', claims)) do
  if key == number or string.sub(key, 1, #number + 1) == number .. ':' then redis.call('HDEL', claims, key) end
end
if redis.call('EXISTS', stubs, claims) == 0 then redis.call('SREM', stubbed, scope) end
return 1
"""

CLAIM = """
local scope, key, most = unpack(ARGV)
local used = tonumber(redis.call('HGET', claims, key) or 0)
if most ~= '' and used >= tonumber(most) then return 0 end
redis.call('SADD', stubbed, scope)
return redis.call('HINCRBY', claims, key, 1)
"""

FORGET_LOG = """
redis.call('ZREM', journals, ARGV[1])
forget(ARGV[1])
leave(stubsizes, stubsize, ARGV[1])
redis.call('SREM', stubbed, ARGV[1])
redis.call('UNLINK', journal, logged, stubs, claims)
"""

ON_RECORDS = (COUNT, SET_SEED, RESTORE, FIND, COMMIT, PAGE, OLDEST, SIZE, COLLECTIONS, COUNTERS, CLEAR_RECORDS)
ON_LOG = (APPEND, ENTRIES, CLEAR_ENTRIES, PUT_STUB, REMOVE_STUBS, CLAIM)
DROP = RECORDS + LOG + CLEAR_RECORDS + FORGET_LOG
