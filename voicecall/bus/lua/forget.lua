-- Delete everything of an ended call except that it is over; mark a live call, to be forgotten when it ends.
-- The digests of the carrier's requests stay, without the answers: a replayed request must not begin the call anew.
-- KEYS: state, log, seen, claims, calls:ended, calls:kept.  ARGV: call, mark a live call (0/1).
-- -> 0 unknown | 1 live: marked, or left unchanged | 2 forgotten.
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
-- "0": evicted, the archive keeps it. "1": forgotten by request, the archive must not keep it.
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
