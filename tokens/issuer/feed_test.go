package issuer

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// bubble runs a test with a stub, on a clock of its own.
func bubble(t *testing.T, test func(t *testing.T, s *stub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newStub(t)) })
}

func TestAFollowerIsReadyWithItsFirstSnapshot(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.next()
		c.keys(1)
		if f.Ready() || !f.AsOf().IsZero() || f.Status().Live {
			t.Error("ready before the snapshot")
		}
		e := sessionEntry()
		c.frame(revocation.Frame{Kind: revocation.Snapshot, Pos: at(1), Entries: []revocation.Entry{e}})
		if !f.Ready() || !f.Status().Live || f.Status().Position != at(1) || f.Revocations().Len() != 1 {
			t.Errorf("status %+v with %d revocations", f.Status(), f.Revocations().Len())
		}
		if !f.AsOf().Equal(time.Now()) {
			t.Errorf("as of %v, want %v", f.AsOf(), time.Now())
		}
	})
}

func TestADeltaMovesThePositionAndIsToldOf(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		var told []revocation.Entry
		cancel := f.Subscribe(func(es []revocation.Entry) {
			if f.Revocations().Len() == 0 {
				t.Error("told before the list has it")
			}
			told = append(told, es...)
		})
		c := s.live()
		e := sessionEntry()
		c.delta(1, 2, e)
		if len(told) != 1 || told[0].Target() != e.Target() || f.Status().Position != at(2) {
			t.Errorf("told %v at %v", told, f.Status().Position)
		}
		cancel()
		c.delta(2, 3, sessionEntry())
		if len(told) != 1 || f.Revocations().Len() != 2 {
			t.Errorf("told %v of %d after cancel", told, f.Revocations().Len())
		}
	})
}

func TestRevocationsExpireWithHeartbeatsAndWithoutAFeed(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.live()
		now := time.Now()
		brief, long := sessionEntry(), sessionEntry()
		brief.Exp, long.Exp = uint32(now.Unix())+2, uint32(now.Unix())+60
		c.delta(1, 2, brief, long)
		time.Sleep(2 * time.Second)
		c.beat(2)
		if n := f.Revocations().Len(); n != 1 {
			t.Errorf("%d are left after a heartbeat", n)
		}
		s.answer("*", -1)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := f.Revocations().Len(); n != 0 {
			t.Errorf("%d are left while the issuer is away", n)
		}
	})
}

func TestAFrameBeyondAGapCountsAndTheGapIsAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.live()
		c.delta(5, 6, sessionEntry())
		if f.Revocations().Len() != 1 {
			t.Error("the entries of an authentic frame did not count")
		}
		if f.Status().Position != at(1) || f.Status().Live || !c.closed() {
			t.Errorf("went on over a gap: %+v", f.Status())
		}
		if c = s.next(); c.since != at(1).String() {
			t.Errorf("asked for what comes after %q", c.since)
		}
		c.delta(1, 6)
		if f.Status().Position != at(6) || !f.Status().Live {
			t.Errorf("the gap is not closed: %+v", f.Status())
		}
	})
}

func TestAFrameOfAnotherEpochIsAGapAndARebaseIsNot(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.live()
		next := revocation.Position{Epoch: 8, Cursor: at(9).Cursor}
		c.frame(revocation.Frame{Kind: revocation.Rebase, PrevEpoch: epoch, Prev: at(1).Cursor, Pos: next})
		if f.Status().Position != next || c.closed() {
			t.Fatalf("a rebase was not followed: %+v", f.Status())
		}
		c.delta(1, 2)
		if f.Status().Position != next || !c.closed() {
			t.Errorf("a frame of an old epoch was followed: %+v", f.Status())
		}
	})
}

// A snapshot may come in parts: before the last there is neither a list to
// judge by nor a position to go on from.
func TestASnapshotInPartsIsNoneBeforeTheLast(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.next()
		c.keys(1)
		whole := revocation.Frame{Kind: revocation.Snapshot, Pos: at(5), AsOf: time.Now()}
		for range 5 {
			whole.Entries = append(whole.Entries, sessionEntry())
		}
		parts := whole.Parts(2)
		c.frame(parts[0])
		c.frame(parts[1])
		if f.Ready() || !f.AsOf().IsZero() || f.Revocations().Len() != 4 || c.closed() {
			t.Fatalf("before the last part: ready %v, as of %v, %d entries", f.Ready(), f.AsOf(), f.Revocations().Len())
		}
		c.frame(parts[2])
		if st := f.Status(); !f.Ready() || st.Position != at(5) || f.AsOf().IsZero() || f.Revocations().Len() != 5 || c.closed() {
			t.Errorf("after the last part: %+v, %d entries", st, f.Revocations().Len())
		}
	})
}

func TestAMissingPartOfASnapshotIsAGap(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.next()
		c.keys(1)
		whole := revocation.Frame{Kind: revocation.Snapshot, Pos: at(5), Entries: []revocation.Entry{sessionEntry(), sessionEntry(), sessionEntry()}}
		parts := whole.Parts(1)
		c.frame(parts[0])
		c.frame(parts[2])
		if f.Ready() || !c.closed() {
			t.Error("nobody has noticed")
		}
	})
}

func TestADeltaBeforeAnySnapshotIsAGap(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.next()
		c.delta(0, 0)
		if f.Ready() || !c.closed() {
			t.Error("a delta without a snapshot made the follower ready")
		}
	})
}

func TestASilentFeedIsTakenForDeadBeforeTheFourthBeat(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.live()
		for range 5 {
			time.Sleep(3700 * time.Millisecond)
			c.beat(1)
		}
		if c.closed() || !f.Status().Live {
			t.Fatal("hung up on a feed that beats")
		}
		_, _ = c.w.Write([]byte(": a proxy keeps the connection, not the feed\n\n"))
		time.Sleep(3800 * time.Millisecond)
		if !c.closed() || f.Status().Live {
			t.Fatal("a silent feed is still believed in")
		}
		if !strings.Contains(f.Status().Fault, "silent") {
			t.Errorf("fault %q", f.Status().Fault)
		}
		if c = s.next(); c.since != at(1).String() {
			t.Errorf("asked for what comes after %q", c.since)
		}
	})
}

func TestALargeEventIsASignOfLifeBeforeItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.follow("orders")
		c := s.live()
		_, _ = c.w.Write([]byte("data: "))
		for range 10 {
			time.Sleep(3 * time.Second)
			_, _ = c.w.Write([]byte(strings.Repeat("x", 20<<10)))
		}
		if c.closed() {
			t.Error("hung up on a slow snapshot")
		}
	})
}

func TestAnAnswerThatNeverComesIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.follow("orders")
		c := s.next()
		time.Sleep(3700 * time.Millisecond)
		if c.closed() {
			t.Error("given up too early")
		}
		time.Sleep(200 * time.Millisecond)
		if !c.closed() {
			t.Error("still waiting for the first event")
		}
	})
}

func TestAsOfIsNeverAheadOfOurClockAndNeverGoesBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.live()
		beat := func(asOf time.Time) {
			c.frame(revocation.Frame{Kind: revocation.Delta, PrevEpoch: epoch, Prev: at(1).Cursor, Pos: at(1), AsOf: asOf})
		}
		time.Sleep(time.Second)
		beat(time.Now().Add(time.Hour))
		if !f.AsOf().Equal(time.Now()) {
			t.Errorf("as of %v at %v", f.AsOf(), time.Now())
		}
		was := f.AsOf()
		beat(was.Add(-time.Minute))
		if !f.AsOf().Equal(was) {
			t.Errorf("as of went back to %v", f.AsOf())
		}
	})
}

func TestWhatIsNotAuthenticChangesNothing(t *testing.T) {
	for name, spoil := range map[string]func(string) string{
		"garbage":             func(string) string { return "garbage" },
		"another signature":   func(raw string) string { return raw[:len(raw)-4] + "AAAA" },
		"a cut frame":         func(raw string) string { return raw[:len(raw)/2] },
		"nothing":             func(string) string { return "" },
		"a frame and a frame": func(raw string) string { return raw + raw },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stub) {
				f := s.follow("orders")
				c := s.live()
				b, err := (&revocation.Frame{
					Kind: revocation.Delta, PrevEpoch: epoch, Prev: at(1).Cursor, Pos: at(2), AsOf: time.Now(),
					Entries: []revocation.Entry{sessionEntry()},
				}).MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				c.send("message", spoil(c.sign("sealring-feed+jws", b)))
				if f.Revocations().Len() != 0 || f.Status().Position != at(1) || !c.closed() {
					t.Errorf("it was believed: %+v", f.Status())
				}
			})
		})
	}
}

func TestAFrameSignedAsSomethingElseIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.live()
		b, err := (&revocation.Frame{Kind: revocation.Snapshot, Pos: at(2), AsOf: time.Now()}).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		c.send("message", c.sign("sealring-keys+jws", b))
		if f.Status().Position != at(1) || !c.closed() {
			t.Error("a frame with another typ was believed")
		}
	})
}

func TestResetAndByeReconnectWithinTheirWindow(t *testing.T) {
	for event, since := range map[string]string{"reset": "", "bye": at(1).String()} {
		t.Run(event, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stub) {
				f := s.follow("orders")
				c := s.live()
				began := time.Now()
				c.send(event, `{"window_ms":20000}`)
				if !c.closed() || !f.Ready() {
					t.Error("still connected, or not ready any more")
				}
				c = s.next()
				if d := time.Since(began); d > 20*time.Second {
					t.Errorf("came back after %v", d)
				}
				if c.since != since {
					t.Errorf("asked for what comes after %q, want %q", c.since, since)
				}
				if strings.Contains(s.logged(), "WARN") {
					t.Errorf("a wish of the issuer is no fault: %s", s.logged())
				}
			})
		})
	}
}

func TestAWindowIsBounded(t *testing.T) {
	for data, want := range map[string]time.Duration{
		`{"window_ms":1000}`: time.Second, `{"window_ms":4000000000}`: maxWindow, `{}`: 0,
		`{"window_ms":-1}`: minBackoff, `garbage`: minBackoff, ``: minBackoff,
	} {
		if got := window(data); got != want {
			t.Errorf("window(%q) = %v, want %v", data, got, want)
		}
	}
}

func TestAnEventOfAnUnknownKindIsPassedOver(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.live()
		c.send("weather", "sunny")
		c.beat(1)
		if c.closed() || !f.Status().Live {
			t.Error("an unknown event broke the feed")
		}
	})
}

func TestTheFeedsKeySetCountsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.live()
		k := current(t, s.ring, keys.AccessToken)
		if !holds(f, k) {
			t.Fatal("the signing key is not held")
		}
		ring, err := s.ring.Revoke(k.ID, "test", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		s.setRing(ring)
		c.keys(2)
		if holds(f, k) {
			t.Error("a key that is gone from the set is still used")
		}
		if !holds(f, current(t, ring, keys.AccessToken)) {
			t.Error("the new signing key is not held")
		}
		if f.Status().Generation != 2 || s.count("/jwks") != 1 {
			t.Errorf("generation %d, %d fetches", f.Status().Generation, s.count("/jwks"))
		}
	})
}

func TestAnOlderKeySetIsNotTaken(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.live()
		old := s.ring
		k := current(t, old, keys.AccessToken)
		ring, err := old.Revoke(k.ID, "test", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		s.setRing(ring)
		c.keys(5)
		s.setRing(old)
		c.keys(4)
		if holds(f, k) || f.Status().Generation != 5 {
			t.Error("an old key set brought a revoked key back")
		}
	})
}

func TestOtherSessionKeysAreFetchedWhenTheFeedNamesThem(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.live()
		if n := s.count("/session-keys"); n != 1 {
			t.Fatalf("%d fetches at the start", n)
		}
		k := current(t, s.ring, keys.SessionCookie)
		ring, err := s.ring.Revoke(k.ID, "test", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		s.setRing(ring)
		s.answer("/session-keys", 503)
		c.keys(2)
		s.answer("/session-keys", 0)
		for range 30 {
			time.Sleep(time.Second)
			c.beat(1)
		}
		if holds(f, k) || !holds(f, current(t, ring, keys.SessionCookie)) {
			t.Error("the session keys are not the ones that the feed names")
		}
		if n := s.count("/session-keys"); n < 3 {
			t.Errorf("%d fetches: a failed one was not tried again", n)
		}
	})
}

func TestAClientWithoutTheScopeVerifiesBearersAndIsReady(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.answer("/session-keys", 403)
		f := s.follow("orders")
		s.live()
		if !f.Ready() {
			t.Error("not ready")
		}
		_, err := f.Key(current(t, s.ring, keys.SessionCookie).ID, keys.SessionCookie, time.Now())
		if !errors.Is(err, keys.ErrUnavailable) {
			t.Errorf("a session key: %v", err)
		}
	})
}

func TestAFeedKeyThatIsNotKnownHasTheDocumentsFetchedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		s.live().keys(9)
		ring := s.newRing() // as after a restart with a new data folder
		s.mu.Lock()
		s.ring, s.feedRing = ring, ring
		s.mu.Unlock()
		c := s.next()
		c.keys(1)
		if !c.closed() {
			t.Fatal("a key set was believed that an unknown key has signed")
		}
		c = s.live()
		if c.closed() || !f.Status().Live || !holds(f, current(t, ring, keys.AccessToken)) || f.Status().Generation != 1 {
			t.Errorf("the new ring is not followed: %+v", f.Status())
		}
	})
}

func TestAnAnswerThatIsNoStreamIsNotRead(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.answer("/feed", 200) // with nothing in it
		f := s.follow("orders")
		synctest.Wait()
		if !strings.Contains(f.Status().Fault, errNotSSE.Error()) {
			t.Errorf("fault %q", f.Status().Fault)
		}
	})
}
