-- Become the owner of a call that has no owner, or whose owner's channel has no listener.
-- KEYS: state, lease, log, calls:live.
-- ARGV: node, ttl ms, call, prefix of node channels, lease whose owner looked dead in an earlier try ('' for none),
--       prefix of the keys that say on which server a node has listened.
-- -> {0} no | {2, lease} its owner looks dead: try again
--    | {1, epoch, applied, snapshot or '', rest of the log, handed over by the last owner (0/1)} yes.
if redis.call('HGET', KEYS[1], 'over') == '1' or redis.call('EXISTS', KEYS[1], KEYS[3]) == 0 then
  redis.call('ZREM', KEYS[4], ARGV[3])
  redis.call('DEL', KEYS[2])
  return {0}
end
local holder = redis.call('GET', KEYS[2])
if holder then
  local owner = string.match(holder, '^%d+ (.*)$')
  if owner == ARGV[1] then
    return {0}
  end
  -- Only a node whose own channel has a listener may declare another one dead.
  local heard = redis.call('PUBSUB', 'NUMSUB', ARGV[4] .. ARGV[1], ARGV[4] .. owner)
  if heard[2] == 0 or heard[4] > 0 then
    return {0}
  end
  -- Its silence means something only on a server on which it has listened.
  local here = this_server()
  if here == '' or redis.call('GET', ARGV[6] .. owner) ~= here then
    return {0}
  end
  if holder ~= ARGV[5] then
    return {2, holder}
  end
end

local time = redis.call('TIME')
local epoch = redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('SET', KEYS[2], string.format('%d ', epoch) .. ARGV[1], 'PX', ARGV[2])
if redis.call('HGET', KEYS[1], 'away') ~= '1' then
  redis.call('ZADD', KEYS[4], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2], ARGV[3])
end
local state = redis.call('HMGET', KEYS[1], 'applied', 'snapshot', 'handed')
local applied = tonumber(state[1] or 0)
local rest = redis.call('XRANGE', KEYS[3], string.format('0-%d', applied + 1), '+')
local handed = state[3] == string.format('%d', epoch - 1) and 1 or 0
return {1, epoch, applied, state[2] or '', rest, handed}
