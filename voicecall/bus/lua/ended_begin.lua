-- Somebody is at what follows a call's end: nobody else is rung for it meanwhile, and it is kept for as long as it takes.
-- KEYS: state, calls:ended, log, seen, claims.  ARGV: call, hold ms, retention ms.
-- -> {over (0/1), for the first time (0/1), to be forgotten (0/1)}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[2], 'XX', now + ARGV[2], ARGV[1])
local state = redis.call('HMGET', KEYS[1], 'over', 'forget', 'gone')
if state[1] ~= '1' or state[3] == '0' then
  return {0, 0, 0}
end
if state[3] then
  -- Forgotten. Whoever was at it before may have died with the archive written and this not yet read.
  return {1, 0, 1}
end
for _, key in ipairs({KEYS[1], KEYS[3], KEYS[4], KEYS[5]}) do
  redis.call('PEXPIRE', key, ARGV[3])
end
return {1, redis.call('HSETNX', KEYS[1], 'summed', '1'), state[2] == '1' and 1 or 0}
