-- The report of an ended call becomes due, unless the call has one.
-- KEYS: report, reports:due.  ARGV: call, ms from now.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local time = redis.call('TIME')
return redis.call('ZADD', KEYS[2], 'NX', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2], ARGV[1])
