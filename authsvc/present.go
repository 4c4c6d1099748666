package authsvc

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// DefaultGrace and MaxGrace bound Presentation.Grace.
const (
	DefaultGrace = 10 * time.Second
	MaxGrace     = 5 * time.Minute
)

// ErrBadPresentation says that a presentation is not one: no session, a time
// before 1970, a grace out of bounds. It is a fault of the caller.
var ErrBadPresentation = errors.New("unfit presentation")

// State is what a store keeps of one session's refresh tokens. The zero State
// is that of a session of which nothing is kept.
type State struct {
	Known          bool    // something is kept: the next three, or that the session is dead
	Generation     uint32  // cg: newest generation
	IssuedAt       int64   // ct: when it was issued, Unix milliseconds
	ParentIssuedAt int64   // cp: when its parent was issued, Unix milliseconds
	Retry          [8]byte // hash of the retry id that advanced to it; zero: none; Unclaimed

	Dead revocation.Entry // the tombstone, a session entry; Type zero while alive
}

// Params are what a store adds to a presentation.
type Params struct {
	// Born is when the store began to remember, Unix milliseconds. A token
	// that is older, of a session of which nothing is kept, may have been
	// revoked in a store that is gone: StateLost.
	Born int64
	// Adopt accepts such tokens all the same.
	Adopt bool
}

// Step is the whole protocol of a refresh: it judges a presentation by the
// state of its session at the time now, Unix milliseconds, and returns the
// state to keep, equal to the old one where nothing is to be written. A store
// runs it as one atomic action on the state.
//
// A token of generation g, issued at i, its parent issued at p, meets the
// newest generation cg, issued at ct, its parent at cp. The first row that
// fits decides:
//
//  1. the session is dead: Revoked.
//  2. It is the newest token, or one of a newer lineage that the store has
//     lost (taken over), or a sibling born within the grace in a failover:
//     Same while the newest is no older than the grace, else Advance.
//  3. An older token of the newest or a later generation: Theft. An ancestor
//     was used again after this one had been issued.
//  4. The parent of the newest, or a sibling of it, replaced no longer ago than
//     the grace; or while it was shown without an answer, so that the client may
//     never have heard of it: Replay.
//  5. The same, with the retry id that advanced it or the bound key, or where the
//     newest is Unclaimed: Replay at any age.
//  6. Anything else: Theft.
//
// It never advances twice within the grace, so that a token replaced within
// it is always the parent and rows 4 and 6 decide exactly.
func Step(s State, p Presentation, params Params, now int64) (State, Outcome) {
	if s.Dead.Type != 0 { // row 1
		return s, Outcome{Verdict: Revoked, Row: 1, Revocation: s.Dead}
	}
	known := s
	if !known.Known {
		if p.IssuedAt < params.Born && !params.Adopt {
			return s, Outcome{Verdict: StateLost}
		}
		known = p.state()
	}
	switch grace := p.grace().Milliseconds(); {
	case behind(known, p):
		return renew(s, p.state(), p, now)
	case current(known, p, grace):
		return renew(s, known, p, now)
	case p.Generation >= known.Generation:
		return kill(known, p, 3, now)
	case isParent(known, p) && timely(p, known.IssuedAt, now):
		return s, granted(Replay, 4, known)
	case isParent(known, p) && proven(known, p):
		return s, granted(Replay, 5, known)
	}
	return kill(known, p, 6, now)
}

// behind: row 2, the store has lost the lineage that this token belongs to.
func behind(s State, p Presentation) bool {
	return p.Generation >= s.Generation && p.IssuedAt > s.IssuedAt
}

// current: row 2, the newest token itself or an older sibling of it. A younger
// one is for behind, which is asked first.
func current(s State, p Presentation, grace int64) bool {
	return p.Generation == s.Generation && s.IssuedAt-p.IssuedAt <= grace
}

// isParent: the token is the parent of the newest, or a sibling of the parent
// that was born within the grace in a failover.
func isParent(s State, p Presentation) bool {
	return uint64(p.Generation)+1 == uint64(s.Generation) &&
		distance(p.IssuedAt, s.ParentIssuedAt) <= p.grace().Milliseconds()
}

// timely: a token that was replaced at some time is shown no later than the
// grace after that; or that time lies between the first and the last that it was
// shown in vain, give or take the grace, so that one of those may have done it.
func timely(p Presentation, replaced, now int64) bool {
	grace := p.grace().Milliseconds()
	return now-replaced <= grace || p.FirstAttempt-replaced <= grace && replaced-p.LastAttempt <= grace
}

// proven: row 5, for the parent of the newest.
func proven(s State, p Presentation) bool {
	return p.Bound || s.Retry == Unclaimed || sameRetry(s.Retry, p.Retry)
}

// renew answers row 2 with the newest token, or with its successor once it is
// older than the grace. old is what is kept so far: a session that was never
// refreshed stays without state.
func renew(old, newest State, p Presentation, now int64) (State, Outcome) {
	if now-newest.IssuedAt <= p.grace().Milliseconds() { // M is G + 1 ms
		if !old.Known && newest.Generation == 0 {
			return old, granted(Same, 2, newest)
		}
		return newest, granted(Same, 2, newest)
	}
	next := State{
		Known:          true,
		Generation:     newest.Generation + 1,
		IssuedAt:       now,
		ParentIssuedAt: newest.IssuedAt,
		Retry:          p.Retry,
	}
	return next, granted(Advance, 2, next)
}

// kill ends the session: its tombstone is kept as long as any of its tokens
// could be presented.
func kill(s State, p Presentation, row uint8, now int64) (State, Outcome) {
	s.Known = true
	s.Dead = revocation.SessionEntry(p.SessionID, time.UnixMilli(now), p.SessionEnd)
	return s, Outcome{Verdict: Theft, Row: row, Generation: s.Generation, Revocation: s.Dead}
}

func granted(v Verdict, row uint8, s State) Outcome {
	return Outcome{Verdict: v, Row: row, Generation: s.Generation, IssuedAt: s.IssuedAt, ParentIssuedAt: s.ParentIssuedAt}
}

// state is the state in which the presented token is the newest.
func (p Presentation) state() State {
	return State{Known: true, Generation: p.Generation, IssuedAt: p.IssuedAt, ParentIssuedAt: p.ParentIssuedAt}
}

func (p Presentation) grace() time.Duration {
	if p.Grace == 0 {
		return DefaultGrace
	}
	return p.Grace
}

// RetryHash is what stores keep of the id, such as one of Sealring-Retry, that
// all attempts with one token of a session have in common.
func RetryHash(sid tokens.ID, id string) (h [8]byte) {
	sum := sha256.Sum256(append(sid[:], id...))
	copy(h[:], sum[:])
	return h
}

func sameRetry(a, b [8]byte) bool {
	return a != [8]byte{} && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

// Validate refuses a presentation that no token can have led to. A store asks
// it first. The error wraps ErrBadPresentation.
func (p Presentation) Validate() error {
	switch {
	case p.SessionID == tokens.ID{}:
		return fmt.Errorf("no session: %w", ErrBadPresentation)
	case p.FirstAttempt < 0 || p.LastAttempt < p.FirstAttempt:
		return fmt.Errorf("times of attempts: %w", ErrBadPresentation)
	case p.IssuedAt < 0 || p.ParentIssuedAt < 0 || p.ParentIssuedAt > p.IssuedAt:
		return fmt.Errorf("token times: %w", ErrBadPresentation)
	case p.SessionEnd.IsZero():
		return fmt.Errorf("no end of the session: %w", ErrBadPresentation)
	case p.Grace < 0 || p.Grace > MaxGrace:
		return fmt.Errorf("grace of %v: %w", p.Grace, ErrBadPresentation)
	}
	return nil
}
