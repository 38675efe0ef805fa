-- The nodes that have not left and whose channel has a listener now.
-- KEYS: nodes.  ARGV: prefix of node channels, ms after which a node that does not register takes no call: its socket
--       stays open when its process is stopped.
-- -> their names.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local present = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now - ARGV[2], '+inf')) do
  if redis.call('PUBSUB', 'NUMSUB', ARGV[1] .. node)[2] > 0 then
    present[#present + 1] = node
  end
end
return present
