-- Changes which connections a user has; making the same call again changes nothing more. Behind sender.lua.
--
-- KEYS: connections (a hash: connection -> order, <node>:<incarnation>), senders.
-- ARGV: node, incarnation, number of the call, then for each change three:
--       connect, connection, connections at most (empty: any number)
--       restore, connection, order: as connect, by who has lost it here
--       disconnect, connection, nothing
-- Reply: `dead` or `stale` (nothing was changed), or `ok`, then for each change the connection's order, and on a line each the oldest
--        connections beyond the limit.

local USER = KEYS[1]
local KEPT = 24 * 60 * 60 * 1000
local owner = ARGV[1] .. ':' .. ARGV[2]
redis.call('HLEN', USER)
local refused = refusal(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]))
if refused then return { refused } end

local function readConnections ()
  local all, connections = redis.call('HGETALL', USER), {}
  for index = 1, #all, 2 do
    connections[#connections + 1] = { id = all[index], order = tonumber(string.match(all[index + 1], '^%d+')) }
  end
  return connections
end

-- Behind all that are there, also when the clock was set back.
local function nextOrder (order)
  for _, connection in ipairs(readConnections()) do order = math.max(order, connection.order + 1) end
  return int(order)
end

local function excess (limit)
  local count = redis.call('HLEN', USER) - limit
  if count <= 0 then return '' end
  local connections = readConnections()
  table.sort(connections, function (a, b) return a.order < b.order or (a.order == b.order and a.id < b.id) end)
  local oldest = {}
  for index = 1, math.min(count, #connections) do oldest[index] = '\n' .. connections[index].id end
  return table.concat(oldest)
end

local function connect (connection, order)
  local known = redis.call('HGET', USER, connection)
  if known then order = string.match(known, '^%d+') end
  redis.call('HSET', USER, connection, order .. ' ' .. owner)
  return order
end

local results = { 'ok' }
for index = 4, #ARGV, 3 do
  local kind, connection, value = unpack(ARGV, index, index + 2)
  if kind == 'disconnect' then
    redis.call('HDEL', USER, connection)
    results[#results + 1] = ''
  elseif kind == 'restore' then
    results[#results + 1] = connect(connection, value)
  else
    -- Microseconds of the store's clock; those of one call follow each other.
    local now = clock[1] * 1000000 + clock[2] + index
    local order = connect(connection, value == '' and int(now) or nextOrder(now))
    results[#results + 1] = value == '' and order or order .. excess(tonumber(value))
  end
end
redis.call('PEXPIRE', USER, KEPT)
return results
