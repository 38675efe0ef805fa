-- Whether this job is the first to export the trace of an ended call. KEYS: state.  -> 0/1, 0 for a call that is gone.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
return redis.call('HSETNX', KEYS[1], 'traced', '1')
