package authsvc

import (
	"crypto/rand"
	"sync"
	"time"
)

// together makes one presentation of all those that come to this replica at the
// same time with the same token and retry id, which are alike in everything. By themselves, thousands of them
// would wait in line for the store until the grace of the last was over; and
// each whose answer was lost would have to be settled before the next.
//
// Nobody is answered with what was decided before it came: who comes while a
// presentation is under way waits for the next, which is made of all who wait.
// So a logout that was answered earlier is seen.
type together struct {
	mu             sync.Mutex
	underway, next map[Presentation]*showing
}

// showing is one presentation on behalf of many.
type showing struct {
	shown Presentation // with a retry id, the clients' or one that nobody hears of
	out   Outcome
	err   error
	began time.Time // by the clock of the store
	at    time.Time // when it was over, by the same
	over  chan struct{}
}

// present has a token presented by step, once for all who are here together.
// first reports whether it was on behalf of this caller.
func (t *together) present(p Presentation, step func(*showing)) (s *showing, first bool) {
	s, first = t.join(p)
	if !first {
		<-s.over
		return s, false
	}
	defer t.end(p, s)
	s.err = ErrUnanswered // should the step panic
	step(s)
	return s, true
}

// join returns the showing that the caller is part of; if it is the first of
// it, once that is the one under way.
func (t *together) join(p Presentation) (s *showing, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s = t.next[p]; s != nil {
		return s, false
	}
	s = &showing{shown: p, over: make(chan struct{})}
	if p.Retry == [8]byte{} {
		s.shown.Retry = RetryHash(p.SessionID, rand.Text())
	}
	if before := t.underway[p]; before != nil {
		t.next[p] = s
		t.mu.Unlock()
		<-before.over
		t.mu.Lock()
		delete(t.next, p)
	}
	if t.underway == nil {
		t.underway, t.next = map[Presentation]*showing{}, map[Presentation]*showing{}
	}
	t.underway[p] = s
	return s, true
}

func (t *together) end(p Presentation, s *showing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.underway, p)
	close(s.over)
}
