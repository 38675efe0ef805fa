-- Append events to a call's log, or detect a replay; nudge the owner.
-- KEYS: log, state, lease, seen, token, calls:live, calls:ended.
-- ARGV: call, request digest ('' for none), answer to keep, token digest ('' for none),
--       token ttl ms (negative: the token is the first of a series), grace ms,
--       prefix of node channels, ms to keep a call that this post refuses ('' for any other post),
--       ms after which an ended call is archived anew with these events ('' when the archive does not need them),
--       packed events ...
-- -> replayed (0/1), first seq, owner ('' for none), nudged (0/1), over (0/1), kept answer of a replay.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local over = redis.call('HGET', KEYS[2], 'over') == '1' and 1 or 0
local holder = redis.call('GET', KEYS[3])
local owner = holder and string.match(holder, '^%d+ (.*)$') or ''

-- Nothing new is kept of a forgotten call, except that this request was seen.
local gone = redis.call('HEXISTS', KEYS[2], 'gone') == 1

if ARGV[2] ~= '' and redis.call('HSETNX', KEYS[4], ARGV[2], gone and '-' or ARGV[3]) == 0 then
  -- The first delivery may have failed before it rang: the replay returns the owner too.
  local listening = 0
  if owner ~= '' and redis.call('PUBSUB', 'NUMSUB', ARGV[7] .. owner)[2] > 0 then
    listening = 1
  end
  return {1, 0, owner, listening, over, redis.call('HGET', KEYS[4], ARGV[2])}
end

local first = redis.call('XLEN', KEYS[1]) + 1
local at = string.format('%d.%06d', time[1], time[2])
local header, body = {ARGV[1], at, string.format('%d', first)}, {}
for i = 10, gone and 9 or #ARGV do
  redis.call('XADD', KEYS[1], string.format('0-%d', first + i - 10), 't', at, 'e', ARGV[i])
  header[#header + 1] = string.format('%d', #ARGV[i])
  body[#body + 1] = ARGV[i]
end

if ARGV[4] ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now)
  local ttl = math.abs(ARGV[5])
  redis.call('ZADD', KEYS[5], now + ttl, ARGV[4])
  redis.call('PEXPIRE', KEYS[5], ttl)
  if ttl ~= tonumber(ARGV[5]) and over == 0 and not gone then
    redis.call('HSET', KEYS[2], 'series', ARGV[4] .. ' 0')
  end
end

-- A refused call is not live: it must not count against the limit of live calls.
if ARGV[8] ~= '' and first == 1 then
  redis.call('HSET', KEYS[2], 'away', '1')
  for place = 1, 4 do
    redis.call('PEXPIRE', KEYS[place], ARGV[8])
  end
  redis.call('ZREM', KEYS[6], ARGV[1])
end
local away = redis.call('HGET', KEYS[2], 'away') == '1'

if over == 1 then
  -- Late events of an ended call: kept as long as the rest of it, without a ring.
  local left = redis.call('PTTL', KEYS[2])
  if left > 0 then
    redis.call('PEXPIRE', KEYS[1], left)
    redis.call('PEXPIRE', KEYS[4], left)
  end
  if ARGV[9] ~= '' and not gone then
    redis.call('ZADD', KEYS[7], 'NX', now + ARGV[9], ARGV[1])
  end
elseif away then
  -- A refused call is recorded when a worker answers the ring, and expires otherwise.
elseif owner ~= '' then
  redis.call('ZADD', KEYS[6], 'NX', now + ARGV[6], ARGV[1])
elseif #body > 0 then
  redis.call('ZADD', KEYS[6], 'LT', now + ARGV[6], ARGV[1])
end

local nudged = 0
if owner ~= '' and #body > 0 then
  local message = table.concat(header, ' ') .. '\n' .. table.concat(body)
  if redis.call('PUBLISH', ARGV[7] .. owner, message) > 0 then
    nudged = 1
  end
end
return {0, first, owner, nudged, over, false}
