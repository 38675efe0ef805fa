-- The call an idempotency key stands for: the first one wins.
-- KEYS: idem.  ARGV: '<call> <fingerprint>', ttl ms.  -> what is kept now.
local kept = redis.call('GET', KEYS[1])
if kept then
  return kept
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
