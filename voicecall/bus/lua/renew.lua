-- Extend many leases at once.
-- KEYS: calls:live, then (lease, state) of each.  ARGV: ttl ms, then (call, epoch, lease) of each.
-- -> the indexes, from 1, of the lost ones.
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local lost = {}
for place = 1, (#KEYS - 1) / 2 do
  local lease, state = KEYS[2 * place], KEYS[2 * place + 1]
  local call, epoch, mine = ARGV[3 * place - 1], ARGV[3 * place], ARGV[3 * place + 1]
  local holder = redis.call('GET', lease)
  local kept = holder == mine
  if not holder then
    -- It expired, but no other node took it: the same epoch continues (guarantee P8).
    local now = redis.call('HMGET', state, 'epoch', 'over')
    kept = now[1] == epoch and now[2] ~= '1'
  end
  if kept then
    redis.call('SET', lease, mine, 'PX', ARGV[1])
    redis.call('ZADD', KEYS[1], ends, call)
  else
    lost[#lost + 1] = place
  end
end
return lost
