-- Lists what an incarnation holds, before it does so.
--
-- KEYS: holdings of the incarnation (a hash: what is held -> number; `begun`: it was there before; `dead`: no more is taken).
-- ARGV: how long they are kept in ms, 1 if these are the first, then for each thing held its name and a number.
-- Reply: ok, dead, or lost (nothing was listed: what had been is gone).

if redis.call('HEXISTS', KEYS[1], 'dead') == 1 then return 'dead' end
if ARGV[2] == '0' and redis.call('HEXISTS', KEYS[1], 'begun') == 0 then return 'lost' end
redis.call('HSET', KEYS[1], 'begun', 1)
for index = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 'ok'
