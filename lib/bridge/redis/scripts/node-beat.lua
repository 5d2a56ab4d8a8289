-- Shows that a node lives, and who else does.
--
-- KEYS: registry (a hash: <node>:<incarnation> -> counter), the dead (a hash: <node>:<incarnation> -> since when, in seconds).
-- ARGV: how long both are kept in ms; then for each incarnation of the node: its name, and enter or beat.
-- Reply: for each of them its counter, or 0 if it is in the registry no more (or is dead); the registry; the names of the dead.

local results = {}
for index = 2, #ARGV, 2 do
  local name, counter = ARGV[index], 0
  local enters = ARGV[index + 1] == 'enter'
  if redis.call('HEXISTS', KEYS[2], name) == 0 and (enters or redis.call('HEXISTS', KEYS[1], name) == 1) then
    counter = redis.call('HINCRBY', KEYS[1], name, 1)
  end
  results[#results + 1] = counter
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return { results, redis.call('HGETALL', KEYS[1]), redis.call('HKEYS', KEYS[2]) }
