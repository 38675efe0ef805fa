-- Count a try to deliver a report that is still here.
-- KEYS: report.  ARGV: time of this try.  -> which one it is, from 1; 0 when the report is gone.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSETNX', KEYS[1], 'since', ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'tries', 1)
