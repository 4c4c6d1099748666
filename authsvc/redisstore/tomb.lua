-- Ends the session whose refresh state is KEYS[1]: row 1 of the step refuses
-- its tokens from now on. ARGV: T and Exp of its revocation entry (s), how long
-- to keep it (Unix ms). A tombstone that is there already is raised, each time
-- to its maximum.
local t, e = tonumber(ARGV[1]), tonumber(ARGV[2])
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 1, 1) == 'x' and #value == 9 then
	local ot, oe = struct.unpack('>I4I4', value, 2)
	t, e = math.max(t, ot), math.max(e, oe)
end
redis.call('SET', KEYS[1], 'x' .. struct.pack('>I4I4', t, e), 'PXAT', string.format('%.0f', math.max(ARGV[3], (e + 60) * 1000)))
return 1
