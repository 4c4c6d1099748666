package boltstore

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// spread lets some writers share the iterations of a benchmark.
func spread(b *testing.B, writers int, do func() error) {
	var left atomic.Int64
	var wg sync.WaitGroup
	work := make(chan struct{}, writers)
	for range writers {
		wg.Go(func() {
			for range work {
				if err := do(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for b.Loop() {
		work <- struct{}{}
		left.Add(1)
	}
	close(work)
	wg.Wait()
	b.ReportMetric(float64(left.Load())/b.Elapsed().Seconds(), "acks/s")
}

// Each append is on stable storage before it counts.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "store.db"), newClock())
			now := s.now()
			spread(b, writers, func() error {
				return s.Append(context.Background(), revocation.SessionEntry(tokens.NewID(), now, now.Add(time.Hour)))
			})
		})
	}
}

// First refreshes: each writes a new state.
func BenchmarkPresent(b *testing.B) {
	for _, writers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			c := newClock()
			s := open(b, filepath.Join(b.TempDir(), "store.db"), c)
			login := c.now()
			c.pass(time.Minute)
			spread(b, writers, func() error {
				_, err := s.Present(context.Background(), authsvc.Presentation{SessionID: tokens.NewID(),
					IssuedAt: login.UnixMilli(), SessionEnd: login.Add(time.Hour)})
				return err
			})
		})
	}
}
