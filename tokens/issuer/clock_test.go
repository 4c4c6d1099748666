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

func TestAStormOfUnknownKeysLeadsToOneFetchInTenSeconds(t *testing.T) {
	for _, id := range []string{"", "orders"} {
		t.Run("client "+id, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stub) {
				s.answer("/feed", 503) // no feed keeps the set
				f := s.follow(id)
				synctest.Wait()
				for range 6050 {
					time.Sleep(10 * time.Millisecond)
					for range 5 {
						f.Refresh()
					}
				}
				times := s.times("/jwks")
				if len(times) != 7 {
					t.Errorf("%d fetches in 60.5 seconds, want 7", len(times))
				}
				for i := 1; i < len(times); i++ {
					if d := times[i].Sub(times[i-1]); d < refreshEvery {
						t.Errorf("two fetches within %v", d)
					}
				}
			})
		})
	}
}

func TestAFailedFetchCountsForTheCoolDown(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("")
		synctest.Wait()
		s.answer("/jwks", 500)
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			f.Refresh()
		}
		if n := s.count("/jwks"); n > 7 {
			t.Errorf("%d fetches in a minute", n)
		}
	})
}

func TestANewKeyIsFoundWithinTheCoolDown(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("")
		synctest.Wait()
		time.Sleep(3 * time.Second)
		ring := s.newRing()
		s.setRing(ring)
		for range 3 { // and then nobody asks any more
			f.Refresh()
			time.Sleep(time.Second)
		}
		time.Sleep(refreshEvery)
		if !holds(f, current(t, ring, keys.AccessToken)) {
			t.Error("the new key is not there")
		}
		time.Sleep(time.Minute)
		if n := s.count("/jwks"); n != 2 {
			t.Errorf("%d fetches for one question", n)
		}
	})
}

func TestAStormUnderALiveFeedLeadsToOneFetchInTenSeconds(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		f := s.follow("orders")
		c := s.live()
		for range 60 {
			time.Sleep(time.Second)
			for range 100 {
				f.Refresh()
			}
			c.beat(1)
		}
		if n := s.count("/jwks"); n > 7 {
			t.Errorf("%d fetches in a minute", n)
		}
		if n := s.count("/session-keys"); n > 7 {
			t.Errorf("%d fetches of the session keys in a minute", n)
		}
	})
}

// The replica behind the feed lags; another one signs with a key that took
// over from a burnt one.
func TestANewKeyThatALiveFeedDoesNotNameIsFoundWithinTheCoolDown(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.says(generationHeader, "1")
		f := s.follow("orders")
		c := s.live()
		old := s.ring
		for range 30 {
			time.Sleep(2 * time.Second)
			c.beat(1)
		}
		ring := rotated(t, old)
		s.setRing(ring)
		s.says(generationHeader, "2")
		f.Refresh()
		for range 5 {
			time.Sleep(2 * time.Second)
			c.beat(1)
		}
		if !holds(f, newest(ring, keys.AccessToken)) {
			t.Fatal("the new key is not there")
		}
		s.setRing(old)
		c.keys(1) // the lagging replica says once more what it knows
		if !holds(f, newest(ring, keys.AccessToken)) {
			t.Error("the lagging replica took the new key away")
		}
		ring, err := ring.Revoke(current(t, old, keys.AccessToken).ID, "", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		s.setRing(ring)
		c.keys(3)
		if !holds(f, newest(ring, keys.AccessToken)) || holds(f, current(t, old, keys.AccessToken)) {
			t.Error("the feed that has caught up does not count")
		}
	})
}

// A cache on the way, or a replica that lags, still has the old set.
func TestAnOlderSetIsNotTakenOverTheLiveFeeds(t *testing.T) {
	for name, header := range map[string]string{"older": "1", "the same": "2", "of no generation": ""} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stub) {
				s.says(generationHeader, "1")
				f := s.follow("orders")
				c := s.next()
				old, ring := s.ring, rotated(t, s.ring)
				s.setRing(ring)
				s.says(generationHeader, "2")
				c.keys(2)
				c.frame(revocation.Frame{Kind: revocation.Snapshot, Pos: at(1)})
				s.setRing(old)
				s.says(generationHeader, header)
				f.Refresh()
				for range 20 {
					time.Sleep(time.Second)
					c.beat(1)
				}
				if n := s.count("/jwks"); n != 2 {
					t.Errorf("%d fetches", n)
				}
				if !holds(f, newest(ring, keys.AccessToken)) || !holds(f, newest(ring, keys.SessionCookie)) {
					t.Error("the older set was taken over")
				}
			})
		})
	}
}

func TestARemovedKeyIsGoneAtTheSetsAgeAlsoWhileTheFeedIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.says("Cache-Control", "max-age=20")
		f := s.follow("orders")
		s.live()
		s.answer("/feed", 503)
		s.says("Retry-After", "60")
		s.feeds = make(chan *stubFeed, 1000)
		time.Sleep(6 * time.Second) // the feed that was live has gone silent: the set was good up to here
		synctest.Wait()
		old := s.ring
		s.setRing(s.newRing())
		feeds := s.count("/feed")
		time.Sleep(20*time.Second + time.Millisecond)
		if holds(f, current(t, old, keys.AccessToken)) {
			t.Error("the removed key is still there")
		}
		if n := s.count("/feed") - feeds; n > 1 {
			t.Errorf("the feed, which had asked for a minute, was asked %d times", n)
		}
	})
}

func TestAFeedThatComesBackMakesAWaitingRefreshIdle(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.answer("/feed", 503)
		f := s.follow("orders")
		synctest.Wait()
		f.Refresh()
		s.answer("/feed", 0)
		c := s.live()
		for range 30 {
			time.Sleep(time.Second)
			c.beat(1)
		}
		if n := s.count("/jwks"); n != 1 {
			t.Errorf("%d fetches although the feed keeps the set", n)
		}
	})
}

func TestAFeedThatKeptTheSetSparesItsFetch(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.follow("orders")
		c := s.live()
		for range 1000 {
			time.Sleep(time.Second)
			c.beat(1)
		}
		_ = c.w.Close()
		s.live()
		if n := s.count("/jwks"); n != 1 {
			t.Errorf("%d fetches of a set that was fresh", n)
		}
	})
}

func TestRefreshBeforeAnyKeySetIsLeftToTheStart(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.answer("/jwks", 503)
		f := s.follow("")
		for range 100 {
			f.Refresh()
		}
		synctest.Wait()
		if n := s.count("/jwks"); n != 1 {
			t.Errorf("%d fetches", n)
		}
		if _, err := f.Key("x", keys.AccessToken, time.Now()); !errors.Is(err, keys.ErrUnavailable) {
			t.Errorf("a key before any set: %v", err)
		}
	})
}

func TestWithoutAFeedTheKeySetIsFetchedAtItsAge(t *testing.T) {
	for header, age := range map[string]time.Duration{
		"public, max-age=60": time.Minute, "max-age=1": minKeySetAge, "max-age=999999": maxKeySetAge,
		"": defaultKeySetAge, "max-age=x": defaultKeySetAge, "no-store, MAX-AGE=30": 30 * time.Second,
	} {
		t.Run(header, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stub) {
				s.says("Cache-Control", header)
				f := s.follow("")
				synctest.Wait()
				k := current(t, s.ring, keys.AccessToken)
				s.setRing(s.newRing())
				time.Sleep(age - time.Millisecond)
				if s.count("/jwks") != 1 || !holds(f, k) {
					t.Errorf("%d fetches before its age", s.count("/jwks"))
				}
				time.Sleep(2 * time.Millisecond)
				synctest.Wait()
				if s.count("/jwks") != 2 || holds(f, k) || !holds(f, current(t, s.ring, keys.AccessToken)) {
					t.Errorf("%d fetches after it, or a key that is gone is still used", s.count("/jwks"))
				}
				if n := s.count("/feed"); n != 0 {
					t.Errorf("the feed was asked for without a client")
				}
			})
		})
	}
}

func TestKeysAreServedThroughAnOutageAndItIsLoggedOnce(t *testing.T) {
	for _, id := range []string{"", "orders"} {
		t.Run("client "+id, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stub) {
				f := s.follow(id)
				if id != "" {
					s.live()
				}
				synctest.Wait()
				s.answer("*", -1)
				time.Sleep(24 * time.Hour)
				if !f.Ready() || !holds(f, current(t, s.ring, keys.AccessToken)) {
					t.Error("what was known was given up")
				}
				if n := strings.Count(s.logged(), "level=WARN"); n != 1 {
					t.Errorf("%d warnings in %s", n, s.logged())
				}
				s.answer("*", 0)
				time.Sleep(maxBackoff)
				if id != "" {
					s.live()
				}
				synctest.Wait()
				if f.Status().Fault != "" {
					t.Errorf("fault %q after the outage", f.Status().Fault)
				}
			})
		})
	}
}

func TestRetriesBeginAtOnceAndGrowApart(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.answer("*", -1)
		f := s.follow("orders")
		time.Sleep(time.Hour)
		times, bound := s.times("/.well-known/oauth-authorization-server"), minBackoff
		for i := 1; i < len(times); i++ {
			if d := times[i].Sub(times[i-1]); d > bound {
				t.Errorf("pause %d was %v, more than %v", i, d, bound)
			}
			bound = min(2*bound, maxBackoff)
		}
		if len(times) < 120 || len(times) > 600 {
			t.Errorf("%d tries in an hour", len(times))
		}
		if f.Ready() {
			t.Error("ready without anything")
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.says("Retry-After", "20")
		s.answer("/feed", 503)
		s.follow("orders")
		time.Sleep(10 * time.Minute)
		times := s.times("/feed")
		for i := 1; i < len(times); i++ {
			if d := times[i].Sub(times[i-1]); d < 20*time.Second {
				t.Errorf("came back after %v", d)
			}
		}
		if len(times) < 10 {
			t.Errorf("%d tries", len(times))
		}
	})
}

func TestAnUnknownClientStillVerifies(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.answer("/feed", 401)
		s.answer("/session-keys", 401)
		f := s.follow("orders")
		synctest.Wait()
		if f.Ready() || !holds(f, current(t, s.ring, keys.AccessToken)) {
			t.Error("ready, or without the public keys")
		}
		if strings.Contains(s.logged(), "hush-hush") || strings.Contains(f.Status().Fault, "hush-hush") {
			t.Errorf("the secret is in the log: %s", s.logged())
		}
	})
}

// The key set can not be had for ten minutes, and the keys are rotated meanwhile. The
// successor has long been in the set that everybody holds, so nothing it signs is
// refused, with a feed or without.
func TestARotationWhileTheKeySetCanNotBeHadRefusesNothing(t *testing.T) {
	for _, id := range []string{"", "orders"} {
		t.Run("client "+id, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stub) {
				time.Sleep(s.ring.Plan().Lead(keys.AccessToken)) // since the ring was made
				f := s.follow(id)
				if id != "" {
					s.live()
				}
				synctest.Wait()
				first := current(t, s.ring, keys.AccessToken)
				s.answer("*", 500)
				signed, refused := map[string]int{}, 0
				for second := range 10 * 60 {
					if second == 3*60 {
						ring, err := s.ring.Rotate(keys.AccessToken, keys.Plan{}, time.Now())
						if err != nil {
							t.Fatal(err)
						}
						s.mu.Lock()
						s.ring = ring
						s.mu.Unlock()
					}
					for _, k := range []keys.Key{current(t, s.ring, keys.AccessToken), first} { // of a token made now, and of one made before
						if !holds(f, k) {
							refused++
						}
						signed[k.ID]++
					}
					time.Sleep(time.Second)
				}
				if refused > 0 || len(signed) != 2 {
					t.Errorf("%d tokens of %v refused", refused, signed)
				}
			})
		})
	}
}

// What a verifier has made of a key, such as its multiples, stays when the same key
// comes again, by a fetch or by the feed.
func TestAKeyThatComesAgainIsTheSame(t *testing.T) {
	for _, id := range []string{"", "orders"} {
		t.Run("client "+id, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stub) {
				f := s.follow(id)
				synctest.Wait()
				table := func() any {
					k, err := f.Key(current(t, s.ring, keys.Feed).ID, keys.Feed, time.Now())
					if err != nil {
						t.Fatal(err)
					}
					return k.Table()
				}
				first, at := table(), f.Status().KeysAt
				time.Sleep(time.Hour)
				if id != "" {
					s.live()
				}
				if f.Status().KeysAt.Equal(at) {
					t.Fatal("no key set has come")
				}
				if table() != first {
					t.Error("it is another")
				}
			})
		})
	}
}
