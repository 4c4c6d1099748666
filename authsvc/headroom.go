package authsvc

import (
	"slices"
	"sync/atomic"
)

// headroomBounds are the upper bounds of the buckets, in bytes. What is below
// zero was refused.
var headroomBounds = [...]int{-1, 63, 127, 255, 511, 1023, 2047, 4095}

// headroom counts the answers that make or change a session by the bytes that
// were left under the tightest limit, without remembering whose they were.
type headroom struct {
	buckets [len(headroomBounds) + 1]atomic.Uint64 // the last: above every bound
	sum     atomic.Int64
}

func (h *headroom) note(left int) {
	i, _ := slices.BinarySearch(headroomBounds[:], left)
	h.buckets[i].Add(1)
	h.sum.Add(int64(left))
}

// Headroom is a histogram of the bytes that were left of the budget.
type Headroom struct {
	Bounds []int    // inclusive upper bounds, ascending; of what is up to -1, all was refused
	Counts []uint64 // one for each bound, and one for what is above the last
	Sum    int64    // of all bytes, those that were too many as negative ones
}

// Headroom says how much of the budget was left by the logins and refreshes with
// cookies so far, each counted once.
func (s *Service) Headroom() Headroom {
	h := Headroom{Bounds: slices.Clone(headroomBounds[:]), Sum: s.headroom.sum.Load()}
	for i := range s.headroom.buckets {
		h.Counts = append(h.Counts, s.headroom.buckets[i].Load())
	}
	return h
}
