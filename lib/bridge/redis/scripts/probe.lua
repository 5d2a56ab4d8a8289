-- Shows that Redis takes writes and fans out. KEYS: a key of the node; ARGV: number of the probe, how long the key is kept, PUBLISH or
-- SPUBLISH, the node's channel.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call(ARGV[3], ARGV[4], ARGV[1])
return 1
