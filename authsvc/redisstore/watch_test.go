package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// patience is how long a test waits for what takes milliseconds on an idle
// machine.
const patience = 30 * time.Second

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !soon(ok) {
		t.Fatalf("not within %v: %s", patience, what)
	}
}

// soon waits until ok, and reports whether it was.
func soon(ok func() bool) bool {
	for limit := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(limit) {
			return false
		}
	}
	return true
}

// shared is a replica of the deployment that the tests share, on one server.
func shared(t testing.TB, server *redistest.Server) *replica {
	t.Helper()
	r := idle(t, server)
	r.open()
	return r
}

// idle is a replica that was never opened.
func idle(t testing.TB, server *redistest.Server) *replica {
	r := &replica{t: t, namespace: "shared", dir: t.TempDir(), client: func() redis.UniversalClient {
		return redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true, DialerRetries: 1})
	}, logged: &lines{}}
	t.Cleanup(func() {
		if r.close != nil {
			_ = r.close() // again, where the test has closed it: no harm
		}
	})
	return r
}

// fresh is an entry that nobody has seen.
func fresh() revocation.Entry {
	now := time.Now()
	return revocation.SessionEntry(tokens.NewID(), now, now.Add(time.Hour))
}

// must appends, and fails the test unless the entries are shared.
func (r *replica) must(entries ...revocation.Entry) {
	r.t.Helper()
	if err := r.log.Append(r.t.Context(), entries...); err != nil {
		r.t.Fatal(err)
	}
}

// keeps appends while Redis does not answer.
func (r *replica) keeps(entries ...revocation.Entry) {
	r.t.Helper()
	began := time.Now()
	if err := r.log.Append(r.t.Context(), entries...); !errors.Is(err, authsvc.ErrNotShared) {
		r.t.Fatalf("got %v, want %v", err, authsvc.ErrNotShared)
	}
	if took := time.Since(began); took > 5*time.Second {
		r.t.Errorf("the append took %v", took)
	} else {
		r.t.Logf("an append without Redis took %v", took.Round(time.Millisecond))
	}
}

// knows reports whether a new follower of the replica would hear of all of them.
func (r *replica) knows(entries ...revocation.Entry) bool {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	return covers(func(target revocation.Target) revocation.Entry {
		e, _ := r.log.known.find(target)
		return e
	}, entries)
}

func covers(find func(revocation.Target) revocation.Entry, entries []revocation.Entry) bool {
	for _, e := range entries {
		if got := find(e.Target()); got.Target() != e.Target() || !got.Covers(e) {
			return false
		}
	}
	return true
}

// settled reports whether the replica has nothing more to say.
func (r *replica) settled() bool {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	return len(r.log.queue.items) == 0
}

// journalled reports whether the entries are on the replica's own disk.
func (r *replica) journalled(entries ...revocation.Entry) bool {
	r.t.Helper()
	found := map[revocation.Target]revocation.Entry{}
	ctx, cancel := context.WithCancel(r.t.Context())
	_ = r.journal.Follow(ctx, func(b authsvc.Batch) {
		for _, e := range b.Frame.Entries {
			found[e.Target()] = e
		}
		cancel()
	})
	return covers(func(target revocation.Target) revocation.Entry { return found[target] }, entries)
}

// stored is what the log in Redis holds.
func stored(t testing.TB, server *redistest.Server) map[revocation.Target]revocation.Entry {
	t.Helper()
	list, _ := server.Do("XRANGE", "sr:{shared}:rl", "-", "+").([]any)
	all, err := parseAll(list)
	if err != nil {
		t.Fatal(err)
	}
	return merged(all)
}

func holds(t testing.TB, server *redistest.Server, entries ...revocation.Entry) bool {
	t.Helper()
	all := stored(t, server)
	return covers(func(target revocation.Target) revocation.Entry { return all[target] }, entries)
}

// watcher is a follower with the list that it makes of what it is told.
type watcher struct {
	of     *replica
	mu     sync.Mutex
	frames []revocation.Frame
	pos    revocation.Position
	list   map[revocation.Target]revocation.Entry
	faults []string
	cancel context.CancelFunc
	ended  chan error
}

// watch follows the replica from now on, until the test or the replica ends.
func (r *replica) watch() *watcher {
	ctx, cancel := context.WithCancel(r.t.Context())
	w := &watcher{of: r, list: map[revocation.Target]revocation.Entry{}, cancel: cancel, ended: make(chan error, 1)}
	go func() { w.ended <- r.log.Follow(ctx, w.deliver) }()
	eventually(r.t, "a snapshot", func() bool { return len(w.all()) > 0 })
	return w
}

// deliver applies a batch by the rule for verifiers, and holds it against the
// contract of Follow: each frame begins where the one before ended.
func (w *watcher) deliver(b authsvc.Batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := b.Frame
	first := len(w.frames) == 0
	if first != (f.Kind == revocation.Snapshot) {
		w.faults = append(w.faults, fmt.Sprintf("frame %d is of kind %d", len(w.frames), f.Kind))
	}
	if !first && (revocation.Position{Epoch: f.PrevEpoch, Cursor: f.Prev}) != w.pos {
		w.faults = append(w.faults, fmt.Sprintf("a gap: at %v, then from %x.%v", w.pos, f.PrevEpoch, f.Prev))
	}
	w.frames = append(w.frames, f)
	w.apply(f)
}

// readOn lets a follower that had left go on at this replica, as the feed
// does: with one delta from where it stands, or with a snapshot where there is
// none, and then with what comes.
func (r *replica) readOn(old *watcher) *watcher {
	ctx, cancel := context.WithCancel(r.t.Context())
	w := &watcher{of: r, pos: old.at(), list: old.list, faults: old.faults, cancel: cancel, ended: make(chan error, 1)}
	w.mu.Lock() // nothing is applied before the delta is
	defer w.mu.Unlock()
	began, later := make(chan revocation.Frame, 1), false
	go func() {
		w.ended <- r.log.Follow(ctx, func(b authsvc.Batch) {
			if !later {
				later = true
				began <- b.Frame
				return
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.apply(b.Frame)
		})
	}()
	first := <-began
	if d, err := r.log.Since(r.t.Context(), w.pos); err == nil {
		first = d.Frame
	}
	w.apply(first)
	return w
}

func (w *watcher) apply(f revocation.Frame) {
	if f.AsOf.IsZero() {
		f.AsOf = time.UnixMilli(0) // as the feed does
	}
	if _, err := f.MarshalBinary(); err != nil {
		w.faults = append(w.faults, err.Error())
	}
	for _, e := range f.Entries {
		if old, ok := w.list[e.Target()]; ok {
			e = e.Merge(old)
		}
		w.list[e.Target()] = e
	}
	var ok bool
	if w.pos, ok = f.Advance(w.pos); !ok {
		w.faults = append(w.faults, fmt.Sprintf("could not advance from %v by %d to %v", w.pos, f.Kind, f.Pos))
	}
}

func (w *watcher) all() []revocation.Frame {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.frames[:len(w.frames):len(w.frames)]
}

func (w *watcher) at() revocation.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pos
}

func (w *watcher) has(entries ...revocation.Entry) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return covers(func(target revocation.Target) revocation.Entry { return w.list[target] }, entries)
}

// rebases counts how often a new epoch took over.
func (w *watcher) rebases() (n int) {
	for _, f := range w.all() {
		if f.Kind == revocation.Rebase {
			n++
		}
	}
	return n
}

func (w *watcher) check(t testing.TB) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fault := range w.faults {
		t.Error(fault)
	}
}
