-- What each script on a refresh state begins with. The state of a session is
-- the field ARGV[#ARGV] of its bucket, the hash KEYS[1].
local bucket, field = KEYS[1], ARGV[#ARGV]
local clock = redis.call('TIME')
local stamp = clock[1] * 1000 + math.floor(clock[2] / 1000)

local UNIT = 262144 -- ms: to this the ends of sessions are rounded up
local UNCLAIMED = string.rep('\255', 7)

-- A value begins with the end of its session. Then it counts as gone.
local function over(value) return #value >= 3 and struct.unpack('>I3', value) * UNIT < stamp end

-- No field goes by itself. So one that ends later than before makes the bucket
-- stay as long, and now and then sweeps out what is over: each time while the
-- bucket is small, else every fourth time, and of a large one a sample.
local function tidy(till)
	local left = redis.call('PTTL', bucket)
	if left < 0 or left < till - stamp then redis.call('PEXPIREAT', bucket, string.format('%.0f', till)) end
	local size = redis.call('HLEN', bucket)
	if size > 16 and size % 4 ~= 0 then return end
	local some = redis.call('HRANDFIELD', bucket, 128, 'WITHVALUES')
	for k = 1, #some, 2 do
		if over(some[k + 1]) then redis.call('HDEL', bucket, some[k]) end
	end
end

-- Reads the state: nothing, or 's', generation, issued, parent issued and retry
-- hash, or 'x', T and Exp of a tombstone, or '?' if it can not be read.
local ends = 0 -- of what was read
local function held()
	local value = redis.call('HGET', bucket, field)
	if not value then return end
	local size = #value
	if size ~= 11 and size ~= 18 and size ~= 25 then return '?' end
	ends = struct.unpack('>I3', value)
	if over(value) then return end
	if size == 11 then return 'x', struct.unpack('>I4I4', value, 4) end
	local cg, ct, age = struct.unpack('>I4I6I5', value, 4)
	return 's', cg, ct, ct - age, string.sub(value, 19)
end
local function damaged() return redis.error_reply('ERR damaged refresh state') end

-- Writes in its place what is kept for a minute longer than exp (s): the clock
-- of Redis may be ahead of ours, and a state that goes early would let replaced
-- tokens in again.
local function put(exp, content)
	local till = math.min(math.ceil((exp + 60) * 1000 / UNIT), 16777215)
	redis.call('HSET', bucket, field, struct.pack('>I3', till) .. content)
	if till > ends then tidy(till * UNIT) end
end
local function putState(exp, cg, ct, cp, rh) put(exp, struct.pack('>I4I6I5', cg, ct, ct - cp) .. rh) end
local function putTomb(t, exp) put(exp, struct.pack('>I4I4', t, exp)) end

