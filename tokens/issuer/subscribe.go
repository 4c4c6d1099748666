package issuer

import (
	"sync"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

// subscribers are told of entries that have been applied.
type subscribers struct {
	mu   sync.RWMutex // held for reading while they are told
	next int
	all  map[int]func([]revocation.Entry)
}

// Subscribe has told called with the entries of each frame, just after they
// are in the list. told must be quick, must not keep the slice and must not
// cancel. When cancel returns no call is under way, and none will come.
func (f *Follower) Subscribe(told func([]revocation.Entry)) (cancel func()) {
	s := &f.subscribers
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[int]func([]revocation.Entry){}
	}
	id := s.next
	s.next++
	s.all[id] = told
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, id)
	}
}

func (s *subscribers) tell(entries []revocation.Entry) {
	if len(entries) == 0 {
		return
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, told := range s.all {
		told(entries)
	}
}
