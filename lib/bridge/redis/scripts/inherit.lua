-- What a dead incarnation held: from now on it can list no more.
--
-- KEYS: holdings. ARGV: how long they are kept in ms, where to go on (0 at first).
-- Reply: where to go on (0: at the end), names and numbers of what it held.

redis.call('HSET', KEYS[1], 'dead', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('HSCAN', KEYS[1], ARGV[2], 'COUNT', 500)
