-- Permission for a carrier command: once per effect, and only for the current epoch.
-- KEYS: state, claims.  ARGV: epoch, effect.  -> 1 go | 0 no.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] or redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[1]) == 0 then
  return 0
end
local left = redis.call('PTTL', KEYS[1])
if left > 0 then
  redis.call('PEXPIRE', KEYS[2], left)
end
return 1
