package issuer

import (
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// A key ends by the clock, and the feed says so a heartbeat later. Whoever
// fetches in between gets fewer keys than the feed names, and the new ones.
func TestAKeyThatHasJustEndedDoesNotKeepTheNewOnesAway(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.says(generationHeader, "1")
		f := s.follow("orders")
		c := s.live()
		first := current(t, s.ring, keys.SessionCookie)
		ring := rotated(t, s.ring)
		s.setRing(ring)
		s.answer("/session-keys", 503)
		c.keys(2)
		ended, err := ring.Revoke(first.ID, "in its place", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		s.setRing(ended)
		s.says(generationHeader, "2")
		s.answer("/session-keys", 0)
		settle(c)
		if !holds(f, newest(ring, keys.SessionCookie)) {
			t.Error("the new key is not there")
		}
		c.keys(2)
		settle(c)
		if holds(f, first) {
			t.Error("the feed does not name the first key any more, and it is still there")
		}
	})
}

// The pauses between failures grow; what the feed names next must not wait for
// the end of one.
func TestNewSessionKeysDoNotWaitForThePauseAfterOldOnes(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.says(generationHeader, "1")
		f := s.follow("orders")
		c := s.live()
		old, ring := s.ring, rotated(t, s.ring)
		s.setRing(ring)
		s.answer("/session-keys", 503)
		c.keys(2)
		s.setRing(old) // of a replica that lags
		s.answer("/session-keys", 0)
		for range 20 {
			settle(c)
		}
		s.setRing(ring)
		s.says(generationHeader, "3")
		c.keys(3)
		if !holds(f, newest(ring, keys.SessionCookie)) {
			t.Error("not fetched when the feed named it")
		}
	})
}
