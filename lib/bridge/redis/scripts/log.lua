-- What the scripts of a channel's log have in common. KEYS[1]: the log's head (a hash), KEYS[2]: the log (a stream).
--
-- Head: e epoch, o offset, c chain, s entries kept at most, r how long in ms an entry is kept, m how long in ms the head outlives its last
-- use. s and r are 0 until the first entry.
-- Entry: its id is <offset>-0; fields c chain, p the chain before it, t its time, k its kind, d its data, in this order.

local META, LOG = KEYS[1], KEYS[2]
-- How long the head of a log without any entry is kept. Whoever may join rooms of any name leaves one for each, so a room's goes soon, unless
-- a node follows it and asks for it; no position is ever taken for that of the log that begins next, since that has another epoch.
local UNWRITTEN = string.find(META, '{r:', 1, true) and 15 * 60 * 1000 or 24 * 60 * 60 * 1000

-- A number as Redis and positions write it; tostring gives up at 14 digits.
local function int (number)
  return string.format('%.0f', number)
end

local function now ()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function offsetOf (entry)
  return tonumber(string.match(entry[1], '^%d+'))
end

local function writeHead (head)
  redis.call('HSET', META, 'e', head.e, 'o', int(head.o), 'c', head.c, 's', int(head.s), 'r', int(head.r), 'm', int(head.m))
end

-- Every use of a log begins here: a head that is lost, or contradicts the newest entry, begins another log. `open` of lib/bridge/judge.ts.
local function open (epoch)
  local meta = redis.call('HMGET', META, 'e', 'o', 'c', 'r', 'm', 's')
  local head
  if meta[1] then
    head = { e = meta[1], o = tonumber(meta[2]), c = meta[3], s = tonumber(meta[6] or 0), r = tonumber(meta[4]), m = tonumber(meta[5]) }
    local last = redis.call('XREVRANGE', LOG, '+', '-', 'COUNT', 1)[1]
    if last and (offsetOf(last) ~= head.o or last[2][2] ~= head.c) then head = nil end
  end
  if not head then
    redis.call('DEL', LOG)
    head = { e = epoch, o = 0, c = '0', s = 0, r = 0, m = UNWRITTEN }
    writeHead(head)
  end
  redis.call('PEXPIRE', META, int(head.m))
  return head
end

-- Drops what is `ttl` old or older.
local function trim (ttl, time)
  local limit = time - ttl
  local step = 1
  while true do
    local entries = redis.call('XRANGE', LOG, '-', '+', 'COUNT', step)
    if #entries == 0 then return end
    for _, entry in ipairs(entries) do
      if tonumber(entry[2][6]) > limit then
        redis.call('XTRIM', LOG, 'MINID', entry[1])
        return
      end
    end
    redis.call('XTRIM', LOG, 'MINID', int(offsetOf(entries[#entries]) + 1) .. '-0')
    -- Entries are fetched whole, those that stay as well.
    step = math.min(2 * step, 16)
  end
end

-- `judge` of lib/bridge/judge.ts, the same line by line.
local function judge (head, epoch, offset, chain)
  if epoch ~= head.e then return 'expired' end
  if offset > head.o then return 'diverged' end
  if offset == head.o then return chain == head.c and 'recovered' or 'diverged' end
  local id = int(offset + 1) .. '-0'
  local next = redis.call('XRANGE', LOG, id, id)[1]
  if not next then return 'trimmed' end
  return next[2][4] == chain and 'recovered' or 'diverged'
end
