-- One presentation of a refresh token: authsvc.Step on the state of its session.
-- The first row that fits decides; the rows are explained there.
-- Each answer but the late and the lost one tells the row after the verdict, and
-- each ends with the time, so that the caller can set its deadlines.
local g, i, p = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local retry, bound, grace = ARGV[4], ARGV[5] == '1', tonumber(ARGV[6])
local first, last = tonumber(ARGV[7]), tonumber(ARGV[8])
local exp, born, deadline = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])

local LATE, ADVANCE, SAME, REPLAY, THEFT, REVOKED, LOST = 0, 1, 2, 3, 4, 5, 6

if stamp > deadline then return {LATE, stamp} end -- nobody waits for it any more

local form, cg, ct, cp, rh = held()
if form == '?' then return damaged() end
if form == 'x' then return {REVOKED, 1, cg, ct, stamp} end
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
		return {SAME, 2, cg, ct, cp, stamp}
	end
	local next = (cg + 1) % 4294967296
	putState(exp, next, now, ct, retry)
	return {ADVANCE, 2, next, now, ct, stamp}
end

local parent = g + 1 == cg and math.abs(i - cp) <= grace
local proven = bound or (rh ~= '' and (rh == retry or rh == UNCLAIMED))
local timely = now - ct <= grace or (first - ct <= grace and ct - last <= grace)
if parent and timely then return {REPLAY, 4, cg, ct, cp, stamp} end
if parent and proven then return {REPLAY, 5, cg, ct, cp, stamp} end

local t = math.ceil(now / 1000)
putTomb(t, exp)
return {THEFT, g >= cg and 3 or 6, t, exp, cg, stamp}
