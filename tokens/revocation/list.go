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
// The value is a short run of hash tables, each more than [growth] times the
// next. A batch becomes a small table at the end, merged with its neighbours
// only when they are of about its size: a single entry costs a few dozen
// copies on average, whatever the list holds, and a reader looks at no more
// than a handful of tables.
type List struct {
	writing sync.Mutex
	state   atomic.Pointer[levels]
}

// levels is the value of a List: its tables, the largest first. It never
// changes.
type levels []*table

// NewList returns an empty list.
func NewList() *List { return new(List) }

func (l *List) levels() levels {
	if p := l.state.Load(); p != nil {
		return *p
	}
	return nil
}

// Apply merges entries into the list, in any order and any number of times,
// and lets go of those that have expired by now, so that a call without
// entries only does that. In a large list expired entries may stay until an
// eighth of their table has expired; they match no token that is still
// accepted. When Apply returns, every later Match sees the entries.
func (l *List) Apply(now time.Time, entries ...Entry) {
	l.writing.Lock()
	defer l.writing.Unlock()
	old := l.levels()
	next := old.sweep(now).add(now, entries)
	if !same(old, next) {
		l.state.Store(&next)
	}
}

// Match returns an entry that kills a token with these claims, if there is
// one. It is asked after the token was verified.
func (l *List) Match(c *tokens.Claims) (Entry, bool) {
	if e := l.levels().match(c); e != nil {
		return *e, true
	}
	return Entry{}, false
}

// Entries returns every entry that has not expired by now, each target once,
// in no particular order.
func (l *List) Entries(now time.Time) []Entry {
	ls := l.levels()
	all := newTable(ls, now)
	if all == nil {
		return nil
	}
	es := make([]Entry, 0, all.n)
	for _, e := range all.slots {
		if e.Type != 0 {
			es = append(es, e)
		}
	}
	return es
}

// Len returns how many entries the list holds. An entry whose time was raised
// while the list was large may be counted twice for a while.
func (l *List) Len() int { return l.levels().len() }
