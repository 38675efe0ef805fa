-- Whether a channel has no listener, and its process has listened on this server.
-- KEYS: the key that says on which server it has.  ARGV: channel.  -> 0 or 1.
if redis.call('PUBSUB', 'NUMSUB', ARGV[1])[2] > 0 then
  return 0
end
local here = this_server()
return here ~= '' and redis.call('GET', KEYS[1]) == here and 1 or 0
