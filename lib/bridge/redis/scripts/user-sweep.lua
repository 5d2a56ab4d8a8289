-- Takes a part of what a dead incarnation, and those of its node before it, left of a user's connections. Behind sender.lua.
--
-- KEYS: connections, senders.
-- ARGV: dead node, its incarnation, where to go on (0 at first).
-- Reply: where to go on (0: at the end), 0.

local node, incarnation = ARGV[1], tonumber(ARGV[2])
redis.call('HLEN', KEYS[1])
bury(node, incarnation)
local scanned = redis.call('HSCAN', KEYS[1], ARGV[3], 'COUNT', 500)
for index = 1, #scanned[2], 2 do
  if isOf(string.match(scanned[2][index + 1], '%S+$'), node, incarnation) then redis.call('HDEL', KEYS[1], scanned[2][index]) end
end
return { scanned[1], '0' }
