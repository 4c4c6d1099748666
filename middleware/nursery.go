package middleware

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// mature is after how long a request is watched whose handler has not asked
// whether it has ended: one that never does is to be reported.
const mature = 10 * time.Second

// nursery holds the visits that are not watched yet, in several lists, so that two
// cores rarely want the same one.
type nursery struct {
	wards [16]struct {
		sync.Mutex
		first *visit
		count int
		_     [40]byte // to the end of a cache line
	}
	armed atomic.Bool // a look at all of them is due
	stop  atomic.Bool
}

// youth is a visit's place in the nursery.
type youth struct {
	ward       int
	prev, next *visit
}

func (n *nursery) add(v *visit) {
	v.young.ward = int(rand.Uint32() % uint32(len(n.wards)))
	w := &n.wards[v.young.ward]
	w.Lock()
	if v.young.next = w.first; w.first != nil {
		w.first.young.prev = v
	}
	w.first = v
	w.count++
	w.Unlock()
	n.arm()
}

func (n *nursery) remove(v *visit) {
	w := &n.wards[v.young.ward]
	w.Lock()
	defer w.Unlock()
	w.count--
	if v.young.next != nil {
		v.young.next.young.prev = v.young.prev
	}
	if v.young.prev != nil {
		v.young.prev.young.next = v.young.next
	} else {
		w.first = v.young.next
	}
	v.young.prev, v.young.next = nil, nil
}

// arm sees to it that there will be a look, as long as somebody is there.
func (n *nursery) arm() {
	if !n.armed.Load() && n.armed.CompareAndSwap(false, true) {
		time.AfterFunc(mature, n.look)
	}
}

// look has those watched that have become old.
func (n *nursery) look() {
	n.armed.Store(false)
	if n.stop.Load() {
		return
	}
	old := time.Now().Add(-mature)
	for _, v := range n.before(old) {
		v.watch()
	}
	if n.len() > 0 {
		n.arm()
	}
}

// before returns those that were let in by then.
func (n *nursery) before(then time.Time) (old []*visit) {
	for i := range n.wards {
		w := &n.wards[i]
		w.Lock()
		for v := w.first; v != nil; v = v.young.next {
			if !v.since.After(then) {
				old = append(old, v)
			}
		}
		w.Unlock()
	}
	return old
}

func (n *nursery) len() (count int) {
	for i := range n.wards {
		w := &n.wards[i]
		w.Lock()
		count += w.count
		w.Unlock()
	}
	return count
}
