package authsvc

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// While the shared log is away a revocation has no place in it. It must reach
// everybody who follows this replica all the same: who was connected, who
// comes new, and who comes with a position that says nothing of it.
func TestAnEntryWithoutAPlaceReachesWhoever(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	first, was := ended(), ended()
	before := new(moving).to(s.addr).verifier(t)
	s.script.says(delta(1, 2, was))
	until(t, "the placed one is known", func() bool { return knows(before, was) })
	new(moving).to(s.addr).verifier(t) // has a snapshot made of this moment, which is kept for the next
	s.script.says(unshared(2, first))
	until(t, "one that was connected knows it", func() bool { return knows(before, first) })
	if p := before.Status().Position; p != at(2) {
		t.Errorf("it moved the position to %v", p)
	}
	// within the moment for which a snapshot is kept
	after := new(moving).to(s.addr).verifier(t)
	until(t, "one that came new knows it", func() bool { return knows(after, first) && knows(after, was) })
	if snap := s.whole(t); !carry([]*revocation.Frame{snap}, first) {
		t.Error("one that asks for the snapshot alone does not get it")
	}
	for n := uint64(1); n <= 2; n++ {
		if frames, reset := s.resumed(t, at(n)); reset || !carry(frames, first) {
			t.Errorf("one that resumed at %d has got %+v, reset %v", n, frames, reset)
		}
	}
	// The log is back and goes on; whoever resumes beyond may have come from a
	// replica that has never heard of it.
	s.script.says(delta(2, 3, ended()))
	until(t, "the log goes on", func() bool { return s.hub.view.Load().pos == at(3) })
	if frames, reset := s.resumed(t, at(3)); reset || !carry(frames, first) {
		t.Errorf("beyond it: %+v, reset %v", frames, reset)
	}
	if before.Status().Fault != "" || s.feeds.Load() != 7 {
		t.Errorf("fault %q, %d connections", before.Status().Fault, s.feeds.Load())
	}
}

// Whatever comes within one batch keeps its order, and what has no place stays
// apart from what has.
func TestABatchKeepsOrderAndPlace(t *testing.T) {
	s := offline(t, still{})
	h, es := s.hub, []revocation.Entry{ended(), ended(), ended(), ended(), ended(), ended()}
	h.flushed = h.now() // something has just left: all that follows waits
	other := delta(5, 6, es[5])
	other.PrevEpoch, other.Pos.Epoch = 8, 8
	for _, f := range []revocation.Frame{delta(1, 2, es[0]), delta(2, 3, es[1]), unshared(3, es[2]), delta(3, 5, es[3]), anew(5, es[4]), other} {
		h.deliver(Batch{Frame: f})
	}
	if v := h.view.Load(); v.end() != 0 {
		t.Fatalf("%d frames left at once", v.end())
	}
	h.locked(h.flush)
	var got []revocation.Frame
	sc := &scripted{Service: s}
	for _, f := range h.view.Load().frames {
		got = append(got, *sc.parse(t, f.jws))
	}
	want := []struct {
		from, to revocation.Position
		entries  int
	}{
		{at(1), at(3), 2},
		{at(3), at(3), 1},
		{at(3), revocation.Position{Epoch: 8, Cursor: at(5).Cursor}, 2},
		{revocation.Position{Epoch: 8, Cursor: at(5).Cursor}, other.Pos, 1},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	p := at(1)
	for i, f := range got {
		if from := (revocation.Position{Epoch: f.PrevEpoch, Cursor: f.Prev}); from != want[i].from || f.Pos != want[i].to || len(f.Entries) != want[i].entries {
			t.Errorf("frame %d: %+v", i, f)
		}
		var ok bool
		if p, ok = f.Advance(p); !ok {
			t.Errorf("a gap before frame %d", i)
		}
	}
	if p != other.Pos || !h.view.Load().frames[1].unplaced || h.view.Load().frames[0].unplaced {
		t.Errorf("at %v", p)
	}
}

// Once a frame without a place is no longer kept, a position is no proof that
// its entries were had: the Log is asked, until they have expired.
func TestAForgottenEntryWithoutAPlaceIsInNobodysPosition(t *testing.T) {
	s := offline(t, still{err: ErrUnknownPosition})
	h := s.hub
	e := ended()
	h.deliver(Batch{Frame: unshared(1, e)})
	for n := range uint64(windowFrames) {
		h.mu.Lock()
		h.enqueue(delta(n+1, n+2))
		h.flush(h.now())
		h.mu.Unlock()
	}
	if _, err := h.resume(t.Context(), h.view.Load().pos); err != ErrUnknownPosition {
		t.Errorf("resumed: %v", err)
	}
	h.outlet.now = func() time.Time { return time.Unix(int64(e.Exp), 0) }
	if _, err := h.resume(t.Context(), h.view.Load().pos); err != nil {
		t.Errorf("after its end: %v", err)
	}
}

// What the Log says of a position at its end is not nothing if it has entries.
func TestWhatHasNoPlaceIsMissedAtTheEndToo(t *testing.T) {
	e := ended()
	h := offline(t, still{since: Batch{Frame: unshared(5, e)}}).hub
	f, err := h.missed(t.Context(), at(5))
	if err != nil || f == nil || !f.unplaced || f.pos != at(5) {
		t.Fatalf("%+v, %v", f, err)
	}
	h.log = still{since: Batch{Frame: unshared(5)}}
	if f, err := h.missed(t.Context(), at(5)); f != nil || err != nil {
		t.Errorf("nothing is %+v, %v", f, err)
	}
}

// A poll has no cursor but a position and the tag of the answer before. With
// the tag it gets every entry without a place once; without, again and again,
// but not in a tight loop.
func TestAPollGetsEntriesWithoutAPlaceOnce(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	es := []revocation.Entry{ended(), ended()}
	poll := func(wait, tag string) (*revocation.Frame, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.addr+"/v1/feed?wait="+wait+"&since="+at(1).String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("orders", "x")
		r.Header.Set("If-None-Match", tag)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode == 204 {
			return nil, ""
		}
		return s.parse(t, string(body)), res.Header.Get("ETag")
	}
	for i, e := range es {
		s.script.says(unshared(1, e))
		until(t, "it is out", func() bool { return s.hub.view.Load().end() == uint64(i+1) })
	}
	began := time.Now()
	f, tag := poll("20", `"`+at(1).String()+`"`)
	if f == nil || !carry([]*revocation.Frame{f}, es[0]) {
		t.Fatalf("got %+v", f)
	}
	if time.Since(began) < repeatAfter/2 {
		t.Error("a poll that may have had it is answered at once")
	}
	f, tag = poll("20", tag)
	if f == nil || !carry([]*revocation.Frame{f}, es[1]) {
		t.Fatalf("then %+v", f)
	}
	if f, _ := poll("1", tag); f != nil {
		t.Errorf("and then %+v", f)
	}
}

// A connected verifier goes on over a new epoch: no second connection, no
// snapshot, nothing missed.
func TestAVerifierGoesOnOverARebase(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	f := new(moving).to(s.addr).verifier(t)
	es := []revocation.Entry{ended(), ended(), ended(), ended()}
	later := delta(3, 4, es[3])
	later.PrevEpoch, later.Pos.Epoch = 8, 8
	s.script.says(delta(1, 2, es[0]), unshared(2, es[1]), anew(2, es[2]))
	last := delta(2, 3)
	last.PrevEpoch, last.Pos.Epoch = 8, 8
	s.script.says(last, later)
	until(t, "it is in the new epoch", func() bool { return f.Status().Position == later.Pos })
	for i, e := range es {
		if !knows(f, e) {
			t.Errorf("entry %d was missed", i)
		}
	}
	if s.feeds.Load() != 1 || f.Status().Fault != "" {
		t.Errorf("%d connections, fault %q", s.feeds.Load(), f.Status().Fault)
	}
	// In the new epoch one resumes without a snapshot; from the old one it is
	// not known what that has lost.
	if frames, reset := s.resumed(t, last.Pos); reset || !carry(frames, es[3]) {
		t.Errorf("%+v, reset %v", frames, reset)
	}
	if _, reset := s.resumed(t, at(2)); !reset {
		t.Error("a position of the old epoch was believed")
	}
}

// Two replicas of one log number its entries alike: a verifier that loses one
// goes on at the other, where it was.
func TestAVerifierResumesAtAnotherReplica(t *testing.T) {
	t.Parallel()
	a, b := newScripted(t), newScripted(t)
	m := new(moving).to(a.addr)
	f := m.verifier(t)
	es := []revocation.Entry{ended(), ended(), ended()}
	a.script.says(delta(1, 2, es[0]))
	until(t, "the first replica has told it", func() bool { return f.Status().Position == at(2) })
	b.script.says(delta(1, 2, es[0]), delta(2, 4, es[1]))
	b.script.says(unshared(4, es[2]))
	until(t, "the second replica is ahead", func() bool { return b.hub.view.Load().pos == at(4) })
	m.to(b.addr).cut()
	until(t, "it has moved", func() bool { return f.Status().Position == at(4) && f.Status().Live })
	for i, e := range es { // the last has no place: no position tells when it has come
		until(t, fmt.Sprintf("it knows entry %d", i), func() bool { return knows(f, e) })
	}
	if n := b.feeds.Load(); n != 1 {
		t.Errorf("%d connections to the second replica: it was reset", n)
	}
}

// A verifier that was away while the feed key was burnt must not be offered
// what that key has signed: it would ask for it for ever.
func TestAFrameOfADeadKeyIsNotOffered(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	m := new(moving).to(s.addr)
	f := m.verifier(t)
	m.to("127.0.0.1:1").cut()
	e := ended()
	s.script.says(delta(1, 2, e))
	until(t, "the frame is out", func() bool { return s.hub.view.Load().end() == 1 })
	burnt, err := s.hub.ring.Load().Current(keys.Feed, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ring, err := s.hub.ring.Load().Revoke(burnt.ID, "stolen", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.SetRing(ring)
	if v := s.hub.view.Load(); len(v.frames) != 0 || v.base != at(2) {
		t.Errorf("%d frames kept after %v", len(v.frames), v.base)
	}
	m.to(s.addr)
	until(t, "it is whole", func() bool { return f.Status().Live && knows(f, e) })
}

// The snapshot with which a Log begins anew is sent on only as far as it is
// news: it may be a million entries, and the fault a short one.
func TestALogThatIsFollowedAnewIsNotRepeated(t *testing.T) {
	h := offline(t, still{}).hub
	old, fresh := ended(), ended()
	h.deliver(Batch{Frame: delta(1, 2, old)})
	n := h.view.Load().end()
	again := func(p uint64, es ...revocation.Entry) {
		h.deliver(Batch{Frame: revocation.Frame{Kind: revocation.Snapshot, Pos: at(p), Entries: es}})
		h.locked(h.flush)
	}
	again(2, old)
	if v := h.view.Load(); v.end() != n {
		t.Errorf("%d frames for nothing", v.end()-n)
	}
	again(3, old, fresh)
	v := h.view.Load()
	f := (&scripted{Service: &Service{hub: h}}).parse(t, v.frames[v.end()-1].jws)
	if v.end() != n+1 || len(f.Entries) != 1 || f.Entries[0].Target() != fresh.Target() || f.Pos != at(3) {
		t.Errorf("%+v", f)
	}
}
