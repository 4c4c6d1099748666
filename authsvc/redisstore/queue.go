package redisstore

import (
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

// queue is what a replica has to say and has not read back yet. An append that
// was acknowledged may still be lost in a failover; one that was read back
// stands before the cursor, and its loss is noticed with the cursor's.
type queue struct {
	items map[revocation.Target]*item
	line  []*item // to be sent, in order
}

// item is one entry on its way.
type item struct {
	entry  revocation.Entry
	inLine bool
	news   bool      // it was never in the log that the replicas share,
	since  time.Time // and is waiting since then; zero: nobody knows
	waits  []*wait
}

// wait is an append that waits for its entries to be read back.
type wait struct {
	left int
	done chan struct{} // closed when nothing is left
}

func newQueue() *queue { return &queue{items: map[revocation.Target]*item{}} }

func newWait() *wait { return &wait{done: make(chan struct{})} }

// say puts an entry in the line that is new, or raises the one on the same
// target that is on its way. w waits for it.
func (q *queue) say(e revocation.Entry, w *wait, now time.Time) {
	it := q.add(e)
	if !it.news {
		it.news, it.since = true, now
	}
	q.join(it, w)
}

// add puts an entry in the line that should be in the log, or raises the one
// on the same target that is on its way.
func (q *queue) add(e revocation.Entry) *item {
	it := q.items[e.Target()]
	if it == nil {
		it = &item{entry: e}
		q.items[e.Target()] = it
		q.enter(it)
	} else if !it.entry.Covers(e) {
		it.entry = it.entry.Merge(e)
		q.enter(it)
	}
	return it
}

// follow lets w wait for what is on its way on a target, and reports whether
// anything is.
func (q *queue) follow(target revocation.Target, w *wait) bool {
	it := q.items[target]
	if it != nil {
		q.join(it, w)
	}
	return it != nil
}

func (q *queue) join(it *item, w *wait) {
	if w != nil {
		w.left++
		it.waits = append(it.waits, w)
	}
}

func (q *queue) enter(it *item) {
	if !it.inLine {
		it.inLine = true
		q.line = append(q.line, it)
	}
}

// heldUp is how long an entry may have waited for Redis before its life on the
// feed, which counts from Made, begins anew: the other replicas hear of it only
// now, and may have renewed up to now what it names.
const heldUp = time.Minute

// next takes up to n entries out of the line.
func (q *queue) next(n int, now time.Time) (entries []revocation.Entry) {
	for len(q.line) > 0 && len(entries) < n {
		it := q.line[0]
		q.line = q.line[1:]
		it.inLine = false
		if q.items[it.entry.Target()] == it { // else it was read back meanwhile
			if it.news && now.Sub(it.since) > heldUp {
				it.entry.Made = max(it.entry.Made, uint32(now.Unix()))
			}
			entries = append(entries, it.entry)
		}
	}
	return entries
}

// settle takes what was read out of the queue, if nothing more is to be said
// on its target, and returns the waits that are over.
func (q *queue) settle(read revocation.Entry) (over []*wait) {
	it := q.items[read.Target()]
	if it == nil || !read.Covers(it.entry) {
		return nil
	}
	return q.drop(it)
}

func (q *queue) drop(it *item) (over []*wait) {
	delete(q.items, it.entry.Target())
	for _, w := range it.waits {
		if w.left--; w.left == 0 {
			over = append(over, w)
		}
	}
	return over
}

// again puts everything that was sent and not read back in the line.
func (q *queue) again() {
	for _, it := range q.items {
		q.enter(it)
	}
}
