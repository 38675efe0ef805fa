-- Remove the public address.
-- KEYS: exposure.  ARGV: holder.  -> 1 when this ingress was the holder.
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
