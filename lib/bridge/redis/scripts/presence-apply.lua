-- Changes who is in a room and fans it out; making the same call again changes nothing more. Behind sender.lua and presence.lua.
--
-- KEYS: presence, senders.
-- ARGV: node, incarnation, number of the call, PUBLISH or SPUBLISH, the channel, epoch for a presence that begins here, then for each
--       change six:
--       attach, user, connection, members at most (empty: any number)
--       restore, user, connection, time of the last update, status, meta: as attach, by who has lost it here
--       detach, user, connection, how long in ms the member lingers
--       leave, user: if the time to linger is over
--       update, user, status as JSON text (empty: as it is), meta as JSON text (empty: as it is; -: none)
-- Reply: `dead` or `stale` (nothing was changed), or `ok`, epoch and version, then for each change
--       attach, restore, update: the member's last update, status and meta, or nothing (full, not a member)
--       detach, leave: how long in ms the member still lingers in the node's keeping

local node, incarnation, number = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local owner = node .. ':' .. ARGV[2]
local call = node .. ':' .. ARGV[3]
-- A key of another type fails here, before anything is written.
openRoom(ARGV[6])
local refused = refusal(node, incarnation, number)
if refused then return { refused } end

local function describe (member)
  return int(member.stamp) .. '\n' .. member.status .. '\n' .. member.meta
end

local function attach (user, connection, limit, restored)
  local field = 'c:' .. user .. '\n' .. connection
  local member = readMember(user)
  local change
  if not member then
    if limit ~= '' and members >= tonumber(limit) then return '' end
    member = { devices = 0, leaves = 0, keeper = '-', stamp = 0, status = initial, meta = '' }
    members = members + 1
    change = 'joined'
  end
  if restored and restored.stamp > member.stamp then
    member.stamp, member.status, member.meta = restored.stamp, restored.status, restored.meta
    change = change or 'updated'
  end
  local known = redis.call('HGET', ROOM, field)
  if known ~= owner then redis.call('HSET', ROOM, field, owner) end
  if not known then
    member.devices = member.devices + 1
    member.leaves, member.keeper = 0, '-'
    change = change or 'devices'
  end
  if change then
    writeMember(user, member)
    changed(call, change, user, member)
  end
  return describe(member)
end

local function remaining (member)
  if member.leaves == 0 or member.keeper ~= owner then return 0 end
  return math.max(1, member.leaves - time)
end

local function detach (user, connection, linger)
  local member = readMember(user)
  if redis.call('HDEL', ROOM, 'c:' .. user .. '\n' .. connection) == 1 and member then
    member.devices = member.devices - 1
    if member.devices == 0 and linger <= 0 then
      leave(call, user, member)
      return 0
    end
    if member.devices == 0 then member.leaves, member.keeper = time + linger, owner end
    writeMember(user, member)
    changed(call, 'devices', user, member)
  end
  return member and remaining(member) or 0
end

local function depart (user)
  local member = readMember(user)
  if not member or member.keeper ~= owner or member.leaves == 0 then return 0 end
  if member.leaves > time then return remaining(member) end
  leave(call, user, member)
  return 0
end

local function update (user, status, meta)
  local member = readMember(user)
  if not member then return '' end
  if status == '' then status = member.status end
  if meta == '' then meta = member.meta elseif meta == '-' then meta = '' end
  if status ~= member.status or meta ~= member.meta then
    member.status, member.meta, member.stamp = status, meta, time
    writeMember(user, member)
    changed(call, 'updated', user, member)
  end
  return describe(member)
end

local results = {}
for index = 7, #ARGV, 6 do
  local kind, user, a, b, c, d = unpack(ARGV, index, index + 5)
  local result
  if kind == 'attach' then result = attach(user, a, b)
  elseif kind == 'restore' then result = attach(user, a, '', { stamp = tonumber(b), status = c, meta = d })
  elseif kind == 'detach' then result = detach(user, a, tonumber(b))
  elseif kind == 'leave' then result = depart(user)
  else result = update(user, a, b) end
  results[#results + 1] = type(result) == 'number' and int(result) or result
end
finish(call, ARGV[4], ARGV[5])
return { 'ok', epoch, int(version), unpack(results) }
