-- The call that an idempotency key names: the first one stays.
-- KEYS: idem.  ARGV: '<call> <fingerprint>', ttl ms.  -> the stored value.
local kept = redis.call('GET', KEYS[1])
if kept then
  return kept
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
