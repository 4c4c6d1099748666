-- Judges a presentation afterwards: authsvc.Settle on the state of its session.
-- The rows are explained there; each answer tells its own after the
-- verdict. ARGV: generation, issued, retry hash, bound, grace,
-- when it was granted, Exp of a revocation entry, parent issued, first and last
-- attempt before.
local g, i = tonumber(ARGV[1]), tonumber(ARGV[2])
local retry, bound, grace, at = ARGV[3], ARGV[4] == '1', tonumber(ARGV[5]), tonumber(ARGV[6])
local exp, p = tonumber(ARGV[7]), tonumber(ARGV[8])
local first, last = tonumber(ARGV[9]), tonumber(ARGV[10])

local SAME, REPLAY, THEFT, REVOKED = 2, 3, 4, 5

local form, cg, ct, cp, rh = held()
if form == '?' then return damaged() end
if form == 'x' then return {REVOKED, 1, cg, ct} end
if not form then return {SAME, 4, g, i, p} end

if (g >= cg and i > ct) or (g == cg and ct - i <= grace) then
	return {SAME, 4, g, i, p}
end
local parent = g + 1 == cg and math.abs(i - cp) <= grace
if parent and rh ~= '' and rh == retry then
	putState(exp, cg, ct, cp, UNCLAIMED)
	return {REPLAY, 2, cg, ct, cp}
end
if parent and (bound or rh == UNCLAIMED) then return {SAME, 4, cg, ct, cp} end
local replaced = cp
if g + 2 >= cg then replaced = ct end
local timely = at - replaced <= grace or (first - replaced <= grace and replaced - last <= grace)
if not timely then
	local t = math.ceil(at / 1000)
	putTomb(t, exp)
	return {THEFT, 3, t, exp, cg}
end
return {SAME, 4, cg, ct, cp}
