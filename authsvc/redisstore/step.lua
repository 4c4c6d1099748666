-- One presentation of a refresh token: authsvc.Step on the state of its session.
-- The first row that fits decides; the rows are explained there.
-- Each answer ends with the time, so that the caller can set its deadlines.
local g, i, p = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local retry, bound, grace = ARGV[4], ARGV[5] == '1', tonumber(ARGV[6])
local exp, born, deadline = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])

local LATE, ADVANCE, SAME, REPLAY, THEFT, REVOKED, LOST = 0, 1, 2, 3, 4, 5, 6

if stamp > deadline then return {LATE, stamp} end -- nobody waits for it any more

local form, cg, ct, cp, rh = held()
if form == '?' then return damaged() end
if form == 'x' then return {REVOKED, cg, ct, stamp} end -- row 1
if not form then
	if i < born then return {LOST, stamp} end
	cg, ct, cp, rh = g, i, p, ''
end
local now = math.max(stamp, ct + 1)

local behind = g >= cg and i > ct
if behind then cg, ct, cp, rh = g, i, p, '' end
if behind or (g == cg and ct - i <= grace) then -- row 2
	if now - ct <= grace then
		if behind or (not form and cg > 0) then putState(exp, cg, ct, cp, rh) end
		return {SAME, cg, ct, cp, stamp}
	end
	local next = (cg + 1) % 4294967296
	putState(exp, next, now, ct, retry)
	return {ADVANCE, next, now, ct, stamp}
end

if g + 1 == cg then
	local early = now - ct <= grace and math.abs(i - cp) <= grace -- row 4
	local proven = bound or (rh ~= '' and (rh == retry or rh == UNCLAIMED))
	if early or (i == cp and proven) then -- row 5
		return {REPLAY, cg, ct, cp, stamp}
	end
end

local t = math.ceil(now / 1000) -- rows 3 and 6
putTomb(t, exp)
return {THEFT, t, exp, stamp}
