-- Consume a stream token, once.
-- KEYS: token.  ARGV: digest.  -> 1 when it existed and had not expired.
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not ends then
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[1])
local time = redis.call('TIME')
return tonumber(ends) > time[1] * 1000 + math.floor(time[2] / 1000) and 1 or 0
