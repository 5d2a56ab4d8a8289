-- Reads a channel's log: its head alone, what follows a position (`repair`: with removals), what lies before one, or the newest entries.
--
-- KEYS: head, log, recent removals.
-- ARGV: epoch for a log that begins here, query (head, since, repair, last, before), entries at most, bytes at most, and for `since`,
--       `repair` and `before`: epoch, offset and chain of the position, or only `start`.
-- Reply: epoch, offset, chain of the head; verdict (recovered, expired, diverged, trimmed); 1 if there is more; offset and chain read up
--        to; the store's time; for each user removed lately the age in ms and the position; then entries, oldest first: id, fields.

local query, limit, maxBytes = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local time = now()
local head = open(ARGV[1])
trim(head.r, time)

local verdict, more, entries = 'recovered', 0, {}
local upTo = { o = head.o, c = head.c }

-- Entries are fetched whole, wanted or not, and all other calls wait meanwhile. So it begins with one, and steps become longer where
-- entries are small.
local MAX_STEP, STEP_BYTES = 16, 16 * 1024
local largest = 1

local function nextStep (step, chunk, found)
  for _, entry in ipairs(chunk) do largest = math.max(largest, #entry[2][10]) end
  return math.max(1, math.min(2 * step, MAX_STEP, math.floor(STEP_BYTES / largest), limit - found + 1))
end

-- Removals are none, nor is what later versions may have in a log.
local function isMessage (entry)
  return entry[2][8] == 'm' or entry[2][8] == 'r'
end

local function since (offset, messagesOnly)
  local bytes = 0
  local from = offset + 1
  local step = 1
  local at
  while true do
    local chunk = redis.call('XRANGE', LOG, int(from) .. '-0', '+', 'COUNT', step)
    for _, entry in ipairs(chunk) do
      if isMessage(entry) or not messagesOnly then
        local size = #entry[2][10]
        if #entries > 0 and (#entries >= limit or bytes + size > maxBytes) then
          more = 1
          upTo = at
          return
        end
        bytes = bytes + size
        entries[#entries + 1] = entry
      end
      at = { o = offsetOf(entry), c = entry[2][2] }
      from = at.o + 1
    end
    if #chunk < step then return end
    step = nextStep(step, chunk, #entries)
  end
end

local function before (offset)
  local bytes = 0
  local newest = offset - 1
  local step = 1
  local found = {}
  while newest >= 1 and more == 0 do
    local chunk = redis.call('XREVRANGE', LOG, int(newest) .. '-0', '-', 'COUNT', step)
    for _, entry in ipairs(chunk) do
      newest = offsetOf(entry) - 1
      if isMessage(entry) then
        local size = #entry[2][10]
        if #found >= limit or (#found > 0 and bytes + size > maxBytes) then
          more = 1
          break
        end
        bytes = bytes + size
        found[#found + 1] = entry
      end
    end
    if #chunk < step then break end
    step = nextStep(step, chunk, #found)
  end
  for index = #found, 1, -1 do entries[#entries + 1] = found[index] end
end

if query == 'last' then
  before(head.o + 1)
elseif query ~= 'head' then
  local epoch, offset, chain = ARGV[5], tonumber(ARGV[6]), ARGV[7]
  if epoch == 'start' then
    offset = 0
  else
    verdict = judge(head, epoch, offset, chain)
  end
  if verdict == 'recovered' then
    if query == 'before' then before(offset) else since(offset, query ~= 'repair') end
  end
end

-- Who repairs finds removals in the log, unless that does not go back to where it was.
local removals = {}
if query == 'head' or (query == 'repair' and verdict ~= 'recovered') then
  local recent = redis.call('HGETALL', KEYS[3])
  for index = 1, #recent, 2 do
    local at, position = string.match(recent[index + 1], '^(%d+) (.*)$')
    removals[#removals + 1] = recent[index]
    removals[#removals + 1] = int(math.max(0, time - at))
    removals[#removals + 1] = position
  end
end

return { head.e, int(head.o), head.c, verdict, more, int(upTo.o), upTo.c, int(time), removals, entries }
