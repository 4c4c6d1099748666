-- Bumps the canary KEYS[1], or hatches one by the name ARGV[1] where there is
-- none. Returns its name, how often it was bumped, and whether it was there.
local value = redis.call('GET', KEYS[1]) or ''
local name, n = string.match(value, '^([0-9a-f]+):(%d+)$')
local there = name and 1 or 0
name, n = name or ARGV[1], (n or 0) + 1
redis.call('SET', KEYS[1], name .. ':' .. string.format('%.0f', n))
return {name, n, there}
