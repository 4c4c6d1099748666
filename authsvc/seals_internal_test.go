package authsvc

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/keys"
)

// kept is a ring that replicas share, and what may go wrong with its store.
type kept struct {
	mu     sync.Mutex
	ring   *keys.Ring
	before error // nothing is written
	after  error // it is written, and nobody is told
}

func (k *kept) change(_ context.Context, plan func(*keys.Ring) (*keys.Ring, error)) (*keys.Ring, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	next, err := plan(k.ring)
	if err = errors.Join(err, k.before); err != nil {
		return nil, err
	}
	k.ring = next
	return next, k.after
}

func (k *kept) look() *keys.Ring {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ring
}

// pocket is a Spare in memory, which outlives its process, and what may go
// wrong with it.
type pocket struct {
	held   map[string]uint64
	before error // nothing is stored
	after  error // it is stored, and nobody is told
}

func (p *pocket) Load() (map[string]uint64, error) { return maps.Clone(p.held), nil }

func (p *pocket) Store(aside map[string]uint64) error {
	if p.before != nil {
		return p.before
	}
	p.held = maps.Clone(aside)
	return p.after
}

// counter is a process that seals, with its copy of the ring.
type counter struct {
	*seals
	copy *keys.Ring
}

func newCounter(k *kept, now func() time.Time, due, most, first uint64) *counter {
	return newCounterWith(k, nil, now, due, most, first)
}

func newCounterWith(k *kept, spare Spare, now func() time.Time, due, most, first uint64) *counter {
	c := &counter{copy: k.look()}
	c.seals = newSeals(Config{ChangeRing: k.change, Spare: spare, Logger: slog.New(slog.DiscardHandler)}, func() *keys.Ring { return c.copy }, now)
	c.due, c.most, c.first, c.large, c.extra = due, most, first, 2*first, first
	return c
}

// seal seals once, and says with which key.
func (c *counter) seal(p keys.Purpose) (string, error) {
	k, err := c.copy.Current(p, c.now())
	if err != nil {
		return "", err
	}
	return k.ID, c.take(k)
}

func aRing(t interface{ Fatal(...any) }) *keys.Ring {
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// Whatever is killed and whatever the store does, no key seals more than its
// count says, nor more than it may; and it is replaced within a lead.
func TestNoKeySealsMoreThanItMay(t *testing.T) {
	const due, most, first = 300, 600, 8
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Unix(1_800_000_000, 0)
		clock := func() time.Time { return now }
		shared := &kept{ring: aRing(rt)}
		pockets := []*pocket{{}, {}, {}}
		fresh := func(i int) *counter { return newCounterWith(shared, pockets[i], clock, due, most, first) }
		all := []*counter{fresh(0), fresh(1), fresh(2)}
		made := map[string]uint64{}
		purposes := []keys.Purpose{keys.SessionCookie, keys.RefreshToken}
		which := rapid.IntRange(0, len(all)-1)
		rt.Repeat(map[string]func(*rapid.T){
			"seal": func(rt *rapid.T) {
				c, p := all[which.Draw(rt, "replica")], rapid.SampledFrom(purposes).Draw(rt, "purpose")
				for range rapid.IntRange(1, 40).Draw(rt, "times") {
					kid, err := c.seal(p)
					if err != nil {
						break
					}
					made[kid]++
				}
			},
			"fill ahead": func(rt *rapid.T) { all[which.Draw(rt, "replica")].refill(context.Background()) },
			"look":       func(rt *rapid.T) { all[which.Draw(rt, "replica")].copy = shared.look() },
			"kill": func(rt *rapid.T) {
				i := which.Draw(rt, "replica")
				all[i] = fresh(i)
			},
			"trouble": func(rt *rapid.T) {
				i := which.Draw(rt, "replica")
				shared.before = rapid.SampledFrom([]error{nil, errDown}).Draw(rt, "before")
				shared.after = rapid.SampledFrom([]error{nil, errDown}).Draw(rt, "after")
				pockets[i].before = rapid.SampledFrom([]error{nil, errDown}).Draw(rt, "pocket before")
				pockets[i].after = rapid.SampledFrom([]error{nil, errDown}).Draw(rt, "pocket after")
				now = now.Add(2 * sealsAgain)
				for range rapid.IntRange(1, 40).Draw(rt, "times") {
					if kid, err := all[i].seal(keys.SessionCookie); err == nil {
						made[kid]++
					}
				}
				shared.before, shared.after, pockets[i].before, pockets[i].after = nil, nil, nil, nil
				now = now.Add(2 * sealsAgain)
			},
			"a moment": func(*rapid.T) { now = now.Add(2 * sealsAgain) },
			"a day": func(rt *rapid.T) {
				now = now.Add(keys.DefaultPlan().Lead(keys.SessionCookie) + time.Second)
				for _, c := range all {
					c.copy = shared.look()
					if kid, err := c.seal(keys.RefreshToken); err == nil {
						made[kid]++
					} else {
						rt.Errorf("a lead later it still does not seal: %v", err)
					}
				}
			},
			"": func(rt *rapid.T) {
				for kid, n := range made {
					if count := shared.look().Seals(kid); n > most || n > count && count > 0 {
						rt.Fatalf("%d seals with a key that is counted %d times and may %d times", n, count, most)
					}
				}
			},
		})
	})
}

func TestManyAtOnceSealExactlyAsOftenAsTheyMay(t *testing.T) {
	const most = 400_000
	shared := &kept{ring: aRing(t)}
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	var made atomic.Int64
	var busy sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 2 {
		c := newCounter(shared, now, most+1, most, 4)
		c.large = 1 << 12
		busy.Go(func() { c.run(ctx) })
		var sealing sync.WaitGroup
		for range 8 {
			sealing.Go(func() {
				for {
					if _, err := c.seal(keys.SessionCookie); errors.Is(err, keys.ErrSealsSpent) {
						return
					} else if err != nil {
						t.Error(err)
						return
					}
					made.Add(1)
				}
			})
		}
		busy.Go(sealing.Wait)
	}
	go func() { // the last to end what runs beside
		for made.Load() < most && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	busy.Wait()
	if made.Load() != most {
		t.Errorf("%d seals, want %d", made.Load(), most)
	}
}

func TestAServiceThatCanNotReachTheRingSealsWhatItHas(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	shared := &kept{ring: aRing(t)}
	c := newCounter(shared, func() time.Time { return now }, 1000, 1000, 10)
	seal := func() error { _, err := c.seal(keys.RefreshToken); return err }
	if err := seal(); err != nil {
		t.Fatal(err)
	}
	shared.before = errDown
	for range 9 {
		if err := seal(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := seal(); !errors.Is(err, errDown) {
			t.Fatalf("beyond its block: %v", err)
		}
	}
	shared.before = nil
	if err := seal(); !errors.Is(err, errDown) {
		t.Errorf("it asks again within the same moment: %v", err)
	}
	now = now.Add(sealsAgain)
	if err := seal(); err != nil {
		t.Errorf("when the store is back: %v", err)
	}
	if n := shared.look().Seals(mustCurrent(t, c.copy, keys.RefreshToken, now).ID); n != 10+20 {
		t.Errorf("counted %d, want a block of 10 and one of 20", n)
	}
}

func TestAServiceThatStartsWithoutItsStoreSealsWhatWasSetAside(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	shared, pocket := &kept{ring: aRing(t)}, &pocket{}
	start := func() *counter {
		return newCounterWith(shared, pocket, func() time.Time { return now }, 1000, 1000, 10)
	}
	first := start()
	if !first.refill(t.Context()) {
		t.Fatal("not filled")
	}
	k := mustCurrent(t, shared.look(), keys.RefreshToken, now)
	if shared.look().Seals(k.ID) != 20 || pocket.held[k.ID] != 10 {
		t.Fatalf("counted %d, set aside %v", shared.look().Seals(k.ID), pocket.held)
	}
	shared.before, pocket.before = errDown, errDown
	for _, c := range []struct {
		name string
		*counter
		want int
	}{
		{"a block, while what was set aside can not be taken out", first, 10},
		{"what was set aside, after a restart", start(), 10},
		{"nothing, after another: it was taken out", nil, 0},
	} {
		if c.counter == nil {
			c.counter = start()
		}
		made := 0
		for range 30 {
			if _, err := c.seal(keys.RefreshToken); err == nil {
				made++
			} else if !errors.Is(err, errDown) {
				t.Fatal(err)
			}
		}
		if made != c.want {
			t.Errorf("%s: sealed %d times, want %d", c.name, made, c.want)
		}
		pocket.before = nil
	}
	dead, err := shared.ring.Revoke(k.ID, "stolen", now)
	if err != nil {
		t.Fatal(err)
	}
	shared.before, pocket.held = nil, map[string]uint64{k.ID: 10}
	c := start()
	shared.ring = dead
	if _, err := c.seal(keys.RefreshToken); !errors.Is(err, keys.ErrRevokedKey) {
		t.Errorf("with a key that the store says is dead: %v", err)
	}
}

func mustCurrent(t *testing.T, r *keys.Ring, p keys.Purpose, now time.Time) keys.Key {
	t.Helper()
	k, err := r.Current(p, now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The store may be away when the time of a scheduled key comes.
func TestASuccessorHasItsBlockBeforeItsTime(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	shared := &kept{ring: aRing(t)}
	c := newCounter(shared, func() time.Time { return now }, 1000, 1000, 10)
	if !c.refill(t.Context()) || shared.look().Generation() != 3 {
		t.Errorf("the first blocks of both keys make generation %d", shared.look().Generation())
	}
	for range 2 { // the second one is for a day later
		if _, err := shared.change(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Rotate(keys.SessionCookie, keys.Plan{}, now) }); err != nil {
			t.Fatal(err)
		}
	}
	c.copy = shared.look()
	if !c.refill(t.Context()) {
		t.Fatal("not filled")
	}
	shared.before = errDown
	before := mustCurrent(t, c.copy, keys.SessionCookie, now).ID
	now = now.Add(keys.DefaultPlan().Lead(keys.SessionCookie) + time.Second)
	kid, err := c.seal(keys.SessionCookie)
	if err != nil || kid == before {
		t.Errorf("with %s, before that %s: %v", kid, before, err)
	}
}

func TestSealsWithoutAStoreAreCountedInMemory(t *testing.T) {
	ring := aRing(t)
	s := newSeals(Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}, func() *keys.Ring { return ring }, time.Now)
	s.most = 3
	k := mustCurrent(t, ring, keys.SessionCookie, time.Unix(1_800_000_000, 0))
	for range 3 {
		if err := s.take(k); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.take(k); !errors.Is(err, keys.ErrSealsSpent) {
		t.Errorf("the fourth of three: %v", err)
	}
}
