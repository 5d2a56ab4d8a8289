-- Takes things off the list of what an incarnation holds, unless they were listed again since.
--
-- KEYS: holdings. ARGV: for each thing its name and the number it was listed with (empty: whatever). Reply: how many are left.

for index = 1, #ARGV, 2 do
  if ARGV[index + 1] == '' or redis.call('HGET', KEYS[1], ARGV[index]) == ARGV[index + 1] then redis.call('HDEL', KEYS[1], ARGV[index]) end
end
return redis.call('HLEN', KEYS[1])
