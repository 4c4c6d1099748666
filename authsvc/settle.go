package authsvc

// Unclaimed is the State.Retry of a generation whose answer was lost: nobody
// may hold its token, so the parent stays good for it at any age, until the
// next advance. No hash of a retry id is like it, but for one in 2^64.
var Unclaimed = [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Settle judges a presentation afterwards that the store did not answer, or
// that was granted without it, at a time by the clock of the store, Unix
// milliseconds. It advances
// nothing. The first row that fits decides:
//
//  1. the session is dead: Revoked.
//  2. The newest generation was made by this very presentation, which is told
//     by its retry id: its answer was lost. It becomes Unclaimed. Replay.
//  3. The token had been replaced for longer than the grace when it was
//     granted, and no retry id, bound key or earlier attempt speaks for it: Theft.
//  4. Anything else: Same.
//
// What was replaced after it was granted is no theft: the same client has come
// again since. An ancestor can have been good as a parent, by a retry id, until
// the generation after its successor was made: for the parent's parent that is
// the newest, and for older ones the parent of the newest at the latest.
func Settle(s State, p Presentation, at int64) (State, Outcome) {
	switch {
	case s.Dead.Type != 0:
		return s, Outcome{Verdict: Revoked, Row: 1, Revocation: s.Dead}
	case !s.Known || behind(s, p) || current(s, p, p.grace().Milliseconds()):
		return s, granted(Same, 4, p.state())
	case isParent(s, p) && sameRetry(s.Retry, p.Retry):
		s.Retry = Unclaimed
		return s, granted(Replay, 2, s)
	case isParent(s, p) && proven(s, p):
		return s, granted(Same, 4, s)
	case !timely(p, replaced(s, p), at):
		return kill(s, p, 3, at)
	}
	return s, granted(Same, 4, s)
}

// replaced is when a token that is not the newest ceased to be good, at the latest.
func replaced(s State, p Presentation) int64 {
	if uint64(p.Generation)+2 >= uint64(s.Generation) {
		return s.IssuedAt
	}
	return s.ParentIssuedAt
}
