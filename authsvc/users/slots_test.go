package users

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestSomeRunSomeWaitAndTheRestAreTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const run, wait = 2, 3
		s := newSlots(run, wait)
		gate := make(chan struct{})
		var running, ended atomic.Int32
		for range run + wait {
			go func() {
				err := s.do(t.Context(), func() {
					running.Add(1)
					<-gate
					running.Add(-1)
				})
				if err != nil {
					t.Errorf("one with a place is turned away: %v", err)
				}
				ended.Add(1)
			}()
		}
		synctest.Wait()
		if n := running.Load(); n != run {
			t.Fatalf("%d run at the same time, want %d", n, run)
		}
		if err := s.do(t.Context(), func() { t.Error("one too many runs") }); !errors.Is(err, ErrBusy) {
			t.Fatalf("the next one hears %v, want ErrBusy", err)
		}
		close(gate)
		synctest.Wait()
		if n := ended.Load(); n != run+wait {
			t.Fatalf("%d have ended, want %d", n, run+wait)
		}
		if err := s.do(t.Context(), func() {}); err != nil {
			t.Fatalf("nothing runs, and yet: %v", err)
		}
	})
}

func TestACallerThatGivesUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, 1)
		gate := make(chan struct{})
		go s.do(t.Context(), func() { <-gate })
		synctest.Wait()

		gone := errors.New("client went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		heard := make(chan error, 1)
		go func() { heard <- s.do(ctx, func() { t.Error("it runs all the same") }) }()
		synctest.Wait()
		cancel(gone)
		if err := <-heard; !errors.Is(err, ErrBusy) || !errors.Is(err, gone) {
			t.Fatalf("it hears %v, want ErrBusy and the cause", err)
		}
		next := make(chan error, 1)
		go func() { next <- s.do(t.Context(), func() {}) }()
		synctest.Wait() // the queue's one place is free again: the next one waits in it
		close(gate)
		if err := <-next; err != nil {
			t.Fatalf("its place in the queue was not given back: %v", err)
		}
	})
}
