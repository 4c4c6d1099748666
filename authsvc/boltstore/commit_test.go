package boltstore

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
	bolt "go.etcd.io/bbolt"
)

func (c *clock) entry() revocation.Entry {
	return revocation.SessionEntry(tokens.NewID(), c.now(), c.now().Add(time.Hour))
}

// followInto begins to follow and returns what is delivered, after the
// snapshot.
func followInto(t *testing.T, s *Store) <-chan revocation.Frame {
	t.Helper()
	frames := make(chan revocation.Frame, 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Follow(ctx, func(b authsvc.Batch) { frames <- b.Frame })
	}()
	t.Cleanup(func() { cancel(); <-done })
	<-frames
	return frames
}

// A commit whose last sync fails may be there all the same. What it holds is
// delivered before anything else, and a repetition is not acknowledged before
// that.
func TestFailedCommitThatTookPlaceIsDeliveredLater(t *testing.T) {
	c := newClock()
	s := open(t, filepath.Join(t.TempDir(), "store.db"), c)
	frames := followInto(t, s)
	failure := errors.New("the disk says no")
	for name, write := range map[string]bool{"written": true, "not written": false} {
		t.Run(name, func(t *testing.T) {
			works := s.update
			s.update = func(f func(*bolt.Tx) error) error {
				if write {
					_ = works(f)
				}
				return failure
			}
			e := c.entry()
			if err := s.Append(context.Background(), e); !errors.Is(err, failure) {
				t.Fatalf("got %v", err)
			}
			if len(frames) > 0 {
				t.Fatal("delivered although it failed")
			}
			before := s.delivered
			s.update = works
			if err := s.Append(context.Background(), e); err != nil {
				t.Fatal(err)
			}
			if len(frames) != 1 {
				t.Fatalf("%d batches", len(frames))
			}
			if f := <-frames; f.Prev != before || len(f.Entries) != 1 || f.Entries[0].ID != e.ID {
				t.Errorf("delivered %+v", f)
			}
		})
	}
}

// A single writer leaves at once; while it syncs, all that come wait together
// for the next commit.
func TestWritersShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const writers = 50
		c := newClock()
		s, err := Open(filepath.Join(t.TempDir(), "store.db"), Options{Now: c.now})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		works, commits := s.update, 0
		release := make(chan struct{})
		s.update = func(f func(*bolt.Tx) error) error {
			commits++
			<-release
			return works(f)
		}
		var wg sync.WaitGroup
		write := func() {
			if err := s.Append(context.Background(), c.entry()); err != nil {
				t.Error(err)
			}
		}
		wg.Go(write)
		synctest.Wait() // it is at its commit
		for range writers {
			wg.Go(write)
		}
		synctest.Wait() // they are in the queue
		close(release)
		wg.Wait()
		if commits != 2 {
			t.Errorf("%d commits for %d writers", commits, writers+1)
		}
	})
}

func TestNothingIsWrittenForWhatIsThere(t *testing.T) {
	c := newClock()
	s := open(t, filepath.Join(t.TempDir(), "store.db"), c)
	e := c.entry()
	for range 2 {
		before := writes(s)
		if err := s.Append(context.Background(), e); err != nil {
			t.Fatal(err)
		}
		if wrote := writes(s) > before; wrote != (e.Made == 0) {
			t.Errorf("wrote: %v", wrote)
		}
		e.Made = 1 // the second time round; made earlier than the first
	}
}

func writes(s *Store) int64 {
	stats := s.db.Stats()
	return stats.TxStats.GetWrite()
}

// The tombstone of a theft is in the log when the verdict is, so that no
// crash comes between.
func TestTheftIsInTheLogAtOnce(t *testing.T) {
	c := newClock()
	s := open(t, filepath.Join(t.TempDir(), "store.db"), c)
	frames := followInto(t, s)
	p := authsvc.Presentation{SessionID: tokens.NewID(), IssuedAt: c.now().UnixMilli(), SessionEnd: c.now().Add(time.Hour)}
	for _, want := range []authsvc.Verdict{authsvc.Advance, authsvc.Theft, authsvc.Revoked} {
		c.pass(time.Minute)
		out, err := s.Present(context.Background(), p)
		if err != nil || out.Verdict != want {
			t.Fatalf("%v, %v, want %v", out.Verdict, err, want)
		}
	}
	if len(frames) != 1 {
		t.Fatalf("%d batches", len(frames))
	}
	if f := <-frames; len(f.Entries) != 1 || f.Entries[0].ID != p.SessionID {
		t.Errorf("delivered %+v", f)
	}
}

func TestTokenOlderThanTheFileNeedsANewLogin(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "store.db")
	p := authsvc.Presentation{SessionID: tokens.NewID(), Generation: 3, IssuedAt: c.now().UnixMilli() - 1, SessionEnd: c.now().Add(time.Hour)}
	s := open(t, path, c)
	if out, err := s.Present(context.Background(), p); err != nil || out.Verdict != authsvc.StateLost {
		t.Errorf("%v, %v", out.Verdict, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	adopting, err := Open(path, Options{Now: c.now, AdoptLost: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = adopting.Close() }()
	if out, err := adopting.Present(context.Background(), p); err != nil || out.Verdict != authsvc.Same {
		t.Errorf("to be adopted: %v, %v", out.Verdict, err)
	}
}

// A clock that goes back does not take the cursors with it.
func TestCursorsOutrunTheClock(t *testing.T) {
	c := newClock()
	s := open(t, filepath.Join(t.TempDir(), "store.db"), c)
	frames := followInto(t, s)
	for range 3 {
		if err := s.Append(context.Background(), c.entry(), c.entry()); err != nil {
			t.Fatal(err)
		}
		if f := <-frames; f.Pos.Cursor.Compare(f.Prev) <= 0 {
			t.Errorf("from %v to %v", f.Prev, f.Pos.Cursor)
		}
		c.pass(-time.Hour)
	}
}

// A caller that gave up is not waited for, and a follower that hangs holds up
// appends but not the deadline of those who wait.
func TestDeadlineIsObeyedWhileAFollowerHangs(t *testing.T) {
	c := newClock()
	s := open(t, filepath.Join(t.TempDir(), "store.db"), c)
	hang, hanging, joined := make(chan struct{}), make(chan struct{}, 2), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Follow(ctx, func(b authsvc.Batch) {
			if b.Frame.Kind == revocation.Snapshot {
				close(joined)
				return
			}
			hanging <- struct{}{}
			<-hang
		})
	}()
	first := make(chan error, 1)
	<-joined
	go func() { first <- s.Append(context.Background(), c.entry()) }()
	<-hanging
	short, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	if err := s.Append(short, c.entry()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("behind it: %v", err)
	}
	late, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	if err := s.Follow(late, func(authsvc.Batch) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("following behind it: %v", err)
	}
	close(hang)
	if err := <-first; err != nil {
		t.Errorf("the one that it held up: %v", err)
	}
	cancel()
	<-done
}

func TestAPanicOfBoltIsDamage(t *testing.T) {
	if err := guard(func() error { panic("page 7 already freed") }); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}
