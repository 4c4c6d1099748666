-- Replaces the epoch in KEYS[1] if it is still ARGV[1] ('' for none) by the id
-- ARGV[2], and returns the one that is there now. It begins now, or in a log
-- that has only been rolled back when the old one began: ARGV[3], else ''.
-- ARGV[4] is the number of buckets in it.
local held = redis.call('GET', KEYS[1]) or ''
if held ~= ARGV[1] then return held end
local born = ARGV[3]
if born == '' then
	local clock = redis.call('TIME')
	born = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
end
held = ARGV[2] .. ':' .. born .. ':' .. ARGV[4]
redis.call('SET', KEYS[1], held)
return held
