-- Looks an idempotency key up, and writes behind what it finds: a replica that has this has what was published under the key, too.
--
-- KEYS: the key, a mark. ARGV: how long the mark is kept in ms. Reply: what stands under the key, or nothing.
local known = redis.call('GET', KEYS[1])
if known then redis.call('SET', KEYS[2], known, 'PX', ARGV[1]) end
return known
