-- What the scripts that nodes change something with have in common: calls of a node that is dead, or that were overtaken, change nothing.
--
-- A node's calls about one channel are numbered. One that was held up on its way (in a link that was given up, in a process that was
-- stopped) could otherwise come after the call that took it back, and nobody would ever take it back again.
-- KEYS[2]: senders (a hash): node -> lowest incarnation that may call, number of its last call, time of that.

local SENDERS = KEYS[2]
local REMEMBERED = 60 * 60 * 1000

-- A number as Redis writes it; tostring gives up at 14 digits.
local function int (number)
  return string.format('%.0f', number)
end

local clock = redis.call('TIME')
local time = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function readSender (node)
  local entry = redis.call('HGET', SENDERS, node)
  if not entry then return 0, 0, false end
  local lowest, last = string.match(entry, '^(%d+) (%d+) ')
  return tonumber(lowest), tonumber(last), true
end

local function writeSender (node, lowest, last, known)
  if not known then
    -- Nodes come and go while a channel stays.
    local all = redis.call('HGETALL', SENDERS)
    for index = 1, #all, 2 do
      if tonumber(string.match(all[index + 1], '%d+$')) < time - REMEMBERED then redis.call('HDEL', SENDERS, all[index]) end
    end
  end
  redis.call('HSET', SENDERS, node, int(lowest) .. ' ' .. int(last) .. ' ' .. int(time))
  redis.call('PEXPIRE', SENDERS, REMEMBERED)
end

-- Whether a node may change something: nil, or why not.
local function refusal (node, incarnation, call)
  local lowest, last, known = readSender(node)
  if incarnation < lowest then return 'dead' end
  if call < last then return 'stale' end
  writeSender(node, lowest, call, known)
  return nil
end

-- An incarnation and those before it may change nothing any more.
local function bury (node, incarnation)
  local lowest, last, known = readSender(node)
  if lowest <= incarnation then writeSender(node, incarnation + 1, last, known) end
end

-- Whether `<node>:<incarnation>` names an incarnation of a node, or one before it.
local function isOf (owner, node, incarnation)
  local name, number = string.match(owner, '^(.*):(%d+)$')
  return name == node and tonumber(number) <= incarnation
end
