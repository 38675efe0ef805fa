-- Give a lease up: from now on the call is an orphan that any node may take.
-- KEYS: lease, calls:live.  ARGV: lease, call.  -> 1 when this node held it.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
local time = redis.call('TIME')
redis.call('ZADD', KEYS[2], 'XX', time[1] * 1000 + math.floor(time[2] / 1000) - 1, ARGV[2])
return 1
