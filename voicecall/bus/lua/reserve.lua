-- Take one of `limit` slots for a call that is about to begin. Inbound calls have slots of their own; every other live
-- call counts as placed by us, also one whose slot was taken by a process that did not say which it is.
-- A call that is over takes none: a caller's request may be repeated, and is asked for a slot before that is known.
-- KEYS: calls:live, calls:inbound, state.  ARGV: call, limit, grace ms, prefix of a call's keys, "in" or "out".
-- -> 1 taken (now or before) | 0 full.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local inbound = ARGV[5] == 'in'
local limit = tonumber(ARGV[2])

if redis.call('HGET', KEYS[3], 'over') == '1' then
  return 0
end

local function used()
  local arrived = 0
  for _, call in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    if redis.call('ZSCORE', KEYS[1], call) then
      arrived = arrived + 1
    else
      redis.call('ZREM', KEYS[2], call)
    end
  end
  return inbound and arrived or redis.call('ZCARD', KEYS[1]) - arrived
end

local function full()
  -- The size of the set is an upper bound; counting exactly takes a step for each inbound call.
  local most = inbound and redis.call('ZCARD', KEYS[2]) or redis.call('ZCARD', KEYS[1])
  return most >= limit and used() >= limit
end

if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  if full() then
    -- Remove slots whose process died before it posted: they have no log, and their time is over.
    for _, call in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
      if redis.call('EXISTS', ARGV[4] .. call .. '}:log') == 0 then
        redis.call('ZREM', KEYS[1], call)
      end
    end
    if full() then
      return 0
    end
  end
  redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
end
if inbound then
  redis.call('ZADD', KEYS[2], 'NX', now, ARGV[1])
end
return 1
