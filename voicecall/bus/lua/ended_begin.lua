-- Claim an ended call for archiving: no other job is started for `hold`, and the call's retention begins anew.
-- KEYS: state, calls:ended, log, seen, claims.  ARGV: call, hold ms, retention ms.
-- -> {over (0/1), claimed for the first time (0/1), to be forgotten (0/1)}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[2], 'XX', now + ARGV[2], ARGV[1])
local state = redis.call('HMGET', KEYS[1], 'over', 'forget', 'gone')
if state[1] ~= '1' or state[3] == '0' then
  return {0, 0, 0}
end
if state[3] then
  -- Forgotten. An earlier job may have died after it wrote the archive and before it learned of this.
  return {1, 0, 1}
end
for _, key in ipairs({KEYS[1], KEYS[3], KEYS[4], KEYS[5]}) do
  redis.call('PEXPIRE', key, ARGV[3])
end
return {1, redis.call('HSETNX', KEYS[1], 'summed', '1'), state[2] == '1' and 1 or 0}
