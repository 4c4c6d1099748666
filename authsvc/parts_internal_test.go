package authsvc

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens/issuer"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// small makes a frame hold so few entries that a test can have too many.
func small(h *hub) { h.most = 3 }

func knowsAll(f *issuer.Follower, es []revocation.Entry) bool {
	return !slices.ContainsFunc(es, func(e revocation.Entry) bool { return !knows(f, e) })
}

// manyEnded has a service say eight revocations, one by one: position 9.
func (s *scripted) manyEnded() (es []revocation.Entry) {
	for n := uint64(1); n <= 8; n++ {
		es = append(es, ended())
		s.script.says(delta(n, n+1, es[n-1]))
	}
	return es
}

func TestAListLongerThanAFrameIsServedInParts(t *testing.T) {
	t.Parallel()
	s := newScripted(t, small)
	es := s.manyEnded()
	until(t, "all are out", func() bool { return s.hub.view.Load().pos == at(9) })
	snap, err := s.hub.snapshot()
	if err != nil || len(snap.snap) != 3 {
		t.Fatalf("%d parts, %v", len(snap.snap), err)
	}
	r := newRelayed(t, s.addr).isReady(t)
	behind := newRelayed(t, r.addr).isReady(t)
	for name, addr := range map[string]string{"the issuer": s.addr, "a relay": r.addr, "a relay behind it": behind.addr} {
		f := new(moving).to(addr).verifier(t)
		until(t, "it has come to the position", func() bool { return f.Status().Position == at(9) && f.Ready() })
		if !knowsAll(f, es) || f.Revocations().Len() != len(es) || f.Status().Fault != "" {
			t.Errorf("of %s: %d entries; %+v", name, f.Revocations().Len(), f.Status())
		}
	}
	if err := r.fetchSnapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := r.view.Load(); len(v.snap) != 3 || v.pinned != 0 {
		t.Errorf("fetched alone: %d parts and %d frames", len(v.snap), v.pinned)
	}
	f := new(moving).to(r.addr).verifier(t) // live with the first part
	until(t, "who comes after that has all", func() bool { return knowsAll(f, es) })
}

func TestASnapshotThatIsNotAllThereIsNotServedOn(t *testing.T) {
	t.Parallel()
	s := newScripted(t, small)
	s.manyEnded()
	until(t, "all are out", func() bool { return s.hub.view.Load().pos == at(9) })
	r := newRelayed(t, s.addr).isReady(t)
	lines := strings.Split(s.snapshotBody(t), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines", len(lines))
	}
	if _, _, err := r.readSnapshot(strings.Join(lines, "\n")); err != nil {
		t.Fatal(err)
	}
	for name, some := range map[string][]string{
		"without the first": lines[1:], "without one between": {lines[0], lines[2]}, "without the last": lines[:2], "none": {""},
		"twice": append(slices.Clone(lines), lines...), "with a frame after it": append(slices.Clone(lines), lines[2]),
	} {
		if _, _, err := r.readSnapshot(strings.Join(some, "\n")); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func (s *scripted) snapshotBody(t *testing.T) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.addr+"/v1/feed?snapshot=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("orders", "x")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Such as what a replica with an empty disk reads when it joins the others: it
// must not keep the feed from going on.
func TestMoreAtOnceThanAFrameHoldsMakesEverybodyBeginAnew(t *testing.T) {
	t.Parallel()
	s := newScripted(t, small)
	first := ended()
	s.script.says(delta(1, 2, first))
	r := newRelayed(t, s.addr).isReady(t)
	direct, behind := new(moving).to(s.addr).verifier(t), new(moving).to(r.addr).verifier(t)
	es := []revocation.Entry{first, ended(), ended(), ended(), ended(), ended()}
	s.script.says(anew(2, es[1:]...))
	last := ended()
	f := delta(2, 3, last)
	f.PrevEpoch, f.Pos.Epoch = 8, 8
	s.script.says(f)
	es = append(es, last)
	until(t, "the verifier has all", func() bool { return knowsAll(direct, es) && direct.Status().Position == f.Pos })
	until(t, "the one behind a relay has all", func() bool { return knowsAll(behind, es) && behind.Status().Position == f.Pos })
}

func TestNobodyIsServedOnFromAViewThatBeganAnew(t *testing.T) {
	v := &view{pos: at(3), base: at(1), frames: []frame{{pos: at(2)}, {pos: at(3)}}}
	end, to := v.end(), revocation.Position{Epoch: 8, Cursor: at(3).Cursor}
	v.restart(to)
	if v.first <= end || v.pos != to || v.base != to {
		t.Errorf("who has all up to frame %d is served on from %d, at %v", end, v.first, v.pos)
	}
}

func TestWhoHasMissedMoreThanAFrameHoldsBeginsAnew(t *testing.T) {
	t.Parallel()
	s := newScripted(t, small)
	es := []revocation.Entry{ended(), ended(), ended(), ended()}
	s.script.since.Store(&es)
	if _, reset := s.resumed(t, at(0)); !reset {
		t.Error("it was not told to")
	}
	few := es[:3]
	s.script.since.Store(&few)
	if frames, reset := s.resumed(t, at(0)); reset || len(frames) != 1 || len(frames[0].Entries) != 3 {
		t.Errorf("%d frames, reset %v", len(frames), reset)
	}
}

// A long snapshot takes a second to make. While frames come ten times a second
// it is made for all who come within two.
func TestASnapshotIsGoodForAllWhoAskSoonAfter(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	many := make([]revocation.Entry, manyBytes/25)
	for i := range many {
		many[i] = ended()
	}
	s.script.says(delta(1, 2, many...))
	until(t, "it is out", func() bool { return s.hub.view.Load().pos == at(2) })
	first, err := s.hub.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	made := s.hub.store.made
	later := ended()
	s.script.says(delta(2, 3, later))
	until(t, "so is the next", func() bool { return s.hub.view.Load().pos == at(3) })
	f := new(moving).to(s.addr).verifier(t)
	until(t, "a newcomer has what came after it", func() bool { return knows(f, later) && f.Status().Position == at(3) })
	again, err := s.hub.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if s.hub.now().Sub(made) < snapshotFor && again.snap[0].jws != first.snap[0].jws {
		t.Error("it was made anew")
	}
}

func TestASnapshotIsNotGivenOutOnceItsKeyIsBurnt(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	before, err := s.hub.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := s.hub.ring.Load().Revoke(before.snap.kid(), "stolen", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.SetRing(ring)
	if after, err := s.hub.snapshot(); err != nil || after.snap.kid() == before.snap.kid() {
		t.Errorf("%v, signed by %s, which is burnt", err, before.snap.kid())
	}
}

func TestASnapshotIsNotKeptBeyondItsTime(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	if _, err := s.hub.snapshot(); err != nil {
		t.Fatal(err)
	}
	until(t, "it is gone", func() bool {
		s.hub.store.mu.Lock()
		defer s.hub.store.mu.Unlock()
		return s.hub.store.last.view == nil
	})
}
