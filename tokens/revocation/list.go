package revocation

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// List is the index of revocations that a verifier asks for every request.
// Readers take no lock and allocate nothing: they look at an immutable value
// behind one pointer, which Apply replaces. The answer is exact: an entry
// matches if and only if it was applied. The zero List is empty and ready.
//
// The value is a hash table for each type, cut into pages of some hundred
// entries. An entry takes 24 bytes there and a byte of the page's filter: in
// a list of a million it comes to less than 28 bytes with all that is around
// it, whatever the batches were. Made takes four more, and only where an entry
// has one, which is not so on verifiers. RESULTS.md says what was measured.
//
// One writer at a time changes the list, and no change copies a table. For
// each entry Apply copies its page, some 20 kB, and may split another in two;
// the directory of pages is copied once, 8 bytes a page. That takes a few
// microseconds for one entry, and less than a microsecond for each of very
// many. Beside that each call looks for what has expired, in [sweepMost] pages
// of a type at most: two milliseconds where a million entries live for twenty
// minutes and the call comes every other second. Readers never notice.
type List struct {
	state   atomic.Pointer[state]
	changes atomic.Uint64 // of state, counted after each

	writing sync.Mutex
	swept   int64 // Unix seconds of the last look for what has expired
	rounds  [types]round
}

// state is the value of a List: a table for each type. It never changes. A nil
// one is empty.
type state [types]table

// types is how many tables there are: one for each type, and none at zero.
const types = len(typeNames)

// NewList returns an empty list.
func NewList() *List { return new(List) }

func (l *List) load() *state {
	if s := l.state.Load(); s != nil {
		return s
	}
	return new(state)
}

// Apply merges entries into the list, in any order and any number of times,
// and lets go of those that have expired by now, so that a call without
// entries only does that: it is to be made every few seconds. In a list of a
// few hundred entries what has expired goes with the next call, in larger ones
// within half a minute; meanwhile it matches no token that is still accepted.
// When Apply returns, every later Match sees the entries.
func (l *List) Apply(now time.Time, entries ...Entry) {
	l.writing.Lock()
	defer l.writing.Unlock()
	old := l.load()
	var next [types]draft
	for typ := range next {
		next[typ] = draft{table: old[typ]}
	}
	l.sweep(&next, now)
	for typ, items := range fresh(old, now, entries) {
		next[typ].add(now, items, entries)
	}
	l.publish(&next)
}

// publish makes the drafts the list's value, if any of them was changed.
func (l *List) publish(next *[types]draft) {
	var s state
	changed := false
	for typ := range next {
		next[typ].shrink()
		s[typ] = next[typ].table
		changed = changed || next[typ].own
	}
	if changed {
		l.state.Store(&s)
		l.changes.Add(1)
	}
}

// fresh returns by type what of the entries has to be taken in: not what is
// malformed, has expired, or is covered by what is there.
func fresh(s *state, now time.Time, entries []Entry) (items [types][]item) {
	for i := range entries {
		e := &entries[i]
		if e.Validate() != nil || e.Expired(now) {
			continue
		}
		h := hash(&e.ID)
		if p, at := s[e.Type].find(&e.ID, h); p != nil && p.entry(e.Type, at).Covers(*e) {
			continue
		}
		items[e.Type] = append(items[e.Type], item{h: h, at: uint32(i)})
	}
	return items
}

const (
	// sweepRound is the number of seconds in which each page is looked at
	// once for entries that have expired.
	sweepRound = 16
	// sweepMost is how many pages of a type one Apply looks at, so that it is
	// never long. It makes the round a longer one where there are more than
	// two million entries of a type and Apply is called every other second.
	sweepMost = 400
)

// round is how far the look for what has expired has come in a table. It goes
// down, as entries do when pages are merged, so that none can slip past it;
// what goes up by a split has been looked at then.
type round struct {
	left  int // pages still to be looked at: the next is the one below
	pages int // that there were when it began: they set its pace
}

// sweep lets go of what has expired, in as many pages as the time since the
// last call is a part of the round.
func (l *List) sweep(next *[types]draft, now time.Time) {
	since := now.Unix() - l.swept
	l.swept = now.Unix()
	if since <= 0 {
		return
	}
	since = min(since, sweepRound)
	for typ := range next {
		d, r := &next[typ], &l.rounds[typ]
		if r.left = min(r.left, len(d.pages)); r.left == 0 {
			*r = round{len(d.pages), len(d.pages)}
		}
		for range min((r.pages*int(since)+sweepRound-1)/sweepRound, r.left, sweepMost) {
			r.left--
			d.expire(r.left, now)
		}
	}
}

// Match returns an entry that kills a token with these claims, if there is
// one. It is asked after the token was verified. An entry of type Claims is
// returned only where no other kills: it ends the token and not its session.
func (l *List) Match(c *tokens.Claims) (Entry, bool) {
	return l.state.Load().match(c)
}

// Version changes whenever what the list holds does, and is never zero. Who asks
// for it before Match, and found no entry, need not ask again while it is the
// same: an entry counts from when Apply returns.
func (l *List) Version() uint64 { return l.changes.Load() + 1 }

// Find returns what the list holds on a target.
func (l *List) Find(t Target) (Entry, bool) {
	if !t.Type.valid() {
		return Entry{}, false
	}
	return l.state.Load().get(t.Type, &t.ID)
}

// Entries returns every entry that has not expired by now, each target once,
// in no particular order.
func (l *List) Entries(now time.Time) []Entry {
	s := l.load()
	if s.len() == 0 {
		return nil
	}
	es := make([]Entry, 0, s.len())
	for typ := range s {
		for _, p := range s[typ].pages {
			for i := range p.len() {
				if e := p.entry(Type(typ), i); !e.Expired(now) {
					es = append(es, e)
				}
			}
		}
	}
	return es
}

// Len returns how many entries the list holds, with those that have expired
// and were not let go of yet.
func (l *List) Len() int { return l.load().len() }

func (s *state) len() (n int) {
	for typ := range s {
		n += s[typ].n
	}
	return n
}

// match looks for the session and the token, which need no hash, then for
// names, and only for types that the list holds.
func (s *state) match(c *tokens.Claims) (Entry, bool) {
	if !c.SessionID.IsZero() {
		if e, ok := s.get(Session, (*[16]byte)(&c.SessionID)); ok {
			return e, true
		}
	}
	if !c.ID.IsZero() {
		if e, ok := s.get(Token, (*[16]byte)(&c.ID)); ok {
			return e, true
		}
	}
	if e, ok := s.named(Key, c, c.KeyID); ok {
		return e, true
	}
	if e, ok := s.matchLogin(c); ok {
		return e, true
	}
	return s.named(Claims, c, c.Subject)
}

// MatchTargets is Match for who has kept the Targets of the claims: no name is
// hashed again.
func (l *List) MatchTargets(c *tokens.Claims, targets []Target) (Entry, bool) {
	s := l.load()
	for i := range targets {
		t := &targets[i]
		if e, ok := s.get(t.Type, &t.ID); ok && !t.Type.spares(c, &t.ID, e.T) {
			return e, true
		}
	}
	return Entry{}, false
}

// matchLogin looks for what kills by the time of the login.
func (s *state) matchLogin(c *tokens.Claims) (Entry, bool) {
	if e, ok := s.get(All, new([16]byte)); ok && began(c) < int64(e.T) {
		return e, true
	}
	if e, ok := s.named(Subject, c, c.Subject); ok {
		return e, true
	}
	for client := range clients(c) {
		if e, ok := s.named(Client, c, client); ok {
			return e, true
		}
	}
	for _, aud := range c.Audience {
		if e, ok := s.named(Audience, c, aud); ok {
			return e, true
		}
	}
	return Entry{}, false
}

func (s *state) named(typ Type, c *tokens.Claims, value string) (Entry, bool) {
	if value == "" || s == nil || s[typ].n == 0 {
		return Entry{}, false
	}
	id := hashed(typ, c.Issuer, value)
	e, ok := s.get(typ, &id)
	if !ok || typ.spares(c, &id, e.T) {
		return Entry{}, false
	}
	return e, true
}

// get returns the entry on a target.
func (s *state) get(typ Type, id *[16]byte) (Entry, bool) {
	if s == nil || s[typ].n == 0 {
		return Entry{}, false
	}
	p, i := s[typ].find(id, hash(id))
	if p == nil {
		return Entry{}, false
	}
	return p.entry(typ, i), true
}
