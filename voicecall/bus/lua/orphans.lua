-- Calls whose time is over, oldest first; none of them is returned again for `hold` ms.
-- KEYS: calls:live, calls:ended or calls:kept.  ARGV: how many, hold ms.  -> calls.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local calls = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
if tonumber(ARGV[2]) > 0 then
  for _, call in ipairs(calls) do
    redis.call('ZADD', KEYS[1], now + ARGV[2], call)
  end
end
return calls
