-- Write one step of a call: its own events, the snapshot, the feed item. All of it, or nothing.
-- KEYS: log, state, lease, calls:live, feed, seen, token, claims, calls:ended, and a leg's when this step names one.
-- ARGV: epoch, applied, id of this step, snapshot, phase, over (0/1), retention ms, length of the feed, call, echo,
--       ms after which an ended call is due for archiving,
--       then (time or '', packed event) for each own event.
-- -> {0} fenced | {1, applied} written | {2, end of the log, missing entries} the log has grown: nothing was written.
local state = redis.call('HMGET', KEYS[2], 'epoch', 'step', 'applied')
if state[1] ~= ARGV[1] then
  return {0}
end
if state[2] == ARGV[3] then
  -- This step was written before, and its reply was lost.
  return {1, tonumber(state[3])}
end
local applied, last = tonumber(ARGV[2]), redis.call('XLEN', KEYS[1])
if last < applied then
  -- Redis restarted with less than it had acknowledged: this activation's state is not what the log holds.
  return {0}
end
if last > applied then
  return {2, last, redis.call('XRANGE', KEYS[1], '0-' .. string.format('%d', applied + 1), '+')}
end

local time = redis.call('TIME')
local at = string.format('%d.%06d', time[1], time[2])
for i = 12, #ARGV, 2 do
  last = last + 1
  redis.call('XADD', KEYS[1], string.format('0-%d', last), 't', ARGV[i] ~= '' and ARGV[i] or at, 'e', ARGV[i + 1])
end
if KEYS[10] then
  redis.call('SET', KEYS[10], ARGV[9], 'NX', 'PX', ARGV[7])
end
redis.call('HSET', KEYS[2], 'snapshot', ARGV[4], 'applied', last, 'step', ARGV[3], 'phase', ARGV[5], 'over', ARGV[6])

-- With the id of the entry before, a listener notices that it missed one.
local before = redis.call('XREVRANGE', KEYS[5], '+', '-', 'COUNT', 1)[1]
local id = redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[8], '*', 'c', ARGV[9], 't', at, 'd', ARGV[10])
redis.call('PUBLISH', KEYS[5], (before and before[1] or '0-0') .. ' ' .. id .. ' ' .. ARGV[9] .. ' ' .. at .. '\n' .. ARGV[10])

if ARGV[6] == '1' then
  redis.call('ZREM', KEYS[4], ARGV[9])
  redis.call('DEL', KEYS[3], KEYS[7])
  redis.call('ZADD', KEYS[9], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[11], ARGV[9])
  for _, key in ipairs({KEYS[1], KEYS[2], KEYS[6], KEYS[8]}) do
    redis.call('PEXPIRE', key, ARGV[7])
  end
end
return {1, last}
