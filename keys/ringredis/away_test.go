package ringredis_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

// within fails if do takes longer: limit and what a busy machine adds.
func within(t *testing.T, limit time.Duration, what string, do func()) {
	t.Helper()
	started := time.Now()
	do()
	if took := time.Since(started); took > limit+time.Second {
		t.Errorf("%s took %v, not %v", what, took, limit)
	}
}

func TestAFrozenRedisHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	r := furnishFreezer(t)
	s, fresh := open(t, r.cfg), r.other(t)
	w := watch(t, s)
	ring, before := s.Ring(), r.value(t)
	for range 2 { // a fault that comes back is told again
		r.server.Stop()
		w.fault(t, ringredis.ErrUnavailable)
		frozen := s.Checked()
		planned := false
		within(t, 2*brief, "Update", func() { // its own look, and the one of Watch before it
			_, err := s.Update(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { planned = true; return change(r) })
			if !errors.Is(err, ringredis.ErrUnavailable) || planned {
				t.Errorf("Update: %v, planned: %v", err, planned)
			}
		})
		within(t, brief, "Open by a client without a connection", func() {
			if _, err := ringredis.Open(t.Context(), fresh); !errors.Is(err, ringredis.ErrUnavailable) {
				t.Errorf("Open: %v", err)
			}
		})
		if s.Ring() != ring || !s.Checked().Equal(frozen) {
			t.Error("the copy changed")
		}
		w.silent(t)
		r.server.Cont()
		eventually(t, "a good look", func() bool { return s.Checked().After(frozen) })
	}
	w.calm(t, s)
	if r.value(t) != before {
		t.Error("something was written")
	}
	update(t, open(t, r.other(t)), change)
	w.ring(t, 2)
}

func TestAKilledRedisIsToldOnce(t *testing.T) {
	t.Parallel()
	r := furnish(t)
	s := open(t, r.cfg)
	w := watch(t, s)
	r.server.Kill9()
	w.fault(t, ringredis.ErrUnavailable)
	for range 3 {
		if _, err := s.Update(t.Context(), change); !errors.Is(err, ringredis.ErrUnavailable) {
			t.Errorf("Update: %v", err)
		}
	}
	w.silent(t)
	if s.Ring().Generation() != 1 {
		t.Error("the copy changed")
	}
}

func TestWatchEndsWhileRedisIsFrozen(t *testing.T) {
	r := furnishFreezer(t)
	w := watch(t, open(t, r.cfg))
	r.server.Stop()
	defer r.server.Cont()
	within(t, brief, "stopping", w.stop)
	w.silent(t)
}

func TestTheEndOfWatchIsNoFault(t *testing.T) {
	r := furnish(t)
	ctx, cancel := context.WithCancel(t.Context())
	client := r.server.Client(t)
	cfg := r.cfg
	cfg.Client = client
	s := open(t, cfg)
	client.AddHook(&meddler{look: func() error { cancel(); return nil }}) // in the middle of a look
	err := s.Watch(ctx, func(*keys.Ring) {}, func(err error) { t.Errorf("told of %v", err) })
	if err != nil {
		t.Error(err)
	}
}

func TestAFaultIsTheSameWhateverThePort(t *testing.T) {
	r := furnish(t)
	client := r.server.Client(t)
	cfg := r.cfg
	cfg.Client = client
	s := open(t, cfg)
	looks := make(chan int, 1000)
	client.AddHook(&meddler{look: func() error {
		looks <- 1
		return fmt.Errorf("read tcp 127.0.0.1:%d: i/o timeout", 40000+len(looks))
	}})
	w := watch(t, s)
	w.fault(t, ringredis.ErrUnavailable, "40001")
	eventually(t, "further looks", func() bool { return len(looks) > 3 })
	w.silent(t)
}

func TestWatchMayBeginWhileRedisIsFrozen(t *testing.T) {
	t.Parallel()
	r := furnishFreezer(t)
	s := open(t, r.cfg)
	r.server.Stop()
	w := watch(t, s) // tells of the ring all the same
	w.fault(t, ringredis.ErrUnavailable)
	r.server.Cont()
	update(t, open(t, r.other(t)), change)
	w.ring(t, 2)
}

func TestAWriteThatIsNotAnsweredIsUnknownAndMayStillCome(t *testing.T) {
	t.Parallel()
	r := furnishFreezer(t)
	s := open(t, r.cfg)
	w := watch(t, s)
	within(t, 4*brief, "Update", func() {
		_, err := s.Update(t.Context(), func(ring *keys.Ring) (*keys.Ring, error) {
			r.server.Stop() // after the look, before the write
			return change(ring)
		})
		if !errors.Is(err, ringredis.ErrUnknown) || s.Ring().Generation() != 1 {
			t.Fatalf("Update: %v, copy: %v", err, s.Ring())
		}
	})
	r.server.Cont() // what waits in the kernel is carried out now
	w.ring(t, 2)
}

var errLine = errors.New("the line went dead")

func TestAWriteWhoseAnswerIsLostIsFoundOut(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after func(*testing.T, room) error
		want          error
		generation    uint64
	}{
		{name: "it was carried out", after: func(*testing.T, room) error { return errLine }, generation: 2},
		{name: "it never arrived", before: func(*testing.T, room) error { return errLine }, generation: 2},
		{name: "another came first", before: func(t *testing.T, r room) error {
			update(t, open(t, r.other(t)), change)
			return nil
		}, want: ringfile.ErrConflict, generation: 2},
		{name: "another came first, after a silence", before: func(t *testing.T, r room) error {
			update(t, open(t, r.other(t)), change)
			return errLine
		}, want: ringfile.ErrConflict, generation: 2},
		{name: "another came on top", after: func(t *testing.T, r room) error {
			update(t, open(t, r.other(t)), change)
			return errLine
		}, want: ringredis.ErrUnknown, generation: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := furnish(t)
			m := new(meddler)
			client := r.server.Client(t)
			client.AddHook(m)
			cfg := r.cfg
			cfg.Client = client
			s := open(t, cfg)
			if c.before != nil {
				m.before = func() error { return c.before(t, r) }
			}
			if c.after != nil {
				m.after = func() error { return c.after(t, r) }
			}
			if _, err := s.Update(t.Context(), change); !errors.Is(err, c.want) {
				t.Errorf("Update: %v", err)
			}
			if g := open(t, r.other(t)).Ring().Generation(); g != c.generation {
				t.Errorf("generation %d in Redis", g)
			}
			update(t, s, change) // the copy is what Redis holds, whatever was said
		})
	}
}

func TestACreateWhoseAnswerIsLostIsFoundOut(t *testing.T) {
	r := furnish(t)
	r.server.Do("DEL", key)
	m := &meddler{after: func() error { return errLine }}
	client := r.server.Client(t)
	client.AddHook(m)
	cfg := r.cfg
	cfg.Client = client
	create(t, cfg, newRing(t))
	if err := ringredis.Create(t.Context(), cfg, newRing(t)); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
}

func TestNothingIsWrittenOnceTheContextHasEnded(t *testing.T) {
	r := furnish(t)
	s, before := open(t, r.cfg), r.value(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Update(ctx, func(r *keys.Ring) (*keys.Ring, error) { cancel(); return change(r) })
	if !errors.Is(err, context.Canceled) || r.value(t) != before {
		t.Errorf("Update: %v", err)
	}
	if _, err := s.Update(ctx, change); !errors.Is(err, context.Canceled) {
		t.Errorf("Update: %v", err)
	}
}

func TestAWriteThatIsUnderWayIsNotGivenUp(t *testing.T) {
	r := furnish(t)
	ctx, cancel := context.WithCancel(t.Context())
	m := &meddler{before: func() error { cancel(); return nil }}
	client := r.server.Client(t)
	client.AddHook(m)
	cfg := r.cfg
	cfg.Client = client
	s := open(t, cfg)
	if _, err := s.Update(ctx, change); err != nil || s.Ring().Generation() != 2 {
		t.Errorf("Update: %v, copy: %v", err, s.Ring())
	}
}

func TestUpdateWaitsForItsTurnNoLongerThanItsContext(t *testing.T) {
	r := furnish(t)
	s := open(t, r.cfg)
	update(t, s, func(ring *keys.Ring) (*keys.Ring, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		if _, err := s.Update(ctx, change); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while another plans: %v", err)
		}
		return change(ring)
	})
}

func TestARefusalOfRedisIsToldOnceAndWritingBackIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := furnish(t)
	s := open(t, r.cfg)
	want := update(t, s, rotate)
	w := watch(t, s)
	r.server.Do("CONFIG", "SET", "maxmemory", 1) // no write is taken
	r.server.Do("DEL", key)
	w.fault(t, ringredis.ErrLost, "OOM")
	refused := regexp.MustCompile(`errorstat_OOM:count=([2-9]\d|\d{3})`)
	eventually(t, "further tries", func() bool { return refused.MatchString(r.server.Do("INFO", "errorstats").(string)) })
	w.silent(t)
	r.server.Do("CONFIG", "SET", "maxmemory", 0)
	w.fault(t, ringredis.ErrLost, "is written back")
	if got := open(t, r.other(t)).Ring(); !same(t, got, want) {
		t.Errorf("in Redis: %v", got)
	}
	w.calm(t, s)
}
