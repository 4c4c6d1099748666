package authsvc

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Batching is for load: what comes after a quiet moment leaves at once, what
// comes upon that leaves together, a batch after it, and not a batch after the
// last of them.
func TestWhatWaitsLeavesABatchAfterTheLastFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := offline(t, still{}).hub
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); h.tick(ctx) }()
		defer func() { cancel(); <-done }()
		time.Sleep(time.Minute + 500*time.Millisecond) // between two heartbeats, which flush too
		n := uint64(1)
		say := func() { n++; h.deliver(Batch{Frame: delta(n-1, n, ended())}); synctest.Wait() }
		out := func(want uint64, when string) {
			t.Helper()
			synctest.Wait()
			if v := h.view.Load(); v.pos != at(want) {
				t.Errorf("%s: out up to %v, want %d", when, v.pos, want)
			}
		}
		say()
		out(2, "after a quiet moment")
		for range 9 {
			time.Sleep(batching / 10)
			say()
		}
		out(2, "within the batch")
		time.Sleep(batching/10 + time.Millisecond)
		out(11, "a batch after the first")
		if v := h.view.Load(); v.end() != 2 {
			t.Errorf("%d frames", v.end())
		}
		time.Sleep(batching)
		say()
		out(12, "after another quiet moment")
	})
}

// Those who leave last come back over the same window as those who leave
// first; else most would come in its first moments.
func TestTheWindowStaysWhileTheDeskEmpties(t *testing.T) {
	d := newDesk(5000)
	for range 3000 {
		if err := d.enter(); err != nil {
			t.Fatal(err)
		}
	}
	closed := make(chan struct{})
	go func() { d.close(); close(closed) }()
	<-d.done
	for range 2999 {
		d.leave()
	}
	if w := d.window(); w != 3000 {
		t.Errorf("the last comes back within %d ms", w)
	}
	d.leave()
	<-closed
}
