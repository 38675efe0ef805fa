-- The nodes that have not left and whose channel has a listener now, or will have: on this server none has listened yet.
-- KEYS: nodes.  ARGV: prefix of node channels, ms after which a node that does not register takes no call: its socket
--       stays open when its process is stopped; prefix of the keys that say on which server a node has listened.
-- -> their names.
local here = this_server()
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local present = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now - ARGV[2], '+inf')) do
  local listened = redis.call('GET', ARGV[3] .. node)
  if redis.call('PUBSUB', 'NUMSUB', ARGV[1] .. node)[2] > 0 or (listened and listened ~= here) then
    present[#present + 1] = node
  end
end
return present
