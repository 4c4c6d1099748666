-- Changes the cells of a session's data if its head still is as given.
-- KEYS: the hash of the session. ARGV: "1" and the head, or "0" and ""; how long
-- the hash is kept, in milliseconds; number of cells that are set; the name and
-- the value of each; the names of those that go.
local head = redis.call('HGET', KEYS[1], '')
if ARGV[1] == '1' then
	if head ~= ARGV[2] then return 0 end
elseif head then
	return 0
end
local n = tonumber(ARGV[4])
for i = 5, 3 + 2 * n, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
for i = 5 + 2 * n, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
