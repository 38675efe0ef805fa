-- Publish the public address. The first ingress to do so is its holder while it announces in time.
-- KEYS: exposure.  ARGV: holder, webhook URL, stream URL, ms to live.  -> 1 published | 0 another is the holder.
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'webhook', ARGV[2], 'stream', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
