package boltstore

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
	bolt "go.etcd.io/bbolt"
)

// counts returns how many records each bucket holds.
func counts(t *testing.T, s *Store) (entries, log, states int) {
	t.Helper()
	err := s.view(context.Background(), func(tx *bolt.Tx) error {
		entries = tx.Bucket(entryBucket).Stats().KeyN
		log = tx.Bucket(logBucket).Stats().KeyN
		states = tx.Bucket(refreshBucket).Stats().KeyN
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries, log, states
}

func TestSweepRemovesAllAndOnlyWhatHasExpired(t *testing.T) {
	const short, long = 3*sweepWrite + 7, 20
	c := newClock()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, c)
	ctx := context.Background()
	for n, life := range map[int]time.Duration{short: time.Minute, long: time.Hour} {
		es := make([]revocation.Entry, n)
		for i := range es {
			es[i] = revocation.SessionEntry(tokens.NewID(), c.now(), c.now().Add(life))
		}
		if err := s.Append(ctx, es...); err != nil {
			t.Fatal(err)
		}
	}
	login := c.now()
	c.pass(30 * time.Second)
	for range 5 {
		for _, life := range []time.Duration{time.Minute, time.Hour} {
			p := authsvc.Presentation{SessionID: tokens.NewID(), IssuedAt: login.UnixMilli(), SessionEnd: login.Add(life)}
			if out, err := s.Present(ctx, p); err != nil || out.Verdict != authsvc.Advance {
				t.Fatal(out, err)
			}
		}
	}
	at := func(pass time.Duration, wantEntries, wantStates int) {
		t.Helper()
		c.pass(pass)
		s.sweep(c.now().Add(-sweepAfter))
		entries, log, states := counts(t, s)
		if entries != wantEntries || log != wantEntries || states != wantStates {
			t.Errorf("%d entries, %d in the log, %d states, want %d and %d", entries, log, states, wantEntries, wantStates)
		}
	}
	before := s.delivered
	at(0, short+long, 10)
	at(sweepAfter+29*time.Second, short+long, 10)
	at(2*time.Second, long, 5)
	b, err := s.since(ctx, revocation.Cursor{})
	if err != nil || b.Frame.Pos.Cursor != before || len(b.Frame.Entries) != long {
		t.Errorf("since the beginning: %d entries up to %v, %v", len(b.Frame.Entries), b.Frame.Pos, err)
	}
	at(time.Hour, 0, 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if again := open(t, path, c); again.delivered != before {
		t.Errorf("the position fell back to %v from %v", again.delivered, before)
	}
}

func TestSweepSparesWhatWasRaisedMeanwhile(t *testing.T) {
	c := newClock()
	s := open(t, filepath.Join(t.TempDir(), "store.db"), c)
	e := c.entry()
	if err := s.Append(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	by := c.now().Add(2 * time.Hour)
	keys, _, err := s.findExpired(entryBucket, entryExpiry, by, nil)
	if err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	e.Exp += 3 * 3600
	if err := s.Append(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	if err := s.remove(entryBucket, entryExpiry, by, keys); err != nil {
		t.Fatal(err)
	}
	if entries, log, _ := counts(t, s); entries != 1 || log != 1 {
		t.Errorf("%d entries, %d in the log", entries, log)
	}
}

func TestSweepComesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(filepath.Join(t.TempDir(), "store.db"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		e := revocation.SessionEntry(tokens.NewID(), time.Now(), time.Now().Add(time.Minute))
		if err := s.Append(context.Background(), e); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + sweepAfter - time.Second)
		synctest.Wait()
		if entries, _, _ := counts(t, s); entries != 1 {
			t.Error("gone too early")
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if entries, _, _ := counts(t, s); entries != 0 {
			t.Error("still there")
		}
	})
}
