-- Keep an undecodable entry as a dead letter, once.
-- KEYS: claims, state, dead.  ARGV: mark, call, seq, reason, bytes, how many letters are kept.
-- -> 1 when it is new | 0 when it was kept before.
if redis.call('HSETNX', KEYS[1], ARGV[1], '1') == 0 then
  return 0
end
local left = redis.call('PTTL', KEYS[2])
if left > 0 then
  redis.call('PEXPIRE', KEYS[1], left)
end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[6], '*', 'call', ARGV[2], 'seq', ARGV[3], 'reason', ARGV[4], 'bytes', ARGV[5])
return 1
