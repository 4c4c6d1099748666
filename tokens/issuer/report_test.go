package issuer

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// settle lets a report go out that is due, and keeps the feed alive.
func settle(c *stubFeed) {
	for range 3 {
		time.Sleep(time.Second)
		c.beat(1)
	}
}

func (s *stub) reported() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reports
}

// rotated is a ring in which every purpose has a new key.
func rotated(t *testing.T, r *keys.Ring) *keys.Ring {
	t.Helper()
	for _, p := range keys.Purposes() {
		next, err := r.Rotate(p, keys.Plan{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r = next
	}
	return r
}

// newest is the key that was made last.
func newest(r *keys.Ring, p keys.Purpose) (last keys.Key) {
	for _, k := range r.Keys() {
		if k.Purpose == p {
			last = k
		}
	}
	return last
}

func TestWhoConnectsSaysWhatItHoldsAndReportsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.says(generationHeader, "1")
		f := s.follow("orders")
		c := s.live()
		settle(c)
		if q := s.queries[0]; q.Get("verifier") != f.id.String() || q.Get("holding") != "1" {
			t.Errorf("it connects with %v", q)
		}
		if r := s.reported(); len(r) != 0 {
			t.Errorf("a mere connect led to %v", r)
		}
		if st := f.Status(); st.Generation != 1 || st.Verifier != f.id {
			t.Errorf("%+v", st)
		}
	})
}

func TestANewGenerationIsReportedOnceWithThePosition(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.says(generationHeader, "1")
		f := s.follow("orders")
		c := s.live()
		for n := uint64(2); n <= 3; n++ {
			c.keys(n)
			settle(c)
			c.keys(n)
			settle(c)
			want := fmt.Sprintf(`{"generation":%d,"position":"%v","verifier":"%s"}`, n, at(1), f.id)
			if r := s.reported(); len(r) != int(n-1) || r[n-2] != want {
				t.Errorf("reported %v, want %s", r, want)
			}
		}
	})
}

func TestNothingIsReportedBeforeTheFirstSnapshot(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.header.Set(generationHeader, "1")
		s.follow("orders")
		c := s.next()
		c.keys(2)
		time.Sleep(3 * time.Second)
		if r := s.reported(); len(r) != 0 {
			t.Errorf("reported %v", r)
		}
		c.frame(revocation.Frame{Kind: revocation.Snapshot, Pos: at(1)})
		for range 10 {
			settle(c)
		}
		if r := s.reported(); len(r) != 1 || !strings.Contains(r[0], at(1).String()) {
			t.Errorf("reported %v", r)
		}
	})
}

func TestReportsAreSpreadInTime(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.header.Set(generationHeader, "1")
		s.follow("orders")
		c := s.live()
		var early, late int
		for n := uint64(2); n < 42; n++ {
			c.keys(n)
			told := time.Now()
			settle(c)
			times := s.times("/held")
			switch d := times[len(times)-1].Sub(told); {
			case d > reportSpread:
				t.Fatalf("reported after %v", d)
			case d < reportSpread/2:
				early++
			default:
				late++
			}
		}
		if early == 0 || late == 0 {
			t.Errorf("%d early, %d late", early, late)
		}
	})
}

func TestAGenerationIsHeldOnlyWithItsSessionKeys(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.says(generationHeader, "1")
		f := s.follow("orders")
		c := s.live()
		s.answer("/session-keys", 503)
		s.setRing(rotated(t, s.ring))
		s.says(generationHeader, "2")
		c.keys(2)
		settle(c)
		if r, st := s.reported(), f.Status(); len(r) != 0 || st.Generation != 1 {
			t.Errorf("without the session keys: reported %v, status %+v", r, st)
		}
		s.answer("/session-keys", 0)
		for range 40 {
			settle(c)
		}
		if r := s.reported(); len(r) != 1 || !strings.Contains(r[0], `"generation":2`) {
			t.Errorf("reported %v", r)
		}
		if !holds(f, newest(s.ring, keys.SessionCookie)) {
			t.Error("the session key is not there")
		}
	})
}

func TestSessionKeysOfALaggingReplicaAreAskedForAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.says(generationHeader, "1")
		f := s.follow("orders")
		c := s.live()
		old, ring := s.ring, rotated(t, s.ring)
		s.setRing(ring)
		s.answer("/session-keys", 503)
		c.keys(2)
		s.setRing(old) // of the replica that is asked next
		s.answer("/session-keys", 0)
		for range 10 {
			settle(c)
		}
		if holds(f, newest(ring, keys.SessionCookie)) {
			t.Fatal("the lagging replica was not asked")
		}
		s.setRing(ring)
		s.says(generationHeader, "2")
		for range 20 {
			settle(c)
		}
		if !holds(f, newest(ring, keys.SessionCookie)) {
			t.Error("the session key that the feed names is not there")
		}
	})
}

func TestAClientWithoutTheScopeReportsItsKeySet(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.says(generationHeader, "1")
		s.answer("/session-keys", 403)
		s.follow("orders")
		c := s.live()
		c.keys(2)
		settle(c)
		if r := s.reported(); len(r) != 1 {
			t.Errorf("reported %v", r)
		}
	})
}

func TestAReportThatFailsIsMadeAgainWithTheNewest(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.says(generationHeader, "1")
		s.follow("orders")
		c := s.live()
		s.answer("/held", 503)
		c.keys(2)
		settle(c)
		c.keys(3)
		settle(c)
		s.answer("/held", 0)
		for range 20 {
			settle(c)
		}
		if r := s.reported(); len(r) != 1 || !strings.Contains(r[0], `"generation":3`) {
			t.Errorf("reported %v", r)
		}
		if n := s.count("/held"); n > 10 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestARefusedReportIsNotRepeated(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.says(generationHeader, "1")
		s.follow("orders")
		c := s.live()
		s.answer("/held", 404)
		c.keys(2)
		for range 20 {
			settle(c)
		}
		if n := s.count("/held"); n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestWhatCouldNotBeReportedIsSaidAtTheNextConnect(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.says(generationHeader, "1")
		s.follow("orders")
		c := s.live()
		s.answer("/held", 503)
		c.keys(2)
		settle(c)
		_ = c.w.Close()
		s.answer("/held", 0)
		c = s.next()
		c.keys(2)
		settle(c)
		if q := s.queries[len(s.queries)-1]; q.Get("holding") != "2" || q.Get("since") == "" {
			t.Errorf("it connects with %v", q)
		}
		if r := s.reported(); len(r) != 0 {
			t.Errorf("reported %v besides", r)
		}
	})
}
