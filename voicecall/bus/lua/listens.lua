-- Register a process as alive, and on which server it listens.
-- KEYS: sorted set of processes, the key that says on which server this one has listened.
-- ARGV: process, its channel, ms to keep the latter.  The score is in seconds.
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], string.format('%d.%06d', time[1], time[2]), ARGV[1])
if redis.call('PUBSUB', 'NUMSUB', ARGV[2])[2] > 0 then
  redis.call('SET', KEYS[2], this_server(), 'PX', ARGV[3])
end
return 1
