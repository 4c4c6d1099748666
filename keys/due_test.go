package keys_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// reserve gives a sealing key's count n more.
func reserve(t testing.TB, r *keys.Ring, kid string, n uint64) *keys.Ring {
	t.Helper()
	r, _, err := r.Reserve(kid, n, keys.MaxSeals)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARotationIsDueAfterThePeriodOrTooManySeals(t *testing.T) {
	fresh, month := newRing(t), 30*24*time.Hour
	k := the(t, fresh, keys.SessionCookie, keys.Signing, dawn)
	for _, c := range []struct {
		name  string
		seals uint64
		at    time.Time
		want  bool
	}{
		{"at the start", 1, dawn, false},
		{"just before the period ends", keys.SealLimit - 1, k.SignFrom.Add(month - 1), false},
		{"after the period", 1, k.SignFrom.Add(month), true},
		{"after too many seals", keys.SealLimit, dawn, true},
	} {
		if got := reserve(t, fresh, k.ID, c.seals).RotationDue(keys.SessionCookie, c.at); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	r := rotate(t, rotate(t, fresh, keys.SessionCookie, dawn), keys.SessionCookie, dawn)
	if reserve(t, r, the(t, r, keys.SessionCookie, keys.Signing, dawn).ID, keys.SealLimit).RotationDue(keys.SessionCookie, dawn) {
		t.Error("due although a successor waits")
	}
	if keys.MaxSeals > 1<<31 || keys.SealLimit > keys.MaxSeals/2 {
		t.Error("the limits are not well below 2^32")
	}
}

func TestReservedSealsAddUpToTheLimit(t *testing.T) {
	r := newRing(t)
	kid := the(t, r, keys.SessionCookie, keys.Signing, dawn).ID
	for _, c := range []struct{ n, most, granted, count uint64 }{
		{60, 100, 60, 60},
		{60, 100, 40, 100},
		{60, 140, 40, 140},
		{1 << 40, 1 << 40, keys.MaxSeals - 140, keys.MaxSeals},
	} {
		next, granted, err := r.Reserve(kid, c.n, c.most)
		if err != nil {
			t.Fatal(err)
		}
		if granted != c.granted || next.Seals(kid) != c.count || next.Generation() != r.Generation()+1 {
			t.Errorf("%d of at most %d: granted %d, count %d, %v", c.n, c.most, granted, next.Seals(kid), next)
		}
		if r.Seals(kid) != c.count-c.granted {
			t.Error("the ring before has changed")
		}
		r = next
	}
	if _, _, err := r.Reserve(kid, 1, keys.MaxSeals); !errors.Is(err, keys.ErrSealsSpent) {
		t.Errorf("beyond the limit: %v", err)
	}
}

func TestOnlySealingKeysThatLiveAreCounted(t *testing.T) {
	r := rotated(t)
	for _, c := range []struct {
		name string
		kid  string
		want error
	}{
		{"a signing key", the(t, r, keys.AccessToken, keys.Signing, dawn.Add(2*time.Second)).ID, keys.ErrUnknownKey},
		{"a key of another ring", "nobody", keys.ErrUnknownKey},
		{"a revoked key", the(t, r, keys.SessionCookie, keys.Revoked, dawn.Add(2*time.Second)).ID, keys.ErrRevokedKey},
		{"a sealing key", the(t, r, keys.RefreshToken, keys.Signing, dawn.Add(2*time.Second)).ID, nil},
	} {
		if _, _, err := r.Reserve(c.kid, 1, keys.MaxSeals); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The count goes wherever the key goes, and alters nothing else.
func TestACountStaysWithItsKeyAndChangesNothingElse(t *testing.T) {
	r := newRing(t)
	kid := the(t, r, keys.SessionCookie, keys.Signing, dawn).ID
	counted := reserve(t, r, kid, 7)
	if !counted.Alike(r) || !r.Alike(counted) {
		t.Error("counting has changed more than the count")
	}
	later := rotate(t, counted, keys.SessionCookie, dawn)
	again, err := keys.ParseRing(marshalled(t, later))
	if err != nil {
		t.Fatal(err)
	}
	if again.Seals(kid) != 7 {
		t.Errorf("after a rotation and a restart the count is %d", again.Seals(kid))
	}
	if later.Alike(counted) || rotate(t, r, keys.Feed, dawn).Alike(r) {
		t.Error("a rotation goes for a count")
	}
	dead, err := later.Revoke(kid, "stolen", dawn.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if dead.Alike(later) {
		t.Error("a revocation goes for a count")
	}
}

func TestACountThatCanNotBeIsRefused(t *testing.T) {
	r := newRing(t)
	data := marshalled(t, reserve(t, r, the(t, r, keys.SessionCookie, keys.Signing, dawn).ID, 7))
	count := []byte(`"seals":7`)
	if bytes.Count(data, count) != 1 {
		t.Fatalf("no count in %s", data)
	}
	for _, value := range []string{"0", "07", "-7", "7.0", `"7"`, "null", "2147483649", "18446744073709551616"} {
		if _, err := keys.ParseRing(bytes.Replace(data, count, []byte(`"seals":`+value), 1)); err == nil {
			t.Errorf("a count of %s was taken", value)
		}
	}
	signing := []byte(`"purpose":"at",`)
	if _, err := keys.ParseRing(bytes.Replace(marshalled(t, r), signing, []byte(`"purpose":"at","seals":7,`), 1)); !errors.Is(err, keys.ErrInvalidRing) {
		t.Errorf("a signing key that counts seals: %v", err)
	}
}
