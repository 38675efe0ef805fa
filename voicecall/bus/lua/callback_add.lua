-- Ask for a call-back, once for its id; of a missed caller, one at a time and so many in an hour.
-- KEYS: callback, callbacks:due, callbacks:all, callback-of, callbacks:missed.
-- ARGV: id, entry, due ms, ms to keep it, of a missed call (0/1), how many of those in an hour.
-- -> 1 added | 0 known | 2 one waits for this caller | 3 too many.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[5] == '1' then
  if redis.call('EXISTS', KEYS[4]) == 1 then
    return 2
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now - 3600000)
  if redis.call('ZCARD', KEYS[5]) >= tonumber(ARGV[6]) then
    return 3
  end
  redis.call('ZADD', KEYS[5], now, ARGV[1])
  redis.call('PEXPIRE', KEYS[5], 3600000)
  redis.call('SET', KEYS[4], ARGV[1], 'PX', ARGV[4])
end
redis.call('HSET', KEYS[1], 'entry', ARGV[2], 'state', 'waiting', 'due', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('ZADD', KEYS[3], now, ARGV[1])
return 1
