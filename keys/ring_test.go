package keys_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// dawn is when every test begins.
var dawn = time.Date(2026, 3, 1, 6, 0, 0, 123456789, time.UTC)

func newRing(t testing.TB) *keys.Ring {
	t.Helper()
	r, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, dawn)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// of returns the purpose's keys that stand where state says.
func of(r *keys.Ring, p keys.Purpose, state keys.State, now time.Time) []keys.Key {
	return slices.DeleteFunc(r.Keys(), func(k keys.Key) bool {
		s, _ := r.State(k.ID, now)
		return k.Purpose != p || s != state
	})
}

func the(t testing.TB, r *keys.Ring, p keys.Purpose, state keys.State, now time.Time) keys.Key {
	t.Helper()
	list := of(r, p, state, now)
	if len(list) != 1 {
		t.Fatalf("%d %s keys are %s at %v, want one", len(list), p, state, now)
	}
	return list[0]
}

func rotate(t testing.TB, r *keys.Ring, p keys.Purpose, now time.Time) *keys.Ring {
	t.Helper()
	n, err := r.Rotate(p, keys.Plan{}, now)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestANewRingHasASigningKeyAndAStandbyForEachPurpose(t *testing.T) {
	for _, alg := range []keys.Alg{keys.ES256, keys.EdDSA, keys.RS256} {
		r, err := keys.NewRing(keys.DefaultPlan(), alg, dawn)
		if err != nil {
			t.Fatal(err)
		}
		if r.Generation() != 1 || len(r.Keys()) != 8 {
			t.Fatalf("generation %d with %d keys", r.Generation(), len(r.Keys()))
		}
		for _, p := range keys.Purposes() {
			signing, standby := the(t, r, p, keys.Signing, dawn), the(t, r, p, keys.Standby, dawn)
			if signing.ID == standby.ID || signing.Alg != standby.Alg {
				t.Errorf("%s: %v and %v", p, signing, standby)
			}
			got, err := r.Current(p, dawn)
			if err != nil || got.ID != signing.ID {
				t.Errorf("Current(%s) = %v, %v", p, got, err)
			}
		}
		if a := the(t, r, keys.AccessToken, keys.Signing, dawn).Alg; a != alg {
			t.Errorf("access tokens use %s, want %s", a, alg)
		}
		if a := the(t, r, keys.Feed, keys.Signing, dawn).Alg; a != keys.EdDSA {
			t.Errorf("the feed uses %s", a)
		}
	}
}

func TestNewRingRefusesAnAlgorithmThatDoesNotSign(t *testing.T) {
	for _, alg := range []keys.Alg{"", "none", "HS256", keys.A256GCM, "es256"} {
		if _, err := keys.NewRing(keys.DefaultPlan(), alg, dawn); !errors.Is(err, keys.ErrKeyMaterial) {
			t.Errorf("%q: %v", alg, err)
		}
	}
}

func TestAReplicaWhoseClockIsBehindTheWriterHasKeysAllTheSame(t *testing.T) {
	r, early := newRing(t), dawn.Add(-30*time.Second)
	for _, p := range keys.Purposes() {
		if _, err := r.Current(p, early); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	if n := len(r.PublicSet(early).Keys()); n != 4 {
		t.Errorf("%d keys are published within the skew, want 4", n)
	}
	if n := len(r.PublicSet(dawn.Add(-time.Hour)).Keys()); n != 2 {
		t.Errorf("%d keys are published an hour early, want the 2 that sign", n)
	}
}

func TestAnOperationLeavesTheRingItCameFromAlone(t *testing.T) {
	r := newRing(t)
	before, err := r.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	n := rotate(t, r, keys.AccessToken, dawn.Add(time.Hour))
	if n, err = n.Revoke(the(t, n, keys.AccessToken, keys.Signing, dawn.Add(time.Hour)).ID, "", dawn.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	n.Prune(dawn.Add(1000 * time.Hour))
	r.Plan().Life[keys.AccessToken] = 0
	r.Keys()[0] = keys.Key{}
	if after, _ := r.MarshalJSON(); !bytes.Equal(before, after) {
		t.Error("the first ring changed")
	}
}

func TestARingAndItsKeysNeverPrintTheirBytes(t *testing.T) {
	r := newRing(t)
	cookie := the(t, r, keys.SessionCookie, keys.Signing, dawn)
	type holder struct {
		ring *keys.Ring
		key  keys.Key
		set  *keys.Set
	}
	h := holder{r, cookie, r.SessionKeys(dawn)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{r, cookie, &cookie, h, &h, h.set, []keys.Key{cookie}} {
			text := fmt.Sprintf(verb, v)
			for _, secret := range []string{
				fmt.Sprintf("%x", cookie.Secret()), fmt.Sprint(cookie.Secret())[1:20],
				fmt.Sprintf("%#v", cookie.Secret())[8:30], string(cookie.Secret()),
			} {
				if strings.Contains(text, secret) {
					t.Errorf("%s of %T shows the secret", verb, v)
				}
			}
		}
	}
}

func TestKeyTellsUnknownRetiredAndRevokedApart(t *testing.T) {
	r := newRing(t)
	old := the(t, r, keys.AccessToken, keys.Signing, dawn)
	standby := the(t, r, keys.AccessToken, keys.Standby, dawn)
	r = rotate(t, r, keys.AccessToken, dawn)
	later := dawn.Add(48 * time.Hour)
	revoked, err := r.Revoke(standby.ID, "lost laptop", dawn)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		ring *keys.Ring
		kid  string
		p    keys.Purpose
		now  time.Time
		want error
	}{
		{"a signing key", r, standby.ID, keys.AccessToken, dawn, nil},
		{"a key that only verifies", r, old.ID, keys.AccessToken, dawn, nil},
		{"a key that is over", r, old.ID, keys.AccessToken, later, keys.ErrRetiredKey},
		{"a key of another purpose", r, old.ID, keys.Feed, dawn, keys.ErrUnknownKey},
		{"no kid", r, "", keys.AccessToken, dawn, keys.ErrUnknownKey},
		{"a kid nobody has", r, strings.Repeat("A", 43), keys.AccessToken, dawn, keys.ErrUnknownKey},
		{"a revoked key", revoked, standby.ID, keys.AccessToken, dawn, keys.ErrRevokedKey},
	} {
		if _, err := c.ring.Key(c.kid, c.p, c.now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestAKeySetHoldsWhatIsPublishedAndNothingPrivate(t *testing.T) {
	r := newRing(t)
	old := the(t, r, keys.AccessToken, keys.Signing, dawn)
	r = rotate(t, r, keys.AccessToken, dawn)
	standby := the(t, r, keys.AccessToken, keys.Standby, dawn)
	r, err := r.Revoke(standby.ID, "", dawn)
	if err != nil {
		t.Fatal(err)
	}
	set := r.PublicSet(dawn)
	if len(set.Keys()) != 5 { // at: verify-only, signing, standby; feed: signing, standby
		t.Fatalf("%d keys", len(set.Keys()))
	}
	for _, k := range set.Keys() {
		if k.Signer() != nil || k.Secret() != nil || k.Public() == nil {
			t.Errorf("%v holds more or less than its public half", k)
		}
	}
	if _, err := set.Key(standby.ID, keys.AccessToken, dawn); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("the revoked key: %v", err)
	}
	if _, err := set.Key(old.ID, keys.Feed, dawn); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("an access token key for the feed: %v", err)
	}
	if _, err := set.Key(old.ID, keys.AccessToken, dawn); err != nil {
		t.Error(err)
	}
	if _, err := r.PublicSet(dawn.Add(48*time.Hour)).Key(old.ID, keys.AccessToken, dawn); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("the retired key: %v", err)
	}
}

func TestSessionKeysHoldTheCookieKeysAlone(t *testing.T) {
	r := newRing(t)
	set := r.SessionKeys(dawn)
	if len(set.Keys()) != 2 {
		t.Fatalf("%d keys", len(set.Keys()))
	}
	for _, k := range set.Keys() {
		if k.Purpose != keys.SessionCookie || len(k.Secret()) != keys.SecretSize {
			t.Errorf("%v", k)
		}
	}
}
