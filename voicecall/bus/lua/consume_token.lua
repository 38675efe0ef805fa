-- Consume a stream token, once; or the next number of the newest series, while the call lives.
-- KEYS: token, state.  ARGV: digest, number in the series (0: the first stream), again.  -> 1 when it was valid.
-- again '1': the carrier connects once more by itself, with the token of the newest stream.
if ARGV[2] ~= '0' or ARGV[3] == '1' then
  local state = redis.call('HMGET', KEYS[2], 'series', 'over')
  local token, last = string.match(state[1] or '', '^(.*) (%d+)$')
  if token ~= ARGV[1] or state[2] == '1' or tonumber(ARGV[2]) < tonumber(last) then
    return 0
  end
  if tonumber(ARGV[2]) == tonumber(last) and ARGV[3] ~= '1' then
    return 0
  end
  redis.call('HSET', KEYS[2], 'series', token .. ' ' .. ARGV[2])
  if ARGV[2] == '0' then
    redis.call('ZREM', KEYS[1], ARGV[1])
  end
  return 1
end
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not ends then
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[1])
local time = redis.call('TIME')
return tonumber(ends) > time[1] * 1000 + math.floor(time[2] / 1000) and 1 or 0
