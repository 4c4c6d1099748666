package redisstore

import (
	"sort"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// known is every entry that a replica knows, and the order in which the log
// raised them last, so that a feed can answer a verifier that was away without
// asking Redis.
type known struct {
	entries map[revocation.Target]record
	order   []logged // by cursor; one that the map does not confirm is stale
}

// record is an entry with the cursor at which it stands in the log; the zero
// cursor where it is not known to stand there.
type record struct {
	t, made, exp uint32
	at           revocation.Cursor
}

type logged struct {
	at     revocation.Cursor
	target revocation.Target
}

func (r record) entry(target revocation.Target) revocation.Entry {
	return revocation.Entry{Type: target.Type, ID: target.ID, T: r.t, Made: r.made, Exp: r.exp}
}

func newKnown() *known { return &known{entries: map[revocation.Target]record{}} }

// find returns what is known of a target.
func (k *known) find(target revocation.Target) (revocation.Entry, bool) {
	r, ok := k.entries[target]
	return r.entry(target), ok
}

// offer merges in an entry that did not come from the log, and reports the
// merge and whether it says more than was known. A zero Made becomes now.
func (k *known) offer(e revocation.Entry, now time.Time) (merged revocation.Entry, fresh bool) {
	old, ok := k.entries[e.Target()]
	was := old.entry(e.Target())
	if ok && was.Covers(e) {
		return was, false
	}
	if e.Made == 0 {
		e.Made = uint32(now.Unix())
	}
	if ok {
		e = e.Merge(was)
	}
	k.entries[e.Target()] = record{e.T, e.Made, e.Exp, old.at}
	return e, true
}

// take merges in an entry that was read from the log at a cursor, and reports
// whether it says more than was known.
func (k *known) take(e revocation.Entry, at revocation.Cursor) (fresh bool) {
	target := e.Target()
	old, ok := k.entries[target]
	was := old.entry(target)
	fresh = !ok || !was.Covers(e)
	if ok {
		e = e.Merge(was)
	}
	k.entries[target] = record{e.T, e.Made, e.Exp, at}
	k.order = append(k.order, logged{at, target})
	return fresh
}

// uproot forgets where the entries stand: the log is another one now.
func (k *known) uproot() {
	k.order = nil
	for target, r := range k.entries {
		r.at = revocation.Cursor{}
		k.entries[target] = r
	}
}

// after returns what the log raised after a cursor, without what has expired.
func (k *known) after(c revocation.Cursor, now time.Time) (entries []revocation.Entry) {
	first := sort.Search(len(k.order), func(i int) bool { return k.order[i].at.Compare(c) > 0 })
	for _, l := range k.order[first:] {
		if r := k.entries[l.target]; r.at == l.at {
			if e := r.entry(l.target); !e.Expired(now) {
				entries = append(entries, e)
			}
		}
	}
	return entries
}

// all returns everything that has not expired.
func (k *known) all(now time.Time) []revocation.Entry {
	entries := make([]revocation.Entry, 0, len(k.entries))
	for target, r := range k.entries {
		if e := r.entry(target); !e.Expired(now) {
			entries = append(entries, e)
		}
	}
	return entries
}

// sweep forgets what has expired, and the stale part of the order once it is
// the larger one.
func (k *known) sweep(now time.Time) {
	for target, r := range k.entries {
		if r.entry(target).Expired(now.Add(-sweepAfter)) {
			delete(k.entries, target)
		}
	}
	if len(k.order) <= 2*len(k.entries)+1024 {
		return
	}
	var order []logged
	for _, l := range k.order {
		if r, ok := k.entries[l.target]; ok && r.at == l.at {
			order = append(order, l)
		}
	}
	k.order = order
}

// before returns what stands in the log before a cursor and still matters.
func (k *known) before(c revocation.Cursor, now time.Time) (entries []revocation.Entry) {
	for _, l := range k.order {
		if l.at.Compare(c) >= 0 {
			break
		}
		if r := k.entries[l.target]; r.at == l.at {
			if e := r.entry(l.target); !e.Expired(now) {
				entries = append(entries, e)
			}
		}
	}
	return entries
}

// sweepAfter is how long an entry stays beyond its expiry, for whoever judges
// with a clock that is behind.
const sweepAfter = 10 * time.Minute

func delta(p revocation.Position, to revocation.Cursor, asOf time.Time, entries []revocation.Entry) authsvc.Batch {
	return authsvc.Batch{Frame: revocation.Frame{
		Kind: revocation.Delta, PrevEpoch: p.Epoch, Prev: p.Cursor,
		Pos: revocation.Position{Epoch: p.Epoch, Cursor: to}, AsOf: asOf, Entries: entries,
	}}
}
