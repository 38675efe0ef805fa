-- Say that this node is here, and learn whose channel has no listener: a dead process's socket closes at once.
-- KEYS: nodes.  ARGV: me, prefix of node channels, ms after which a silent name is dropped, hold ms.
-- -> nodes that look dead; none of them is named again, to anybody, for `hold` ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
local silent = {}
for _, node in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if node ~= ARGV[1] and redis.call('PUBSUB', 'NUMSUB', ARGV[2] .. node)[2] == 0 then
    if redis.call('SET', KEYS[1] .. ':silent:' .. node, ARGV[1], 'NX', 'PX', ARGV[4]) then
      silent[#silent + 1] = node
    end
  end
end
return silent
