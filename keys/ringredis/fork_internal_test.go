package ringredis

import (
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// life makes a ring of some age: rotated once, so that it holds a key with an
// end, and that key's end.
func life(t *testing.T, start time.Time) (*keys.Ring, keys.Key) {
	t.Helper()
	r, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, start)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = r.Rotate(keys.AccessToken, keys.Plan{}, start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, k := range r.Keys() {
		if !k.VerifyUntil.IsZero() {
			return r, k
		}
	}
	t.Fatal("no key has an end")
	return nil, keys.Key{}
}

func TestAKeyIsMissedUntilEveryClockHasDisposedOfIt(t *testing.T) {
	ring, old := life(t, time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC))
	pruned := ring.Prune(old.VerifyUntil.Add(time.Second))
	if _, held := pruned.State(old.ID, old.VerifyUntil); held {
		t.Fatal("the key was not pruned")
	}
	ahead := 2 * ring.Plan().Skew // of the clock that pruned it
	for _, c := range []struct {
		name string
		now  time.Time
		want int
	}{
		{"long before its end", old.VerifyUntil.Add(-time.Hour), 1},
		{"a moment before any clock's end", old.VerifyUntil.Add(-ahead - time.Second), 1},
		{"at its end by the fastest clock", old.VerifyUntil.Add(-ahead + time.Second), 0},
		{"after its end", old.VerifyUntil.Add(time.Hour), 0},
	} {
		if got := missing(ring, pruned, c.now); len(got) != c.want || c.want == 1 && got[0] != "key "+old.ID {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if got := missing(pruned, ring, old.VerifyUntil); len(got) != 0 {
		t.Errorf("the other way round: %v", got)
	}
}

func TestARevocationIsMissedAsLongAsItsKeyCouldBeUsed(t *testing.T) {
	start := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	ring, old := life(t, start)
	now := start.Add(2 * time.Hour)
	burnt, err := ring.Revoke(old.ID, "test", now)
	if err != nil {
		t.Fatal(err)
	}
	if got := missing(burnt, ring, now); len(got) == 0 || got[0] != "the revocation of key "+old.ID {
		t.Errorf("while it could be used: %v", got)
	}
	if got := missing(burnt, ring, now.AddDate(0, 0, 30)); len(got) != 0 {
		t.Errorf("long after: %v", got)
	}
	if got := missing(ring, burnt, now); len(got) != 0 {
		t.Errorf("the other way round: %v", got)
	}
}

func TestTheOrderOfRingsIsTotal(t *testing.T) {
	start := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	a, _ := life(t, start)
	b, old := life(t, start)
	burnt, err := b.Revoke(old.ID, "test", start.Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if compare(a, a) != 0 || compare(a, b) == 0 || (compare(a, b) > 0) == (compare(b, a) > 0) {
		t.Error("of two rings not exactly one comes first")
	}
	if compare(burnt, a) <= 0 || compare(a, burnt) >= 0 {
		t.Error("a revocation does not come first")
	}
}
