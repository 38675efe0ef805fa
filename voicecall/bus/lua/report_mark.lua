-- Record what needs no more work of a report that is still here.
-- KEYS: report.  ARGV: names of fields ...  -> 1 recorded | 0 the report is gone.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
for _, name in ipairs(ARGV) do
  redis.call('HSET', KEYS[1], name, '1')
end
return 1
