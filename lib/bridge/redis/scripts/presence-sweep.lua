-- Takes a part of what a dead incarnation, and those of its node before it, left in a room, and fans that out. Behind sender.lua and
-- presence.lua.
--
-- KEYS: presence, senders.
-- ARGV: dead node, its incarnation, an id for this call, PUBLISH or SPUBLISH, the channel, where to go on (0 at first).
-- Reply: where to go on (0: at the end), how long in ms until the first of those leaves who linger (0: nobody does).

local node, incarnation, call = ARGV[1], tonumber(ARGV[2]), ARGV[3]
openRoom('')
if epoch == '' then return { '0', '0' } end
bury(node, incarnation)

local scanned = redis.call('HSCAN', ROOM, ARGV[6], 'COUNT', 500)
local cursor, fields = scanned[1], scanned[2]
local lost, order, waits = {}, {}, 0

for index = 1, #fields, 2 do
  local field, value = fields[index], fields[index + 1]
  local kind = string.sub(field, 1, 2)
  if kind == 'c:' and isOf(value, node, incarnation) and redis.call('HDEL', ROOM, field) == 1 then
    local user = string.match(field, '^c:([^\n]*)')
    if not lost[user] then order[#order + 1] = user end
    lost[user] = (lost[user] or 0) + 1
  elseif kind == 'm:' then
    local leaves, keeper = string.match(value, '^%d+ (%d+) (%S+)')
    if leaves ~= '0' and isOf(keeper, node, incarnation) then
      local user, wait = string.sub(field, 3), tonumber(leaves) - time
      if wait > 0 then
        waits = waits == 0 and wait or math.min(waits, wait)
      else
        local member = readMember(user)
        if member and member.leaves ~= 0 and member.leaves <= time then leave(call, user, member) end
      end
    end
  end
end

for _, user in ipairs(order) do
  local member = readMember(user)
  if member then
    member.devices = math.max(0, member.devices - lost[user])
    if member.devices == 0 then
      leave(call, user, member)
    else
      writeMember(user, member)
      changed(call, 'devices', user, member)
    end
  end
end
finish(call, ARGV[4], ARGV[5])
return { cursor, int(waits) }
