-- Whether a channel has no listener.
-- ARGV: channel, seconds after the start of this server in which every listener may still be subscribing.  -> 0 or 1.
if redis.call('PUBSUB', 'NUMSUB', ARGV[1])[2] > 0 then
  return 0
end
local about = redis.pcall('INFO', 'server')
local uptime = type(about) == 'string' and string.match(about, 'uptime_in_seconds:(%d+)')
return uptime and tonumber(uptime) < tonumber(ARGV[2]) and 0 or 1
