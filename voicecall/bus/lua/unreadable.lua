-- Record that the snapshot of an ended call is undecodable.
-- KEYS: state.  -> {ms since this was first recorded, the snapshot}, or {-1, ''} when there is no snapshot.
local state = redis.call('HMGET', KEYS[1], 'over', 'snapshot', 'unread')
if state[1] ~= '1' or not state[2] then
  return {-1, ''}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not state[3] then
  redis.call('HSET', KEYS[1], 'unread', string.format('%d', now))
  return {0, state[2]}
end
return {now - tonumber(state[3]), state[2]}
