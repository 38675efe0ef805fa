-- Carriers reach us there no more.
-- KEYS: exposure.  ARGV: holder.  -> 1 when it was ours.
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
