-- Give a lease up: from now on the call is an orphan that any node may take.
-- KEYS: lease, calls:live, state.  ARGV: lease, call, epoch of a call handed over in order ('' for any other).
-- -> 1 when this node held it.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[3], 'handed', ARGV[3])
end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[2], 'XX', time[1] * 1000 + math.floor(time[2] / 1000) - 1, ARGV[2])
return 1
