-- What the scripts of a room's presence have in common. Behind sender.lua. KEYS[1]: presence (a hash), in which stand
--   head                      epoch, version, chain, number of members
--   m:<user>                  devices, time to leave (0: none), who sees to that (-: nobody), time of the last update; then, each on
--                             a line, status and meta as JSON text (no meta: empty)
--   c:<user>\n<connection>    the incarnation whose connection it is: <node>:<number>
-- All of it is one key, so that it is lost as a whole or not at all, and the counts are never parted from what they count.

local ROOM = KEYS[1]
-- For how long: as log.lua has it where nobody is in the room.
local KEPT, EMPTY = 24 * 60 * 60 * 1000, 15 * 60 * 1000
local MAX_ENVELOPE = 256 * 1024

local epoch, version, chain, members
local initial = '"online"'
local envelopes, events, bytes, first, before = {}, {}, 0, nil, nil

local function openRoom (newEpoch)
  local head = redis.call('HGET', ROOM, 'head')
  if head then
    local e, v, c, n = string.match(head, '^(%S+) (%d+) (%S+) (%d+)$')
    epoch, version, chain, members = e, tonumber(v), c, tonumber(n)
  else
    epoch, version, chain, members = newEpoch, 0, '0', 0
  end
end

local function readMember (user)
  local record = redis.call('HGET', ROOM, 'm:' .. user)
  if not record then return nil end
  local devices, leaves, keeper, stamp, status, meta = string.match(record, '^(%d+) (%d+) (%S+) (%d+)\n([^\n]*)\n(.*)$')
  return { devices = tonumber(devices), leaves = tonumber(leaves), keeper = keeper, stamp = tonumber(stamp), status = status, meta = meta }
end

local function writeMember (user, member)
  redis.call('HSET', ROOM, 'm:' .. user, int(member.devices) .. ' ' .. int(member.leaves) .. ' ' .. member.keeper .. ' ' ..
    int(member.stamp) .. '\n' .. member.status .. '\n' .. member.meta)
end

local function keep ()
  redis.call('PEXPIRE', ROOM, members > 0 and KEPT or EMPTY)
end

local function seal (call)
  if #events == 0 then return end
  before, chain = chain, string.sub(redis.sha1hex(chain .. call .. ':' .. #envelopes), 1, 12)
  envelopes[#envelopes + 1] = '1P\n{"epoch":"' .. epoch .. '","version":' .. int(first) .. ',"before":"' .. before .. '","chain":"' .. chain ..
    '","timestamp":' .. int(time) .. ',"events":[' .. table.concat(events, ',') .. ']}'
  events, bytes = {}, 0
end

-- One more version: what became of a member.
local function changed (call, change, user, member)
  version = version + 1
  if #events == 0 then first = version end
  local event = '{"change":"' .. change .. '","member":{"userId":' .. cjson.encode(user) .. ',"status":' .. member.status ..
    (member.meta ~= '' and ',"meta":' .. member.meta or '') .. ',"devices":' .. int(member.devices) .. '}}'
  events[#events + 1] = event
  bytes = bytes + #event
  if bytes > MAX_ENVELOPE then seal(call) end
end

local function leave (call, user, member)
  redis.call('HDEL', ROOM, 'm:' .. user)
  members = members - 1
  changed(call, 'left', user, member)
end

-- Writes the head and fans out. What was changed is changed whether or not it may be fanned out: followers read it when it can.
local function finish (call, publish, channel)
  seal(call)
  if #envelopes == 0 then return end
  redis.call('HSET', ROOM, 'head', epoch .. ' ' .. int(version) .. ' ' .. chain .. ' ' .. int(members))
  keep()
  for _, envelope in ipairs(envelopes) do redis.pcall(publish, channel, envelope) end
end
