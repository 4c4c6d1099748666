-- One turn of a replica: append what it has to say, and read what comes after
-- its cursor. KEYS: the epoch, the log. ARGV: epoch, cursor, nonce at the
-- cursor ('' at 0-0), our id, most entries to read, how long they are kept (ms),
-- and then nonce and content of each entry to append. The answer is the epoch,
-- the time, whether the cursor still stands in this log, and what was read;
-- where it does not stand, nothing was appended.
local epoch, log = KEYS[1], KEYS[2]
local cursor, nonce, origin = ARGV[2], ARGV[3], ARGV[4]

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local held = redis.call('GET', epoch) or ''
local stands = held == ARGV[1]
if stands and cursor ~= '0-0' then
	local at = redis.call('XRANGE', log, cursor, cursor)[1]
	stands = at and at[2][2] == nonce -- the first field is the nonce
end
if not stands then return {held, now, 0, {}} end

local oldest = string.format('%.0f-0', math.max(0, now - ARGV[6]))
for i = 7, #ARGV, 2 do
	redis.call('XADD', log, 'MINID', '~', oldest, '*', 'n', ARGV[i], 'o', origin, 'e', ARGV[i + 1])
end
return {held, now, 1, redis.call('XRANGE', log, '(' .. cursor, '+', 'COUNT', ARGV[5])}
