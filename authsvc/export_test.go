package authsvc

import (
	"log/slog"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// LimitSeals makes sealing keys wear out sooner: a rotation is due at due, the
// end is at most, and a block has first. It is for the time before the
// first seal.
func (s *Service) LimitSeals(due, most, first uint64) {
	s.seals.due, s.seals.most, s.seals.first, s.seals.large = due, most, first, first
}

// CountSeals is what a process does that seals with the keys of a ring, and
// nothing else: each call of what it returns counts one.
func CountSeals(change ChangeRing, ring func() *keys.Ring, due, most, block uint64) func(keys.Purpose) error {
	s := newSeals(Config{ChangeRing: change, Logger: slog.New(slog.DiscardHandler)}, ring, time.Now)
	s.due, s.most, s.first, s.large = due, most, block, 2*block
	return func(p keys.Purpose) error {
		k, err := ring().Current(p, s.now())
		if err != nil {
			return err
		}
		return s.take(k)
	}
}

// FlushFeed publishes what waits for the batch, as the next tick would.
func (s *Service) FlushFeed() { s.hub.locked(s.hub.flush) }

// FramesKept is how many frames a subscriber may be behind.
const FramesKept = windowFrames

// ChangeAtOnce has changes of one session's data meet in the store alone, as those
// at different replicas do.
func (s *Service) ChangeAtOnce() { s.changes = nil }

// SetClock makes the service go by another clock, before it runs.
func (s *Service) SetClock(now func() time.Time) { s.now = now }

// ReturnTo is what judges a return_to.
func ReturnTo(given string, origins []string) (string, bool) { return returnTo(given, origins) }
