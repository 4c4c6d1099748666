package authsvc

import (
	"fmt"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// The model of refresh, exhaustively: what two replicas, a store and two
// clients can come to in any order of events, with up to two faults. It runs
// the very Step and Settle that the stores run (the Lua twins answer alike: see
// the differential tests of redisstore), and the rules of service around them:
// what a replica does before the step, without the store, and afterwards.
//
// Time is counted in ticks, of one millisecond to Step. The grace is two ticks,
// so a token is advanced at the age of three. Neither time nor generations have a
// bound: see canon.
//
// Events: a client shows its token at a replica, and the answer arrives, is
// lost, or arrives later, within the grace (the jar then keeps that one: the last
// answer wins); a logout at a replica; the other replica hears of a revocation; a
// replica puts it back into a store that has lost it; a replica settles; the
// thief copies the owner's token.
//
// Faults: the store fails over and loses its latest writes; it is wiped; it is
// away for a while; it makes a step whose answer never reaches the replica; a
// replica restarts, with its journal or on an empty disk.
//
// Not modelled: more than one session (each has its own state), clocks that
// differ, and the feed to the verifiers. What is taken for granted:
//
//   - A replica settles its own attempts before it asks the store about the
//     session. Those of which not even the client has heard are settled once the
//     store is back, before time passes and before anybody asks, the oldest first.
//     In truth that takes a second, and no replica waits for another.
//   - No earlier answer arrives after one that was given without the store.
//   - An answer that is on its way when the store is wiped does not arrive.
//   - A failover loses what was written in the same tick, no more.
//   - Where a restart forgets an attempt that the client has not heard of, or a
//     failover that one was settled, nothing more is demanded of the honest.
type world struct {
	now    uint8 // ticks
	away   bool
	store  fact
	lag    fact  // what a failover falls back to: the state before this tick
	epoch  uint8 // the tick of the last wipe
	rep    [2]replica
	jar    [2]carried  // of the owner, and of the thief if there is one
	reply  answer      // to a client, on its way
	open   [2]readHalf // of each replica, where the step is not atomic: a planted bug
	faults uint8       // left
	steals uint8       // left

	// What the invariants ask for.
	fates  [5]fate // of the tokens that can still be shown
	stolen bool    // the thief has shown a token
	tardy  bool    // a token was shown late
	acked  bool    // a logout or a theft was acknowledged, and is shared
	lost   bool    // the store has lost writes
	since  bool    // and has since the acknowledgement
	fresh  bool    // a lost answer was settled in this tick
	forgot bool    // a restart forgot attempts, or a failover that
	done   bool    // logged out
}

const (
	graceTick = 2
	zeroTime  = 1000 // ms of tick 0
)

// tok is a refresh token: its generation, its issue and its parent's, in ticks
// from 1 on.
type tok struct{ g, i, p uint8 }

// carried is a token as a client has it: with the ticks at which it was shown in
// vain, the first and the last; 0: it was not.
type carried struct {
	tok
	first, last uint8
}

// answer is a token on its way to a client, sent at that tick; 0: none.
type answer struct {
	carried
	at, to uint8
}

// fate is what became of a token: which successor somebody was told first, and
// when that was made. longAgo is a time before the grace.
type fate struct {
	of, next tok
	at       uint8
}

const longAgo = 255

// fact is the state that a store keeps.
type fact struct {
	known, dead bool
	tok
	retry uint8 // which attempt advanced to it; 0: none
}

const unclaimed = 255

// replica is what one has in memory, and in its journal: dead.
type replica struct {
	dead    bool  // knows that the session is revoked
	from    uint8 // knows every revocation since this tick
	g, ct   uint8 // its progress
	settles open
}

// open is an attempt that the store has still to judge.
type open struct {
	carried
	id, at  uint8 // at 0: none
	late    bool  // it was, when it was granted
	unheard bool  // the client did not hear of that
}

// readHalf is a step that has read the state and not written it yet.
type readHalf struct {
	busy   bool
	client uint8
	shown  carried
	id     uint8
	read   fact
}

func (f fact) state() State {
	if !f.known {
		return State{}
	}
	s := State{Known: true, Generation: uint32(f.g), IssuedAt: ms(f.i), ParentIssuedAt: ms(f.p), Retry: retryOf(f.retry)}
	if f.dead {
		s.Dead = revocation.SessionEntry(sid, time.UnixMilli(zeroTime), modelEnd)
	}
	return s
}

func factOf(s State) fact {
	if !s.Known {
		return fact{}
	}
	return fact{known: true, dead: s.Dead.Type != 0, tok: tok{uint8(s.Generation), tick(s.IssuedAt), tick(s.ParentIssuedAt)}, retry: idOf(s.Retry)}
}

var modelEnd = time.UnixMilli(90_000_000)

func ms(t uint8) int64 {
	if t == 0 {
		return 0
	}
	return zeroTime + int64(t)
}

func tick(v int64) uint8 {
	if v == 0 {
		return 0
	}
	return uint8(v - zeroTime)
}

// retries are the ids of attempts as stores keep them.
var retries = func() (all [32][8]byte) {
	for id := range all[1:] {
		all[id+1] = RetryHash(sid, fmt.Sprint(id+1))
	}
	return all
}()

func retryOf(id uint8) [8]byte {
	if id == unclaimed {
		return Unclaimed
	}
	return retries[id]
}

func idOf(h [8]byte) uint8 {
	if h == Unclaimed {
		return unclaimed
	}
	return uint8(slices.Index(retries[:], h))
}

func (k carried) shown(id uint8) Presentation {
	return Presentation{SessionID: sid, Generation: uint32(k.g), IssuedAt: ms(k.i), ParentIssuedAt: ms(k.p), SessionEnd: modelEnd,
		FirstAttempt: ms(k.first), LastAttempt: ms(k.last), Retry: retryOf(id), Grace: graceTick * time.Millisecond}
}

// replaced is what a replica knows without the store: see progress.
func (r *replica) replaced(k carried, now uint8) bool {
	p := progress{younger: map[tokens.ID]newestToken{sid: {generation: uint32(r.g), issuedAt: ms(r.ct)}}}
	return p.replaced(k.shown(1), ms(now))
}

// fate returns what became of a token.
func (w *world) fate(k tok) fate {
	for _, f := range w.fates {
		if f.at != 0 && f.of == k {
			return f
		}
	}
	return fate{}
}

// isLate: it was replaced longer ago than the grace, and somebody was told.
func (w *world) isLate(k tok) bool {
	at := w.fate(k).at
	return at == longAgo || at != 0 && w.now > at+graceTick
}

// replace notes the successor of a token that somebody is told, if it is the
// first: also for its siblings.
func (w *world) replace(k, next tok) {
	for _, h := range w.held() {
		if h.g != k.g || next == k || h == next || w.fate(h).at != 0 {
			continue
		}
		free := slices.IndexFunc(w.fates[:], func(f fate) bool { return f.at == 0 })
		w.fates[free] = fate{h, next, next.i}
	}
}

// forks: the successor is another one than somebody was told before.
func (w *world) forks(k, next tok) bool {
	f := w.fate(k)
	return next != k && f.at != 0 && f.next != next && !w.lost
}
