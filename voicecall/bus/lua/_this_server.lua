-- Prepended to the scripts that use it.
-- Which server this is, as a primary: another after each restart and after each promotion. '' when it does not say.
-- Who has listened here and has no socket here is gone; who has not is still on its way. How long the server runs says
-- nothing: a promoted replica has run for long, and has no listeners yet.
local function this_server()
  local run = redis.pcall('INFO', 'server')
  local line = redis.pcall('INFO', 'replication')
  if type(run) ~= 'string' or type(line) ~= 'string' then
    return ''
  end
  local id, history = string.match(run, 'run_id:(%x+)'), string.match(line, 'master_replid:(%x+)')
  return id and id .. (history or '') or ''
end
