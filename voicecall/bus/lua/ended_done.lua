-- Record that a call is archived up to the log length that was read. If the log has grown, it is due again at once.
-- KEYS: log, calls:ended, calls:kept, state.  ARGV: call, length of the log that was read, ms to keep it in Redis.
-- -> 0 due again | 1 done | 2 forgotten meanwhile.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gone = redis.call('HGET', KEYS[4], 'gone')
if gone then
  -- "0": it was evicted after an earlier archiving, which remains valid.
  redis.call('ZREM', KEYS[2], ARGV[1])
  return gone == '1' and 2 or 1
end
if redis.call('XLEN', KEYS[1]) > tonumber(ARGV[2]) then
  redis.call('ZADD', KEYS[2], now, ARGV[1])
  return 0
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], now + ARGV[3], ARGV[1])
return 1
