-- Register this node as alive and find nodes without a listener: the socket of a dead process closes at once.
-- KEYS: nodes.  ARGV: me, prefix of node channels, ms after which a node that does not register is removed, hold ms,
--       prefix of the keys that hold a node back, prefix of the keys that say on which server a node has listened.
-- -> nodes that look dead; none of them is returned again, to any node, for `hold` ms.
local here = this_server()
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
if redis.call('PUBSUB', 'NUMSUB', ARGV[2] .. ARGV[1])[2] > 0 then
  redis.call('SET', ARGV[6] .. ARGV[1], here, 'PX', ARGV[3])
end
local silent = {}
for _, node in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if node ~= ARGV[1] and redis.call('PUBSUB', 'NUMSUB', ARGV[2] .. node)[2] == 0 then
    if here ~= '' and redis.call('GET', ARGV[6] .. node) == here then
      if redis.call('SET', ARGV[5] .. node, ARGV[1], 'NX', 'PX', ARGV[4]) then
        silent[#silent + 1] = node
      end
    end
  end
end
return silent
