-- The live calls whose lease this node holds.
-- KEYS: calls:live.  ARGV: node, prefix of a call's keys.  -> calls.
local calls = {}
for _, call in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local holder = redis.call('GET', ARGV[2] .. call .. '}:lease')
  if holder and string.match(holder, '^%d+ (.*)$') == ARGV[1] then
    calls[#calls + 1] = call
  end
end
return calls
