package boltstore

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc/storetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a set clock.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.ms.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) now() time.Time       { return time.UnixMilli(c.ms.Load()) }
func (c *clock) pass(d time.Duration) { c.ms.Add(d.Milliseconds()) }

func open(t testing.TB, path string, c *clock) *Store {
	t.Helper()
	s, err := Open(path, Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *storetest.Subject {
		path, c := filepath.Join(t.TempDir(), "store.db"), newClock()
		subject := &storetest.Subject{Now: c.now, Pass: c.pass}
		begin := func(t *testing.T) {
			s := open(t, path, c)
			subject.Log, subject.Sessions, subject.Data, subject.Close = s, s, s, s.Close
		}
		subject.Restart = func(t *testing.T) {
			if err := subject.Close(); err != nil {
				t.Fatal(err)
			}
			begin(t)
		}
		begin(t)
		return subject
	})
}
