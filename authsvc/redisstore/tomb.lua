-- Ends the session: row 1 of the step refuses its tokens from now on. ARGV: T
-- and Exp of its revocation entry (s). A tombstone that is there already is
-- raised, each time to its maximum.
local t, e = tonumber(ARGV[1]), tonumber(ARGV[2])
local form, ot, oe = held()
if form == 'x' then t, e = math.max(t, ot), math.max(e, oe) end
putTomb(t, e)
return 1
