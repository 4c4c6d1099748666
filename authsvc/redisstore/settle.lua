-- Judges a presentation afterwards: authsvc.Settle on the state in KEYS[1]. The
-- rows are explained there. ARGV: generation, issued, retry hash, bound, grace,
-- when it was granted, how long to keep the state, Exp of a revocation entry.
local g, i = tonumber(ARGV[1]), tonumber(ARGV[2])
local retry, bound, grace, at = ARGV[3], ARGV[4] == '1', tonumber(ARGV[5]), tonumber(ARGV[6])
local keep, exp = ARGV[7], tonumber(ARGV[8])

local SAME, REPLAY, THEFT, REVOKED = 2, 3, 4, 5
local UNCLAIMED = string.rep('\255', 8)

local value = redis.call('GET', KEYS[1])
if not value then return {SAME, g, i, tonumber(ARGV[9])} end
local form, size = string.sub(value, 1, 1), #value
if form == 'x' and size == 9 then
	local t, e = struct.unpack('>I4I4', value, 2)
	return {REVOKED, t, e}
elseif form ~= 's' or (size ~= 17 and size ~= 25) then
	return redis.error_reply('ERR damaged refresh state')
end
local cg, ct, cp = struct.unpack('>I4I6I6', value, 2)
local rh = string.sub(value, 18)

if (g >= cg and i > ct) or (g == cg and ct - i <= grace) then
	return {SAME, g, i, tonumber(ARGV[9])}
end
local lineage = g + 1 == cg and i == cp
if lineage and rh ~= '' and rh == retry then
	redis.call('SET', KEYS[1], string.sub(value, 1, 17) .. UNCLAIMED, 'PXAT', keep)
	return {REPLAY, cg, ct, cp}
end
if lineage and (bound or rh == UNCLAIMED) then return {SAME, cg, ct, cp} end
local replaced = cp
if g >= cg or g + 1 == cg then replaced = ct end
if at - replaced > grace then
	local t = math.ceil(at / 1000)
	redis.call('SET', KEYS[1], 'x' .. struct.pack('>I4I4', t, exp), 'PXAT', keep)
	return {THEFT, t, exp}
end
return {SAME, cg, ct, cp}
