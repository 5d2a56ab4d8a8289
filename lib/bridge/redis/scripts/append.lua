-- Appends a batch to a channel's log and fans it out, once however often it is called with the same batch.
--
-- KEYS: head, log, result of the batch, recent removals (a hash: user -> time and position), then each idempotency key once.
-- ARGV: epoch for a log that begins here, batch id, how long the result is kept, PUBLISH or SPUBLISH, the channel,
--       entries kept, age kept, how long the head is kept, how long removals are remembered, 1 if bounds that the log has stay as they are (the three
--       above are for a log that has none), number of items, then for each item:
--       kind (m: message, r: message that asks for receipts, x: removal), data (for m and r the frame without its end),
--       number of its key among KEYS (0: none), digest, how long the key is kept, user removed.
-- Reply: a line for each item: `p` (published) or `d` (duplicate) with epoch, offset, chain and time, or `c` (conflict).

local MAX_REMOVALS = 1000

local stored = redis.call('GET', KEYS[3])
if stored then return stored end

-- Those that are too old, or too many: the oldest first.
local function forgetRemovals (key, limit)
  local all, kept = redis.call('HGETALL', key), {}
  for index = 1, #all, 2 do
    local at = tonumber(string.match(all[index + 1], '^%d+'))
    if at > limit then kept[#kept + 1] = { user = all[index], at = at } else redis.call('HDEL', key, all[index]) end
  end
  if #kept <= MAX_REMOVALS then return end
  table.sort(kept, function (a, b) return a.at < b.at end)
  for index = 1, #kept - MAX_REMOVALS do redis.call('HDEL', key, kept[index].user) end
end

-- Everything that could fail comes before the first write: a script that ends in the middle is not taken back.
local known = {}
for key = 5, #KEYS do known[key] = redis.call('GET', KEYS[key]) end
redis.call('HLEN', KEYS[4])

local size, ttl, headTtl = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local time = now()
local head = open(ARGV[1])
local first = { o = head.o, c = head.c }
local results, sent = {}, {}
local removed = false
local base = 11

-- What was too old by the former bounds stays gone although the new ones are longer.
trim(head.r, time)
if ARGV[10] == '1' and head.s > 0 then size, ttl, headTtl = head.s, head.r, head.m end

for item = 1, tonumber(ARGV[11]) do
  local kind, data, key, digest, keyTtl, user = unpack(ARGV, base + 1, base + 6)
  base = base + 6
  local earlier = known[tonumber(key)]
  if earlier then
    local space = string.find(earlier, ' ', 1, true)
    results[item] = string.sub(earlier, 1, space - 1) == digest and 'd ' .. string.sub(earlier, space + 1) or 'c'
  else
    local previous = head.c
    head.o = head.o + 1
    head.c = string.sub(redis.sha1hex(previous .. ARGV[2] .. ':' .. item), 1, 12)
    local place = head.e .. ' ' .. int(head.o) .. ' ' .. head.c .. ' ' .. int(time)
    if kind == 'x' then
      redis.call('HSET', KEYS[4], user, int(time) .. ' ' .. head.e .. '.' .. int(head.o) .. '.' .. head.c)
      removed = true
    else
      data = data .. ',"timestamp":' .. int(time) .. ',"position":"' .. head.e .. '.' .. int(head.o) .. '.' .. head.c .. '"}'
    end
    redis.call('XADD', LOG, int(head.o) .. '-0', 'c', head.c, 'p', previous, 't', int(time), 'k', kind, 'd', data)
    if key ~= '0' then
      known[tonumber(key)] = digest .. ' ' .. place
      redis.call('SET', KEYS[tonumber(key)], known[tonumber(key)], 'PX', keyTtl)
    end
    sent[#sent + 1] = kind .. ' ' .. head.c .. ' ' .. #data .. '\n' .. data
    results[item] = 'p ' .. place
  end
end

if removed then
  forgetRemovals(KEYS[4], time - ARGV[9])
  redis.call('PEXPIRE', KEYS[4], ARGV[9])
end
if #sent > 0 then
  head.s, head.r, head.m = size, ttl, headTtl
  redis.call('XTRIM', LOG, 'MAXLEN', size)
  trim(ttl, time)
  redis.call('PEXPIRE', LOG, int(ttl))
end
writeHead(head)
redis.call('PEXPIRE', META, int(head.m))
local result = table.concat(results, '\n')
redis.call('SET', KEYS[3], result, 'PX', ARGV[3])
if #sent > 0 then
  -- What is in the log is published, whether or not it may be fanned out: the probe finds that, and followers read it.
  redis.pcall(ARGV[4], ARGV[5],
    '1L ' .. head.e .. ' ' .. int(first.o) .. ' ' .. first.c .. ' ' .. int(time) .. ' ' .. #sent .. '\n' .. table.concat(sent))
end
return result
