package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

func deliveredBeforeReturn(t *testing.T, s *Subject) {
	fs := []*followed{follow(t, s.Log), follow(t, s.Log)}
	for _, f := range fs {
		f.next(t)
	}
	for range 20 {
		e := s.entry()
		s.append(t, e)
		for _, f := range fs {
			select {
			case b := <-f.batches:
				if _, ok := find(b.Frame.Entries, e.Target()); !ok {
					t.Fatalf("another batch came: %+v", b)
				}
			default:
				t.Fatal("the append returned before it was delivered")
			}
		}
	}
}

func snapshotFirst(t *testing.T, s *Subject) {
	empty := snapshot(t, s.Log)
	if empty.Kind != revocation.Snapshot || empty.Pos.Epoch == 0 || len(empty.Entries) != 0 {
		t.Errorf("of an empty store: %+v", empty)
	}
	es := []revocation.Entry{s.entry(), s.entry(), revocation.AllEntry(s.Now(), s.Now().Add(time.Minute))}
	s.append(t, es...)
	full := snapshot(t, s.Log)
	if full.Kind != revocation.Snapshot || full.Pos.Epoch != empty.Pos.Epoch || full.Pos.Cursor.Compare(empty.Pos.Cursor) <= 0 {
		t.Errorf("after an append: %+v", full)
	}
	if full.AsOf.Before(empty.AsOf) || full.AsOf.After(s.Now()) {
		t.Errorf("as of %v, now is %v", full.AsOf, s.Now())
	}
	if len(full.Entries) != len(es) {
		t.Errorf("%d entries, want %d", len(full.Entries), len(es))
	}
	if _, err := full.MarshalBinary(); err != nil {
		t.Errorf("no frame can be made of it: %v", err)
	}
}

// noGaps: many append at once while some begin to follow. Each follower sees
// an unbroken chain, and all entries.
func noGaps(t *testing.T, s *Subject) {
	const writers, each = 16, 25
	fs := []*followed{follow(t, s.Log)}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if err := s.Log.Append(context.Background(), s.entry()); err != nil {
					t.Errorf("appending: %v", err)
				}
			}
		})
	}
	for range 5 {
		fs = append(fs, follow(t, s.Log))
	}
	wg.Wait()
	for _, f := range fs {
		f.chain(t, writers*each)
	}
}

// chain reads until it has seen n targets, and checks that each batch begins
// where the one before ended. What a snapshot holds may come again, once it
// has its place in the log.
func (f *followed) chain(t *testing.T, n int) {
	t.Helper()
	b := f.next(t)
	if b.Kind != revocation.Snapshot {
		t.Fatalf("began with %+v", b)
	}
	seen := map[revocation.Target]bool{}
	see := func() {
		for _, e := range b.Entries {
			seen[e.Target()] = true
		}
	}
	see()
	pos := b.Pos
	for len(seen) < n {
		b = f.next(t)
		if b.Kind != revocation.Delta || b.PrevEpoch != pos.Epoch || b.Prev != pos.Cursor {
			t.Fatalf("a gap: %v, then %v of %v", pos, b.Kind, b.Prev)
		}
		if b.Pos.Epoch != pos.Epoch || b.Pos.Cursor.Compare(pos.Cursor) <= 0 {
			t.Fatalf("no progress: %v, then %v", pos, b.Pos)
		}
		pos = b.Pos
		see()
	}
	if len(seen) != n {
		t.Errorf("%d targets, want %d", len(seen), n)
	}
}

func mergeByMaximum(t *testing.T, s *Subject) {
	now := s.Now()
	a := revocation.SubjectEntry("iss", "ann", now.Add(-time.Minute), now.Add(2*time.Hour))
	b := revocation.SubjectEntry("iss", "ann", now, now.Add(time.Hour))
	s.append(t, a)
	s.append(t, b)
	got := snapshot(t, s.Log).Entries
	if len(got) != 1 || got[0].T != b.T || got[0].Exp != a.Exp {
		t.Errorf("%+v, want one with T %d and Exp %d", got, b.T, a.Exp)
	}
}

func coveredIsAcknowledged(t *testing.T, s *Subject) {
	e := s.entry()
	s.append(t, e)
	f := follow(t, s.Log)
	before := f.next(t)
	s.append(t, e, e)
	s.append(t)
	select {
	case b := <-f.batches:
		t.Errorf("nothing new was delivered: %+v", b)
	default:
	}
	if after := snapshot(t, s.Log); after.Pos != before.Pos {
		t.Errorf("the position went from %v to %v", before.Pos, after.Pos)
	}
	e.Exp++
	s.append(t, e)
	if got := f.next(t); len(got.Entries) != 1 || got.Entries[0].Exp != e.Exp {
		t.Errorf("what was raised is %+v", got)
	}
}

func expiredIsAcknowledged(t *testing.T, s *Subject) {
	gone, empty := s.entry(), snapshot(t, s.Log)
	gone.Exp = uint32(s.Now().Unix())
	s.append(t, gone)
	if b := snapshot(t, s.Log); b.Pos != empty.Pos {
		t.Errorf("it moved the position from %v to %v", empty.Pos, b.Pos)
	}
	short := s.entry()
	short.Exp = uint32(s.Now().Unix()) + 2
	s.append(t, gone, short)
	before := snapshot(t, s.Log)
	if len(before.Entries) != 1 || before.Entries[0].Target() != short.Target() {
		t.Errorf("kept %+v", before.Entries)
	}
	s.Pass(3 * time.Second)
	if after := snapshot(t, s.Log); len(after.Entries) != 0 || after.Pos != before.Pos {
		t.Errorf("later %+v", after)
	}
	d, err := s.Log.Since(context.Background(), revocation.Position{Epoch: before.Pos.Epoch})
	if err != nil || len(d.Frame.Entries) != 0 {
		t.Errorf("since the beginning: %+v, %v", d, err)
	}
}

func madeIsSet(t *testing.T, s *Subject) {
	fresh, copied := s.entry(), s.entry()
	copied.Made = fresh.T - 100
	s.append(t, fresh, copied)
	es := snapshot(t, s.Log).Entries
	if e, _ := find(es, copied.Target()); e != copied {
		t.Errorf("a copy became %+v, want %+v", e, copied)
	}
	e, _ := find(es, fresh.Target())
	if now := uint32(s.Now().Unix()); e.Made == 0 || e.Made > now || e.Made+60 < now {
		t.Errorf("made at %d, now is %d", e.Made, now)
	}
	s.Pass(2 * time.Second)
	s.append(t, fresh)
	if again, _ := find(snapshot(t, s.Log).Entries, fresh.Target()); again != e {
		t.Errorf("made again: %+v, was %+v", again, e)
	}
}

func unfitIsRefused(t *testing.T, s *Subject) {
	good, bad := s.entry(), s.entry()
	bad.Type = 99
	if err := s.Log.Append(context.Background(), good, bad); !errors.Is(err, revocation.ErrInvalid) {
		t.Errorf("an unknown type: %v", err)
	}
	many := make([]revocation.Entry, authsvc.MaxAppend+1)
	for i := range many {
		many[i] = good
	}
	if err := s.Log.Append(context.Background(), many...); !errors.Is(err, revocation.ErrInvalid) {
		t.Errorf("too many: %v", err)
	}
	if b := snapshot(t, s.Log); len(b.Entries) != 0 {
		t.Errorf("kept %+v", b.Entries)
	}
}

func sinceTells(t *testing.T, s *Subject) {
	first, second := s.entry(), s.entry()
	s.append(t, first)
	at := snapshot(t, s.Log).Pos
	s.append(t, second)
	raised := first
	raised.Exp += 10
	s.append(t, raised)
	b, err := s.Log.Since(context.Background(), at)
	if err != nil {
		t.Fatal(err)
	}
	f := b.Frame
	if f.Kind != revocation.Delta || f.PrevEpoch != at.Epoch || f.Prev != at.Cursor || f.Pos != snapshot(t, s.Log).Pos {
		t.Errorf("%+v does not lead from %v to the present", f, at)
	}
	e1, ok1 := find(f.Entries, first.Target())
	_, ok2 := find(f.Entries, second.Target())
	if !ok1 || !ok2 || len(f.Entries) != 2 || e1.Exp != raised.Exp {
		t.Errorf("entries %+v", f.Entries)
	}
	now, err := s.Log.Since(context.Background(), f.Pos)
	if err != nil || len(now.Frame.Entries) != 0 || now.Frame.Prev != f.Pos.Cursor || now.Frame.Pos != f.Pos {
		t.Errorf("since the present: %+v, %v", now, err)
	}
}

func sinceRefuses(t *testing.T, s *Subject) {
	s.append(t, s.entry())
	for name, change := range map[string]func(*revocation.Position){
		"another epoch": func(p *revocation.Position) { p.Epoch++ },
		"the future":    func(p *revocation.Position) { p.Cursor.Seq++ },
	} {
		p := snapshot(t, s.Log).Pos
		change(&p)
		if b, err := s.Log.Since(context.Background(), p); !errors.Is(err, authsvc.ErrUnknownPosition) {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
}

func restartGoesOn(t *testing.T, s *Subject) {
	first, second := s.entry(), s.entry()
	s.append(t, first)
	at := snapshot(t, s.Log)
	s.append(t, second)
	before := snapshot(t, s.Log)
	s.Restart(t)
	after := snapshot(t, s.Log)
	if after.Pos != before.Pos {
		t.Errorf("position %v, was %v", after.Pos, before.Pos)
	}
	for _, want := range before.Entries {
		if e, _ := find(after.Entries, want.Target()); e != want {
			t.Errorf("entry %+v, was %+v", e, want)
		}
	}
	b, err := s.Log.Since(context.Background(), at.Pos)
	if err != nil || len(b.Frame.Entries) != 1 || b.Frame.Entries[0].Target() != second.Target() {
		t.Errorf("since before the restart: %+v, %v", b, err)
	}
	f := follow(t, s.Log)
	f.next(t)
	s.append(t, s.entry())
	if d := f.next(t); d.Prev != before.Pos.Cursor || d.PrevEpoch != before.Pos.Epoch {
		t.Errorf("the next append follows %v, want %v", d.Prev, before.Pos)
	}
}

func followEnds(t *testing.T, s *Subject) {
	f := follow(t, s.Log)
	f.next(t)
	f.cancel()
	if err := f.ended(t); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	s.append(t, s.entry()) // nobody to wait for
	select {
	case b := <-f.batches:
		t.Errorf("delivered after the end: %+v", b)
	default:
	}
}

func closeEnds(t *testing.T, s *Subject) {
	f := follow(t, s.Log)
	at := f.next(t).Pos
	if err := s.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if err := f.ended(t); !errors.Is(err, authsvc.ErrStoreClosed) {
		t.Errorf("Follow: %v", err)
	}
	ctx := context.Background()
	_, errSince := s.Log.Since(ctx, at)
	for call, err := range map[string]error{
		"Append": s.Log.Append(ctx, s.entry()),
		"Follow": s.Log.Follow(ctx, func(authsvc.Batch) {}),
		"Since":  errSince,
	} {
		if !errors.Is(err, authsvc.ErrStoreClosed) {
			t.Errorf("%s on a closed store: %v", call, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func doneContext(t *testing.T, s *Subject) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, errSince := s.Log.Since(ctx, snapshot(t, s.Log).Pos)
	for call, err := range map[string]error{"Since": errSince,
		"Follow": s.Log.Follow(ctx, func(authsvc.Batch) {})} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", call, err)
		}
	}
}
