-- Keep the only report of a call, and publish it in the feed: both, or nothing when there is one or the call was forgotten.
-- KEYS: report, reports:due, state, feed.  ARGV: call, report, ms to keep it, length of the feed, echo.
-- -> 1 kept | 0 not.
local state = redis.call('HMGET', KEYS[3], 'forget', 'gone')
if state[1] == '1' or state[2] == '1' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return 0
end
if redis.call('HSETNX', KEYS[1], 'report', ARGV[2]) == 0 then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local time = redis.call('TIME')
local at = string.format('%d.%06d', time[1], time[2])
local before = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)[1]
local id = redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[4], '*', 'c', ARGV[1], 't', at, 'd', ARGV[5])
redis.call('PUBLISH', KEYS[4], (before and before[1] or '0-0') .. ' ' .. id .. ' ' .. ARGV[1] .. ' ' .. at .. '\n' .. ARGV[5])
return 1
