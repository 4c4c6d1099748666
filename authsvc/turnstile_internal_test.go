package authsvc

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sealring-dev/sealring/tokens"
)

func TestATurnstileLetsOneOfASessionThrough(t *testing.T) {
	var turn turnstile
	sids := [2]tokens.ID{tokens.NewID(), tokens.NewID()}
	var through [2]atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			leave, err := turn.enter(t.Context(), sids[i%2])
			if err != nil {
				t.Error(err)
				return
			}
			if n := through[i%2].Add(1); n != 1 {
				t.Errorf("%d at once", n)
			}
			through[i%2].Add(-1)
			leave()
		})
	}
	all.Wait()
	leave, err := turn.enter(t.Context(), sids[0])
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turn.enter(over, sids[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("it did not wait: %v", err)
	}
	if other, err := turn.enter(t.Context(), sids[1]); err != nil {
		t.Errorf("another session had to wait: %v", err)
	} else {
		other()
	}
	if leave(); len(turn.lines) != 0 {
		t.Errorf("%d lines are left", len(turn.lines))
	}
}
