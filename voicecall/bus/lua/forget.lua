-- Keep nothing of a call that is over but that it is over; mark a living one, to be forgotten at its end.
-- What was seen of the carrier's requests stays, without our answers: a captured request must not begin the call anew.
-- KEYS: state, log, seen, claims, calls:ended, calls:kept.  ARGV: call, mark a living one (0/1).
-- -> 0 there is none | 1 marked, or left alone | 2 forgotten.
if redis.call('HGET', KEYS[1], 'over') ~= '1' then
  redis.call('ZREM', KEYS[6], ARGV[1])
  if redis.call('EXISTS', KEYS[1], KEYS[2]) == 0 then
    redis.call('ZREM', KEYS[5], ARGV[1])
    return 0
  end
  if ARGV[2] == '1' then
    redis.call('HSET', KEYS[1], 'forget', '1')
  end
  return 1
end
-- Let go of by us, it stands in the archive, and must stay there; forgotten on a wish, it must not come to stand there.
local known = redis.call('HSETNX', KEYS[1], 'gone', ARGV[2])
if ARGV[2] == '1' then
  redis.call('HSET', KEYS[1], 'gone', '1')
end
redis.call('HDEL', KEYS[1], 'snapshot', 'step', 'forget', 'unread')
redis.call('DEL', KEYS[2], KEYS[4])
for _, request in ipairs(redis.call('HKEYS', KEYS[3])) do
  redis.call('HSET', KEYS[3], request, '-')
end
redis.call('ZREM', KEYS[5], ARGV[1])
redis.call('ZREM', KEYS[6], ARGV[1])
return 2 * known
