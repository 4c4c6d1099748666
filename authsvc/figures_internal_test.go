package authsvc

import (
	"os"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

// A follower takes a snapshot of a million revocations, from the issuer and
// from a relay, and one of three, which comes in two parts.
func TestFiguresOfASnapshotOfAMillion(t *testing.T) {
	if os.Getenv("SEALRING_FULL") == "" {
		takesSnapshot(t, 4_000, 1_000)
		return
	}
	takesSnapshot(t, 1_000_000, 100_000)
	takesSnapshot(t, 3_000_000, 100_000)
}

func takesSnapshot(t *testing.T, n uint64, part int) {
	s := newScripted(t)
	var last revocation.Entry
	for at := uint64(1); at <= n/uint64(part); at++ {
		es := make([]revocation.Entry, part)
		for i := range es {
			es[i] = ended()
		}
		last = es[part-1]
		s.script.says(delta(at, at+1, es...))
	}
	end := at(n/uint64(part) + 1)
	until(t, "all of it is out", func() bool { return s.hub.view.Load().pos == end })
	snap, err := s.hub.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	r := newRelayed(t, s.addr)
	for name, addr := range map[string]string{"the issuer": s.addr, "a relay": r.addr} {
		if addr == r.addr {
			r.isReady(t)
		}
		began := time.Now()
		f := new(moving).to(addr).verifier(t)
		until(t, "it is whole", func() bool { return f.Status().Position == end })
		took := time.Since(began).Round(time.Millisecond)
		if got := f.Revocations().Len(); got != int(n) || !knows(f, last) || f.Status().Fault != "" {
			t.Errorf("from %s: %d entries; %+v", name, got, f.Status())
		}
		t.Logf("%d revocations, %d bytes, from %s: held after %v", n, snap.snap.bytes(), name, took)
	}
}
