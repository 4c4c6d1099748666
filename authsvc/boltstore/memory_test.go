package boltstore

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	bolt "go.etcd.io/bbolt"
)

// A session takes nothing of the file before its first refresh, and then what
// its record takes and some free room in the pages.
func TestBytesOfASessionInTheFile(t *testing.T) {
	const many, writers = 1 << 15, 256
	c := newClock()
	file := filepath.Join(t.TempDir(), "store.db")
	s := open(t, file, c)
	shown := make([]authsvc.Presentation, many)
	for i := range shown {
		id := tokens.NewID()
		shown[i] = authsvc.Presentation{SessionID: id, IssuedAt: c.now().UnixMilli(), SessionEnd: c.now().Add(12 * time.Hour), Retry: authsvc.RetryHash(id, "attempt")}
	}
	all := func(want authsvc.Verdict) {
		t.Helper()
		var writing sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for i := w; i < many; i += writers {
					p := &shown[i]
					out, err := s.Present(context.Background(), *p)
					if err != nil || out.Verdict != want {
						t.Errorf("%+v, %v", out, err)
						return
					}
					p.Generation, p.IssuedAt, p.ParentIssuedAt = out.Generation, out.IssuedAt, out.ParentIssuedAt
				}
			})
		}
		writing.Wait()
	}
	size := func() int64 {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	empty := size()
	all(authsvc.Same)
	if size() != empty {
		t.Errorf("%d bytes before the first refresh, empty %d", size(), empty)
	}
	for range 2 {
		c.pass(time.Minute)
		all(authsvc.Advance)
	}
	var used bolt.BucketStats
	if err := s.db.View(func(tx *bolt.Tx) error { used = tx.Bucket(refreshBucket).Stats(); return nil }); err != nil {
		t.Fatal(err)
	}
	each := float64(used.LeafAlloc+used.BranchAlloc) / many
	t.Logf("%.0f bytes for each session, in a file of %.0f for each", each, float64(size()-empty)/many)
	if used.KeyN != many || each > 165 {
		t.Errorf("%.0f bytes for each of %d sessions", each, used.KeyN)
	}
}
