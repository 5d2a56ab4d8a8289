-- Takes a ticket for one use. A call that is made again because its answer was lost gets the same answer; nobody else does.
--
-- KEYS: the ticket, who took it. ARGV: id of the call, how long that is remembered. Reply: the ticket's value, or nothing.
local taken = redis.call('HMGET', KEYS[2], 'by', 'value')
if taken[1] == ARGV[1] then return taken[2] end
local value = redis.call('GET', KEYS[1])
if not value then return false end
-- Before the ticket goes: where there is no memory for this, the ticket is still there.
redis.call('HSET', KEYS[2], 'by', ARGV[1], 'value', value)
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[1])
return value
