package ringredis_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

func TestWhatOneWritesTheOtherReads(t *testing.T) {
	r := furnish(t)
	a, b := open(t, r.cfg), open(t, r.other(t))
	want := update(t, a, rotate)
	if a.Ring() != want || want.Generation() != 2 {
		t.Errorf("the writer's copy is %v", a.Ring())
	}
	if got := open(t, r.other(t)).Ring(); !same(t, got, want) {
		t.Errorf("%v came back as %v", want, got)
	}
	if b.Ring().Generation() != 1 {
		t.Error("a copy changed by itself")
	}
	if value := r.value(t); !strings.HasPrefix(value, "2:eyJ") || strings.Count(value, ".") != 4 {
		t.Errorf("the value is %.20q…", value)
	}
	if ttl := r.server.Do("TTL", key); ttl != int64(-1) {
		t.Errorf("the key expires in %v s", ttl)
	}
}

func TestWatchTellsOfTheFirstRingAndOfEachChange(t *testing.T) {
	r := furnish(t)
	s, admin := open(t, r.cfg), open(t, r.other(t))
	w := watch(t, s)
	update(t, admin, rotate)
	w.ring(t, 2)
	update(t, s, change) // this one itself
	w.ring(t, 3)
	w.calm(t, s)
	if len(w.rings) > 0 {
		t.Error("told of a ring twice")
	}
}

func TestAMessageWakesTheOthersBeforeTheirPoll(t *testing.T) {
	r := furnish(t)
	cfg := r.other(t)
	cfg.Poll = 1 << 40 // 18 minutes
	w := watch(t, open(t, cfg))
	eventually(t, "a subscription", func() bool {
		return r.server.Do("PUBSUB", "NUMSUB", key).([]any)[1] == int64(1)
	})
	update(t, open(t, r.cfg), rotate)
	w.ring(t, 2)
}

func TestCreateNeverReplacesARing(t *testing.T) {
	r := furnish(t)
	before := r.value(t)
	if err := ringredis.Create(t.Context(), r.cfg, newRing(t)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second Create: %v", err)
	}
	if r.value(t) != before {
		t.Error("the ring changed")
	}
}

func TestWithoutARingOpenSaysSo(t *testing.T) {
	r := furnish(t)
	r.server.Do("DEL", key)
	if _, err := ringredis.Open(t.Context(), r.cfg); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "test") {
		t.Errorf("Open: %v", err)
	}
	r.server.Kill9()
	if _, err := ringredis.Open(t.Context(), r.cfg); !errors.Is(err, ringredis.ErrUnavailable) {
		t.Errorf("Open without Redis: %v", err)
	}
}

func TestAChangeOnTheSameRingIsToldThatItCameTooLate(t *testing.T) {
	r := furnish(t)
	a, b := open(t, r.cfg), open(t, r.other(t))
	update(t, a, change)
	called := false
	_, err := b.Update(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { called = true; return change(r) })
	if !errors.Is(err, ringfile.ErrConflict) || called || b.Ring().Generation() != 2 {
		t.Fatalf("Update = %v, planned: %v, copy: %v", err, called, b.Ring())
	}
	// And when it is overtaken while it plans.
	_, err = b.Update(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { update(t, a, change); return change(r) })
	if !errors.Is(err, ringfile.ErrConflict) || !same(t, b.Ring(), a.Ring()) {
		t.Errorf("Update = %v, copy: %v", err, b.Ring())
	}
	if g := update(t, b, change).Generation(); g != 4 {
		t.Errorf("planning again gave generation %d", g)
	}
}

func TestOfFiftyChangesAtOnceOneWins(t *testing.T) {
	r := furnish(t)
	var all []*ringredis.Shared
	for range 50 {
		all = append(all, open(t, r.other(t)))
	}
	results, gate := make(chan error, 50), make(chan struct{})
	for _, s := range all {
		go func() {
			<-gate
			_, err := s.Update(t.Context(), rotate)
			results <- err
		}()
	}
	close(gate)
	won := 0
	for range 50 {
		switch err := <-results; {
		case err == nil:
			won++
		case !errors.Is(err, ringfile.ErrConflict):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
	if g := open(t, r.cfg).Ring().Generation(); g != 2 {
		t.Errorf("generation %d", g)
	}
}

func TestAnUpdateThatDoesNothingOrFailsWritesNothing(t *testing.T) {
	r := furnish(t)
	s, before, mine := open(t, r.cfg), r.value(t), errors.New("mine")
	older := s.Ring()
	for _, c := range []struct {
		name string
		plan func(*keys.Ring) (*keys.Ring, error)
		want error
	}{
		{"the ring it was given", func(r *keys.Ring) (*keys.Ring, error) { return r, nil }, nil},
		{"a ring of the same generation", func(*keys.Ring) (*keys.Ring, error) { return newRing(t), nil }, ringfile.ErrRollback},
		{"no ring", func(*keys.Ring) (*keys.Ring, error) { return nil, nil }, ringfile.ErrRollback},
		{"an error", func(*keys.Ring) (*keys.Ring, error) { return nil, mine }, mine},
	} {
		if _, err := s.Update(t.Context(), c.plan); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if r.value(t) != before || s.Ring() != older {
			t.Errorf("%s: something was written", c.name)
		}
	}
}

func TestTheMasterKeyIsChangedByAddingPromotingAndRewrapping(t *testing.T) {
	r := furnish(t)
	old, fresh := r.cfg.Master, ringfile.NewMasterKey()
	with := func(first ringfile.MasterKey, further ...ringfile.MasterKey) ringredis.Config {
		cfg := r.cfg
		cfg.Master, cfg.Previous = first, further
		return cfg
	}
	if _, err := ringredis.Open(t.Context(), with(fresh)); !errors.Is(err, ringfile.ErrMasterKey) || !strings.Contains(err.Error(), old.ID()) {
		t.Fatalf("with the new key alone: %v", err)
	}
	reader := open(t, with(old, fresh))
	w := watch(t, reader)
	if err := open(t, with(fresh, old)).Rewrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := ringredis.Open(t.Context(), with(old)); !errors.Is(err, ringfile.ErrMasterKey) {
		t.Errorf("with the old key alone: %v", err)
	}
	if g := open(t, with(fresh)).Ring().Generation(); g != 1 {
		t.Errorf("rewrapping changed the generation to %d", g)
	}
	w.calm(t, reader)
	if len(w.rings) > 0 {
		t.Error("rewrapping told of another ring")
	}
	update(t, reader, change)
}

func TestAnUnusableConfigIsRefused(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", ContextTimeoutEnabled: true})
	patient := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	patientCluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	shards := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}, ContextTimeoutEnabled: true})
	for _, c := range []redis.UniversalClient{client, patient, patientCluster, shards} {
		defer c.Close()
	}
	for name, spoil := range map[string]func(*ringredis.Config){
		"no client":           func(c *ringredis.Config) { c.Client = nil },
		"a client that waits": func(c *ringredis.Config) { c.Client = patient },
		"such a cluster":      func(c *ringredis.Config) { c.Client = patientCluster },
		"a ring of shards":    func(c *ringredis.Config) { c.Client = shards },
		"no namespace":        func(c *ringredis.Config) { c.Namespace = "" },
		"no name for one":     func(c *ringredis.Config) { c.Namespace = "a}b" },
		"no master key":       func(c *ringredis.Config) { c.Master = ringfile.MasterKey{} },
		"a negative timeout":  func(c *ringredis.Config) { c.Timeout = -1 },
		"a negative poll":     func(c *ringredis.Config) { c.Poll = -1 },
	} {
		cfg := config(client)
		spoil(&cfg)
		if _, err := ringredis.Open(t.Context(), cfg); !errors.Is(err, ringredis.ErrConfig) {
			t.Errorf("Open with %s: %v", name, err)
		}
		if err := ringredis.Create(t.Context(), cfg, newRing(t)); !errors.Is(err, ringredis.ErrConfig) {
			t.Errorf("Create with %s: %v", name, err)
		}
	}
}
