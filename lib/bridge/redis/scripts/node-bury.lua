-- Takes an incarnation out of the registry and puts it among the dead, whose holdings are swept.
--
-- KEYS: registry, the dead. ARGV: how long they are kept in ms, the incarnation, and the counter it must still have (empty: whatever).
-- Reply: 1, or 0 if it has moved on.

local counter = redis.call('HGET', KEYS[1], ARGV[2])
if ARGV[3] ~= '' and counter ~= ARGV[3] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], redis.call('TIME')[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return 1
