-- Give a report up: it needs no more delivery, and is a dead letter. Both, once.
-- KEYS: report, dead.  ARGV: call, reason, how many letters are kept, bytes of one at most.
-- -> 1 when it is new | 0 when it was delivered or given up before, or is gone.
local report = redis.call('HGET', KEYS[1], 'report')
if not report or redis.call('HSETNX', KEYS[1], 'delivered', '1') == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'dead', '1')
local bytes = string.sub(report, 1, tonumber(ARGV[4]))
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'call', ARGV[1], 'seq', '0', 'reason', ARGV[2], 'bytes', bytes)
return 1
