-- Shows that Redis takes writes and fans out. KEYS: a key of the node; ARGV: number of the probe, how long the key is kept, PUBLISH or
-- SPUBLISH, the node's channel. Reply: the store's time, epoch ms.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call(ARGV[3], ARGV[4], ARGV[1])
local time = redis.call('TIME')
return time[1] * 1000 + math.floor(time[2] / 1000)
