package revocation

import (
	"math"
	"slices"
	"time"
)

// item is an entry on its way into a table: its hash, its page, and where it
// is among those that were applied.
type item struct {
	h        uint64
	page, at uint32
}

// with returns the page with the items merged in, which are in its order.
func (p *page) with(items []item, entries []Entry) *page {
	n, made := p.len(), p != nil && p.made != nil
	for _, it := range items {
		made = made || entries[it.at].Made > 0
	}
	r, done := newRows(n+len(items), made), 0
	for _, it := range items {
		e, upTo := &entries[it.at], done
		if p != nil {
			upTo = p.rank(&e.ID, it.h)
		}
		if upTo < n && p.slots[upTo].id == e.ID {
			upTo++
		}
		r.copy(p, done, upTo)
		r.add(e)
		done = upTo
	}
	r.copy(p, done, n)
	next := r.page()
	if p == nil || len(p.filter) != filterWords(len(next.slots)) {
		next.makeFilter()
		return next
	}
	next.filter = slices.Clone(p.filter)
	for _, it := range items {
		next.enter(it.h)
	}
	return next
}

// keep returns the slots that are wanted, nil if there are none.
func (p *page) keep(wanted func(*slot) bool) *page {
	n := 0
	for i := range p.slots {
		if wanted(&p.slots[i]) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	r := newRows(n, p.made != nil)
	for i := 0; i < len(p.slots); i++ {
		from := i
		for i < len(p.slots) && wanted(&p.slots[i]) {
			i++
		}
		r.copy(p, from, i)
	}
	next := r.page()
	next.makeFilter()
	return next
}

// live returns the page without what has expired.
func (p *page) live(now time.Time) *page {
	if p == nil || !expired(p.first, now) {
		return p
	}
	return p.keep(func(s *slot) bool { return !expired(s.exp, now) })
}

// split returns the slots whose hash has not the bit, and those whose has.
func (p *page) split(bit uint64) (without, with *page) {
	if p == nil {
		return nil, nil
	}
	return p.keep(func(s *slot) bool { return hash(&s.id)&bit == 0 }),
		p.keep(func(s *slot) bool { return hash(&s.id)&bit != 0 })
}

// union returns the slots of both pages, which have none in common.
func union(p, q *page) *page {
	if p == nil {
		return q
	}
	if q == nil {
		return p
	}
	r, done := newRows(len(p.slots)+len(q.slots), p.made != nil || q.made != nil), 0
	for i := range q.slots {
		id := &q.slots[i].id
		upTo := p.rank(id, hash(id))
		r.copy(p, done, upTo)
		r.copy(q, i, i+1)
		done = upTo
	}
	r.copy(p, done, len(p.slots))
	next := r.page()
	next.makeFilter()
	return next
}

// rows are what a page is made of, in the making.
type rows struct {
	slots []slot
	made  []uint32 // nil: no entry has one
}

// newRows makes room for n entries.
func newRows(n int, made bool) rows {
	r := rows{slots: make([]slot, 0, n)}
	if made {
		r.made = make([]uint32, 0, n)
	}
	return r
}

// copy appends slots i to j-1 of a page.
func (r *rows) copy(p *page, i, j int) {
	if i == j {
		return
	}
	r.slots = append(r.slots, p.slots[i:j]...)
	switch {
	case r.made == nil:
	case p.made == nil:
		r.made = append(r.made, make([]uint32, j-i)...)
	default:
		r.made = append(r.made, p.made[i:j]...)
	}
}

// add appends an entry, or merges it with the last one, where that is of the
// same target.
func (r *rows) add(e *Entry) {
	last := len(r.slots) - 1
	if last < 0 || r.slots[last].id != e.ID {
		r.slots = append(r.slots, slot{e.ID, e.T, e.Exp})
		if r.made != nil {
			r.made = append(r.made, e.Made)
		}
		return
	}
	s := &r.slots[last]
	s.t, s.exp = max(s.t, e.T), max(s.exp, e.Exp)
	if r.made != nil {
		r.made[last] = max(r.made[last], e.Made)
	}
}

// page returns the rows as a page that lacks its filter. What they took too
// much room for is copied, so that a page takes no more than it must.
func (r *rows) page() *page {
	if len(r.slots) < cap(r.slots) {
		r.slots, r.made = slices.Clone(r.slots), slices.Clone(r.made)
	}
	p := &page{slots: r.slots, made: r.made, first: math.MaxUint32}
	for i := range p.slots {
		p.first = min(p.first, p.slots[i].exp)
	}
	return p
}

func (p *page) makeFilter() {
	p.filter = make([]uint64, filterWords(len(p.slots)))
	for i := range p.slots {
		p.enter(hash(&p.slots[i].id))
	}
}
