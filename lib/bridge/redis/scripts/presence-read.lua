-- Who is in a room. Behind sender.lua and presence.lua.
--
-- KEYS: presence, senders.
-- ARGV: epoch for a presence that begins here (empty: nobody follows it, so none begins), then what the reader knows: epoch, version,
--       chain (empty: nothing).
-- Reply: epoch, version, chain; then, unless that is what the reader knows, for each member: user, devices, status, meta.

openRoom(ARGV[1])
if version == 0 and epoch ~= '' then redis.call('HSET', ROOM, 'head', epoch .. ' 0 ' .. chain .. ' ' .. int(members)) end
keep()
local reply = { epoch, int(version), chain }
if epoch == ARGV[2] and int(version) == ARGV[3] and chain == ARGV[4] then return reply end
local fields = redis.call('HGETALL', ROOM)
for index = 1, #fields, 2 do
  if string.sub(fields[index], 1, 2) == 'm:' then
    local devices, status, meta = string.match(fields[index + 1], '^(%d+) [^\n]*\n([^\n]*)\n(.*)$')
    local at = #reply
    reply[at + 1], reply[at + 2], reply[at + 3], reply[at + 4] = string.sub(fields[index], 3), devices, status, meta
  end
end
return reply
