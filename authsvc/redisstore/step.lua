-- One presentation of a refresh token: authsvc.Step on the state in KEYS[1].
-- The first row that fits decides; the rows are explained there.
-- Each answer ends with the time, so that the caller can set its deadlines.
local g, i, p = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local retry, bound, grace = ARGV[4], ARGV[5] == '1', tonumber(ARGV[6])
local keep, exp, born = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
local deadline = tonumber(ARGV[10])

local LATE, ADVANCE, SAME, REPLAY, THEFT, REVOKED, LOST = 0, 1, 2, 3, 4, 5, 6
local UNCLAIMED = string.rep('\255', 8)

local clock = redis.call('TIME')
local stamp = clock[1] * 1000 + math.floor(clock[2] / 1000)
if stamp > deadline then return {LATE, stamp} end -- nobody waits for it any more

local function put(value) redis.call('SET', KEYS[1], value, 'PXAT', keep) end
local function state(cg, ct, cp, rh)
	put('s' .. struct.pack('>I4I6I6', cg, ct, cp) .. rh)
end

local value = redis.call('GET', KEYS[1])
local cg, ct, cp, rh = g, i, p, ''
if value then
	local form, size = string.sub(value, 1, 1), #value
	if form == 'x' and size == 9 then -- row 1
		local t, e = struct.unpack('>I4I4', value, 2)
		return {REVOKED, t, e, stamp}
	elseif form ~= 's' or (size ~= 17 and size ~= 25) then
		return redis.error_reply('ERR damaged refresh state')
	end
	cg, ct, cp = struct.unpack('>I4I6I6', value, 2)
	rh = string.sub(value, 18)
elseif i < born then
	return {LOST, stamp}
end
local now = math.max(stamp, ct + 1)

local behind = g >= cg and i > ct
if behind then cg, ct, cp, rh = g, i, p, '' end
if behind or (g == cg and ct - i <= grace) then -- row 2
	if now - ct <= grace then
		if behind or (not value and cg > 0) then state(cg, ct, cp, rh) end
		return {SAME, cg, ct, cp, stamp}
	end
	local next = (cg + 1) % 4294967296
	state(next, now, ct, retry)
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
put('x' .. struct.pack('>I4I4', t, exp))
return {THEFT, t, exp, stamp}
