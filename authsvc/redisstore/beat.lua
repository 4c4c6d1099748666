-- Keeps a quiet log from being forgotten: whoever holds the lock KEYS[1]
-- appends an empty entry to the log KEYS[2] and bounds its length. ARGV: nonce,
-- our id, life of the lock (ms), most entries.
if redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[3]) then
	redis.call('XADD', KEYS[2], '*', 'n', ARGV[1], 'o', ARGV[2], 'e', '')
	redis.call('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[4])
end
return 1
