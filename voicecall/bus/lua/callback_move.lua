-- Move a call-back from one of some states to another one. In a state that is not waiting or placing it is over.
-- KEYS: callback, callbacks:due, callback-of.
-- ARGV: id, new state, when to try next in ms ('' to leave it), ms to keep one that is over, call, detail, old state ...
-- -> 1 moved | 0 it is in another state, or gone.
local state, known = redis.call('HGET', KEYS[1], 'state'), false
for i = 7, #ARGV do
  known = known or state == ARGV[i]
end
if not known then
  return 0
end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'call', ARGV[5], 'detail', ARGV[6])
if ARGV[3] ~= '' then
  redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
end
if ARGV[2] ~= 'waiting' and ARGV[2] ~= 'placing' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  if redis.call('GET', KEYS[3]) == ARGV[1] then
    redis.call('DEL', KEYS[3])
  end
end
return 1
