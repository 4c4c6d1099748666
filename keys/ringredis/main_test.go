package ringredis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

// quiet drops what go-redis logs about each failed dial.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	goleak.VerifyTestMain(m,
		// It ends by itself, a second after its pool was closed.
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

const (
	key      = "sr:{test}:ks"
	poll     = 40 * time.Millisecond
	patience = 30 * time.Second
	// brief is the timeout of tests in which Redis answers nothing: longer than
	// the default, which a busy machine may pass.
	brief = 700 * time.Millisecond
)

// room is a Redis and how to reach it.
type room struct {
	server *redistest.Server
	cfg    ringredis.Config
}

// furnish starts a Redis and puts a ring of the first generation there.
func furnish(t *testing.T) room {
	t.Helper()
	server := redistest.Start(t)
	r := room{server, config(server.Client(t))}
	create(t, r.cfg, newRing(t))
	return r
}

func config(client redis.UniversalClient) ringredis.Config {
	return ringredis.Config{Client: client, Namespace: "test", Master: ringfile.NewMasterKey(), Poll: poll, Timeout: patience}
}

// furnishFreezer is furnish, for a Redis that will be frozen.
func furnishFreezer(t *testing.T) room {
	t.Helper()
	r := furnish(t)
	r.cfg.Timeout = brief
	return r
}

// other is the room for a further replica, with a client of its own.
func (r room) other(t *testing.T) ringredis.Config {
	cfg := r.cfg
	cfg.Client = r.server.Client(t)
	return cfg
}

func (r room) value(t *testing.T) string {
	t.Helper()
	value, _ := r.server.Do("GET", key).(string)
	return value
}

func newRing(t testing.TB) *keys.Ring {
	t.Helper()
	r, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func create(t testing.TB, cfg ringredis.Config, ring *keys.Ring) {
	t.Helper()
	if err := ringredis.Create(t.Context(), cfg, ring); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, cfg ringredis.Config) *ringredis.Shared {
	t.Helper()
	s, err := ringredis.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// change makes any new generation, as often as it is asked to.
func change(r *keys.Ring) (*keys.Ring, error) {
	for _, k := range r.Keys() {
		if s, _ := r.State(k.ID, time.Now()); s == keys.Standby {
			return r.Confirm(k.ID, time.Now(), time.Now())
		}
	}
	return nil, errors.New("no standby")
}

func rotate(r *keys.Ring) (*keys.Ring, error) {
	return r.Rotate(keys.AccessToken, keys.Plan{}, time.Now())
}

// burn revokes the key that signs tokens.
func burn(r *keys.Ring) (*keys.Ring, error) {
	k, err := r.Current(keys.AccessToken, time.Now())
	if err != nil {
		return nil, err
	}
	return r.Revoke(k.ID, "test", time.Now())
}

func update(t testing.TB, s *ringredis.Shared, plan func(*keys.Ring) (*keys.Ring, error)) *keys.Ring {
	t.Helper()
	r, err := s.Update(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// same compares rings by what they hold.
func same(t testing.TB, a, b *keys.Ring) bool {
	t.Helper()
	x, err := a.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(x) == string(y)
}

// eventually asks until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(late) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// watcher runs a Watch and keeps what it tells.
type watcher struct {
	rings  chan *keys.Ring
	faults chan error
	cancel context.CancelFunc
	done   chan error
}

// watch starts a Watch and waits until it has told of the first ring.
func watch(t *testing.T, s *ringredis.Shared) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{make(chan *keys.Ring, 100), make(chan error, 100), cancel, make(chan error, 1)}
	go func() {
		w.done <- s.Watch(ctx, func(r *keys.Ring) { w.rings <- r }, func(err error) { w.faults <- err })
	}()
	t.Cleanup(w.stop)
	<-w.rings
	return w
}

func (w *watcher) stop() { w.cancel(); <-w.done; w.done <- nil }

// ring waits for the next ring; faults on the way are dropped.
func (w *watcher) ring(t *testing.T, generation uint64) {
	t.Helper()
	select {
	case r := <-w.rings:
		if r.Generation() != generation {
			t.Fatalf("told of generation %d, want %d", r.Generation(), generation)
		}
	case <-time.After(patience):
		t.Fatalf("never told of generation %d", generation)
	}
}

func (w *watcher) fault(t *testing.T, want error, parts ...string) {
	t.Helper()
	select {
	case err := <-w.faults:
		if !errors.Is(err, want) {
			t.Fatalf("fault %v, want %v", err, want)
		}
		mended := !errors.Is(err, ringredis.ErrUnavailable) && !errors.Is(err, ringredis.ErrUnknown) &&
			(errors.Is(err, ringredis.ErrLost) || errors.Is(err, ringredis.ErrForked) || errors.Is(err, ringfile.ErrRollback))
		if alarm := new(ringredis.Alarm); errors.As(err, alarm) != mended {
			t.Errorf("%v: an alarm that is mended is told as a fault, or the other way round", err)
		}
		for _, part := range parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
	case <-time.After(patience):
		t.Fatalf("never told of %v", want)
	}
}

// calm waits some looks long and fails on a fault.
func (w *watcher) calm(t *testing.T, s *ringredis.Shared) {
	t.Helper()
	for range 3 {
		seen := s.Checked()
		eventually(t, "another look", func() bool { return s.Checked().After(seen) })
	}
	w.silent(t)
}

func (w *watcher) silent(t *testing.T) {
	t.Helper()
	select {
	case err := <-w.faults:
		t.Errorf("told of %v", err)
	default:
	}
}
