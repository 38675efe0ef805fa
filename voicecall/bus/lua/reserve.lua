-- Take one of `limit` slots for a call that is about to begin.
-- KEYS: calls:live.  ARGV: call, limit, grace ms, prefix of a call's keys.  -> 1 taken (now or before) | 0 full.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 1
end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  -- Remove slots whose process died before it posted: they have no log, and their time is over.
  for _, call in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
    if redis.call('EXISTS', ARGV[4] .. call .. '}:log') == 0 then
      redis.call('ZREM', KEYS[1], call)
    end
  end
  if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
    return 0
  end
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
return 1
