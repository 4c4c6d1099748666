package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

func earliest(t *testing.T, r *keys.Ring, p keys.Purpose, now time.Time) time.Time {
	t.Helper()
	at, err := r.Earliest(p, keys.Plan{}, now)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestLeadAndTailAreWhatThePlanSays(t *testing.T) {
	p := keys.DefaultPlan()
	for _, c := range []struct {
		use        keys.Purpose
		lead, tail time.Duration
	}{
		{keys.AccessToken, 24*time.Hour + 6*time.Minute, 8 * time.Minute},
		{keys.Feed, 24*time.Hour + 6*time.Minute, 13 * time.Minute},
		{keys.SessionCookie, 24*time.Hour + 6*time.Minute, 12*time.Hour + 3*time.Minute},
		{keys.RefreshToken, 24*time.Hour + time.Minute, 12*time.Hour + 3*time.Minute},
	} {
		if p.Lead(c.use) != c.lead || p.Tail(c.use) != c.tail {
			t.Errorf("%s: lead %v and tail %v, want %v and %v", c.use, p.Lead(c.use), p.Tail(c.use), c.lead, c.tail)
		}
	}
}

func TestAPlanWithAMissingOrAbsurdFigureIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*keys.Plan){
		"no lease":              func(p *keys.Plan) { p.Lease = 0 },
		"a negative lease":      func(p *keys.Plan) { p.Lease = -1 },
		"a lease of a century":  func(p *keys.Plan) { p.Lease = 100 * 365 * 24 * time.Hour },
		"a negative skew":       func(p *keys.Plan) { p.Skew = -1 },
		"a negative leeway":     func(p *keys.Plan) { p.Leeway = -1 },
		"a negative age":        func(p *keys.Plan) { p.JWKSMaxAge = -1 },
		"a negative period":     func(p *keys.Plan) { p.Period = -1 },
		"no life for cookies":   func(p *keys.Plan) { delete(p.Life, keys.SessionCookie) },
		"a negative life":       func(p *keys.Plan) { p.Life[keys.Feed] = -1 },
		"a life for a stranger": func(p *keys.Plan) { p.Life["x"] = 1 },
	} {
		p := keys.DefaultPlan()
		spoil(&p)
		if _, err := keys.NewRing(p, keys.ES256, dawn); !errors.Is(err, keys.ErrPlan) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := newRing(t).Rotate(keys.Feed, p, dawn); !errors.Is(err, keys.ErrPlan) {
			t.Errorf("%s, in Rotate: %v", name, err)
		}
	}
}

func TestTheFirstRotationTakesEffectAtOnce(t *testing.T) {
	r := newRing(t)
	for _, p := range keys.Purposes() {
		old, next := the(t, r, p, keys.Signing, dawn), the(t, r, p, keys.Standby, dawn)
		if at := earliest(t, r, p, dawn); !at.Equal(dawn) {
			t.Errorf("%s: the earliest moment is %v", p, at)
		}
		n := rotate(t, r, p, dawn)
		if n.Generation() != 2 {
			t.Errorf("generation %d", n.Generation())
		}
		if k := the(t, n, p, keys.Signing, dawn); k.ID != next.ID || !k.SignFrom.Equal(dawn) {
			t.Errorf("%s: %v signs from %v", p, k, k.SignFrom)
		}
		k := the(t, n, p, keys.VerifyOnly, dawn)
		if k.ID != old.ID || !k.SignUntil.Equal(dawn.Add(24*time.Hour)) || !k.VerifyUntil.Equal(k.SignUntil.Add(r.Plan().Tail(p))) {
			t.Errorf("%s: %v until %v and %v", p, k, k.SignUntil, k.VerifyUntil)
		}
		if k := the(t, n, p, keys.Standby, dawn); k.ID == next.ID || k.Alg != next.Alg || !k.PublishAt.Equal(dawn) {
			t.Errorf("%s: the new standby is %v", p, k)
		}
	}
}

func TestAYoungStandbyIsScheduledForWhenEveryVerifierHoldsIt(t *testing.T) {
	first := dawn.Add(time.Hour)
	r := rotate(t, newRing(t), keys.AccessToken, first)
	signing, next := the(t, r, keys.AccessToken, keys.Signing, first), the(t, r, keys.AccessToken, keys.Standby, first)
	now, due := first.Add(time.Minute), first.Add(24*time.Hour+6*time.Minute)
	if at := earliest(t, r, keys.AccessToken, now); !at.Equal(due) {
		t.Fatalf("the earliest moment is %v, want %v", at, due)
	}
	r = rotate(t, r, keys.AccessToken, now)
	for _, c := range []struct {
		at   time.Time
		want string
	}{{now, signing.ID}, {due.Add(-1), signing.ID}, {due, next.ID}} {
		if k, err := r.Current(keys.AccessToken, c.at); err != nil || k.ID != c.want {
			t.Errorf("at %v: %v, %v", c.at, k, err)
		}
	}
	if _, err := r.Rotate(keys.AccessToken, keys.Plan{}, now); !errors.Is(err, keys.ErrRotationPending) {
		t.Errorf("rotating again: %v", err)
	}
	if at, err := r.Earliest(keys.AccessToken, keys.Plan{}, now); !errors.Is(err, keys.ErrRotationPending) || !at.Equal(due) {
		t.Errorf("Earliest = %v, %v", at, err)
	}
	if _, err := r.Rotate(keys.Feed, keys.Plan{}, now); err != nil {
		t.Errorf("another purpose: %v", err)
	}
	if _, err := r.Rotate(keys.AccessToken, keys.Plan{}, due); err != nil {
		t.Errorf("once it has come: %v", err)
	}
}

func TestAConfirmedStandbyNeedsNoLead(t *testing.T) {
	r := rotate(t, newRing(t), keys.AccessToken, dawn)
	standby := the(t, r, keys.AccessToken, keys.Standby, dawn)
	held := dawn.Add(10 * time.Second)
	r, err := r.Confirm(standby.ID, held, held)
	if err != nil {
		t.Fatal(err)
	}
	if at := earliest(t, r, keys.AccessToken, held); !at.Equal(held) {
		t.Errorf("the earliest moment is %v", at)
	}
	same, err := r.Confirm(standby.ID, held.Add(99*time.Hour), held)
	if err != nil || !earliest(t, same, keys.AccessToken, held).Equal(held) {
		t.Errorf("a later confirmation took it back: %v", err)
	}
	for name, kid := range map[string]string{"a signing key": the(t, r, keys.AccessToken, keys.Signing, held).ID, "nothing": ""} {
		if _, err := r.Confirm(kid, held, held); !errors.Is(err, keys.ErrUnknownKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAClockThatIsFarBehindTheLastChangeIsRefused(t *testing.T) {
	r := rotate(t, newRing(t), keys.Feed, dawn.Add(time.Hour))
	if _, err := r.Rotate(keys.AccessToken, keys.Plan{}, dawn.Add(time.Hour-time.Minute)); err != nil {
		t.Errorf("within the skew: %v", err)
	}
	if _, err := r.Rotate(keys.AccessToken, keys.Plan{}, dawn.Add(time.Hour-time.Minute-1)); !errors.Is(err, keys.ErrClockBehind) {
		t.Errorf("beyond the skew: %v", err)
	}
	if _, err := r.Revoke(the(t, r, keys.AccessToken, keys.Signing, dawn).ID, "", dawn); err != nil {
		t.Errorf("a revocation does not wait for a clock: %v", err)
	}
}

func TestALargerPlanMovesAllTimesAndASmallerOneNone(t *testing.T) {
	r := rotate(t, newRing(t), keys.AccessToken, dawn)
	r = rotate(t, r, keys.AccessToken, dawn.Add(time.Second)) // scheduled
	small := keys.DefaultPlan()
	small.Lease, small.Life[keys.AccessToken] = time.Hour, time.Minute
	n, err := r.Rotate(keys.Feed, small, dawn.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if n.Plan().Lease != 24*time.Hour || n.Plan().Life[keys.AccessToken] != 5*time.Minute {
		t.Errorf("the plan shrank: %+v", n.Plan())
	}
	large := keys.DefaultPlan()
	large.JWKSMaxAge, large.Life[keys.AccessToken] = time.Hour, time.Hour
	if _, err = n.Rotate(keys.RefreshToken, large, dawn.Add(2*time.Minute)); !errors.Is(err, keys.ErrRotationPending) {
		t.Errorf("a longer tail under a waiting rotation: %v", err)
	}
	now := dawn.Add(24*time.Hour + 7*time.Minute) // it has come
	before := the(t, n, keys.AccessToken, keys.Signing, now)
	if n, err = n.Rotate(keys.RefreshToken, large, now); err != nil {
		t.Fatal(err)
	}
	if k := the(t, n, keys.AccessToken, keys.Signing, now); !k.SignFrom.Equal(before.SignFrom) {
		t.Errorf("%v signs from %v, did from %v", k, k.SignFrom, before.SignFrom)
	}
	for _, k := range of(n, keys.AccessToken, keys.VerifyOnly, now) {
		if k.VerifyUntil.Before(k.SignUntil.Add(large.Tail(k.Purpose))) {
			t.Errorf("%v is verified until %v", k, k.VerifyUntil)
		}
	}
	standby := the(t, n, keys.AccessToken, keys.Standby, now)
	if at := earliest(t, n, keys.AccessToken, now); !at.Equal(standby.PublishAt.Add(large.Lead(keys.AccessToken))) {
		t.Errorf("the next rotation comes at %v", at)
	}
}

func TestARevokedSuccessorIsReplacedWhenTheChangeIsNear(t *testing.T) {
	r := rotate(t, rotate(t, newRing(t), keys.AccessToken, dawn), keys.AccessToken, dawn)
	now, due := dawn.Add(23*time.Hour), dawn.Add(24*time.Hour+6*time.Minute)
	scheduled := of(r, keys.AccessToken, keys.Standby, now)[0]
	signing := the(t, r, keys.AccessToken, keys.Signing, now)
	n, err := r.Revoke(scheduled.ID, "", now)
	if err != nil {
		t.Fatal(err)
	}
	if k, _ := n.Current(keys.AccessToken, due.Add(-1)); k.ID != signing.ID {
		t.Errorf("%v signs before", k)
	}
	if k, _ := n.Current(keys.AccessToken, due); k.ID == signing.ID || k.ID == scheduled.ID {
		t.Errorf("%v signs after", k)
	}
}

func TestPruneErasesPrivateHalvesAfterTheLastSignatureAndDropsWhatIsOver(t *testing.T) {
	r := rotate(t, rotate(t, newRing(t), keys.AccessToken, dawn), keys.SessionCookie, dawn)
	old, cookie := the(t, r, keys.AccessToken, keys.VerifyOnly, dawn), the(t, r, keys.SessionCookie, keys.VerifyOnly, dawn)
	if r.Prune(old.SignUntil) != r {
		t.Error("something was pruned at the last moment of signing")
	}
	n := r.Prune(old.SignUntil.Add(1))
	if n.Generation() != r.Generation()+1 {
		t.Errorf("generation %d", n.Generation())
	}
	now := old.SignUntil.Add(2)
	if k, err := n.Key(old.ID, keys.AccessToken, now); err != nil || k.Signer() != nil || k.Public() == nil {
		t.Errorf("a key that only verifies: %v, signer %v", err, k.Signer() != nil)
	}
	if k, err := n.Key(cookie.ID, keys.SessionCookie, now); err != nil || k.Secret() == nil {
		t.Errorf("a key that only opens: %v", err)
	}
	if n.Prune(now) != n {
		t.Error("pruned twice")
	}
	n = n.Prune(old.VerifyUntil.Add(1))
	if _, ok := n.State(old.ID, now); ok {
		t.Error("a retired key is still there")
	}
	// A clock that is behind says that the old key still signs.
	if k, err := n.Current(keys.AccessToken, dawn.Add(-time.Minute)); err != nil || k.Signer() == nil {
		t.Errorf("with a clock behind: %v", err)
	}
}

func TestARevokedSigningKeyIsReplacedAtOnce(t *testing.T) {
	r, now := newRing(t), dawn.Add(time.Hour)
	for _, p := range keys.Purposes() {
		burnt, standby := the(t, r, p, keys.Signing, now), the(t, r, p, keys.Standby, now)
		n, err := r.Revoke(burnt.ID, "in a log\x00\n"+strings.Repeat("é", 200), now)
		if err != nil {
			t.Fatal(err)
		}
		if k := the(t, n, p, keys.Signing, now); k.ID != standby.ID {
			t.Errorf("%s: %v signs", p, k)
		}
		if k, err := n.Current(p, now.Add(-time.Minute)); err != nil || k.ID != standby.ID {
			t.Errorf("%s: on a clock behind: %v, %v", p, k, err)
		}
		the(t, n, p, keys.Standby, now)
		k := the(t, n, p, keys.Revoked, now)
		if k.Signer() != nil || k.Secret() != nil {
			t.Errorf("%v holds its private half", k)
		}
		if k.VerifyUntil.Before(now.Add(24*time.Hour).Add(r.Plan().Tail(p))) || len(k.Reason) > 200 || strings.ContainsAny(k.Reason, "\x00\n\uFFFD") {
			t.Errorf("until %v because of %q", k.VerifyUntil, k.Reason)
		}
		if _, err := n.Revoke(burnt.ID, "", now); !errors.Is(err, keys.ErrRevokedKey) {
			t.Errorf("revoking twice: %v", err)
		}
	}
	if _, err := r.Revoke("nobody", "", now); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("an unknown key: %v", err)
	}
	old := the(t, r, keys.Feed, keys.Signing, now).ID
	if _, err := rotate(t, r, keys.Feed, now).Revoke(old, "", now.Add(100*time.Hour)); !errors.Is(err, keys.ErrRetiredKey) {
		t.Errorf("a retired key: %v", err)
	}
}

// The old cookie key still opens, so its secret is there; but it has ended.
func TestAKeyThatHasEndedDoesNotSealAgainOnAClockBehind(t *testing.T) {
	r, now := rotate(t, newRing(t), keys.SessionCookie, dawn), dawn.Add(25*time.Hour)
	standby := the(t, r, keys.SessionCookie, keys.Standby, now)
	r, err := r.Revoke(the(t, r, keys.SessionCookie, keys.Signing, now).ID, "", now)
	if err != nil {
		t.Fatal(err)
	}
	if k, err := r.Current(keys.SessionCookie, now.Add(-30*time.Second)); err != nil || k.ID != standby.ID {
		t.Errorf("%v, %v", k, err)
	}
}

func TestRevocationsInEveryStateLeaveOneSignerAndOneStandby(t *testing.T) {
	r := rotate(t, newRing(t), keys.AccessToken, dawn)
	r = rotate(t, r, keys.AccessToken, dawn.Add(time.Minute)) // verify-only, signing, scheduled, standby
	now := dawn.Add(2 * time.Minute)
	list := of(r, keys.AccessToken, keys.Standby, now)
	if len(list) != 2 {
		t.Fatalf("%d keys wait", len(list))
	}
	scheduled, standby := list[0], list[1]
	if scheduled.SignFrom.IsZero() {
		scheduled, standby = standby, scheduled
	}
	signing, old := the(t, r, keys.AccessToken, keys.Signing, now), the(t, r, keys.AccessToken, keys.VerifyOnly, now)
	for _, c := range []struct {
		name, kid, signs string
	}{
		{"the signing key: the scheduled one takes over", signing.ID, scheduled.ID},
		{"the scheduled key: the signing one goes on", scheduled.ID, signing.ID},
		{"the standby: nothing changes but the standby", standby.ID, signing.ID},
		{"a key that only verifies: nothing else changes", old.ID, signing.ID},
	} {
		n, err := r.Revoke(c.kid, "", now)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if k := the(t, n, keys.AccessToken, keys.Signing, now); k.ID != c.signs {
			t.Errorf("%s: %v signs", c.name, k)
		}
		if c.kid == scheduled.ID {
			if k, _ := n.Key(signing.ID, keys.AccessToken, now.Add(1000*time.Hour)); k.ID != signing.ID || !k.SignUntil.IsZero() {
				t.Errorf("%s: it ends at %v", c.name, k.SignUntil)
			}
			if _, err := n.Earliest(keys.AccessToken, keys.Plan{}, now); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		spare := 0
		for _, k := range of(n, keys.AccessToken, keys.Standby, now) {
			if k.SignFrom.IsZero() {
				spare++
			}
		}
		if spare != 1 {
			t.Errorf("%s: %d standbys", c.name, spare)
		}
	}
}

// kms is a signer whose private half can not be had.
type kms struct{ key *ecdsa.PrivateKey }

func (k kms) Public() crypto.PublicKey { return k.key.Public() }
func (k kms) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return k.key.Sign(r, digest, o)
}

func TestAKeyInAKMSSignsAndIsNeverWritten(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	remote, err := keys.NewSigningKey(keys.AccessToken, keys.ES256, kms{private})
	if err != nil || !remote.External() {
		t.Fatal(err)
	}
	r, err := newRing(t).RotateTo(remote, keys.Plan{}, dawn)
	if err != nil {
		t.Fatal(err)
	}
	at := earliest(t, r, keys.AccessToken, dawn)
	r = rotate(t, r, keys.AccessToken, at)
	if r, err = reread(r); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Current(keys.AccessToken, at); !errors.Is(err, keys.ErrNoSigner) {
		t.Errorf("before it is attached: %v", err)
	}
	if _, err := r.Attach(kms{private}, kms{other(t)}); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("a signer of no key: %v", err)
	}
	attached, err := r.Attach(kms{private})
	if err != nil {
		t.Fatal(err)
	}
	k, err := attached.Current(keys.AccessToken, at)
	if err != nil || k.ID != remote.ID || k.Signer() != (kms{private}) {
		t.Errorf("Current = %v, %v", k, err)
	}
	n := rotate(t, rotate(t, attached, keys.AccessToken, at.Add(48*time.Hour)), keys.Feed, at.Add(1000*time.Hour))
	if _, ok := n.State(remote.ID, at); ok {
		t.Error("still there long after its end")
	}
}

func other(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRotateToRefusesAKeyThatIsThereAlready(t *testing.T) {
	r := newRing(t)
	again := the(t, r, keys.Feed, keys.Signing, dawn)
	if _, err := r.RotateTo(again, keys.Plan{}, dawn); !errors.Is(err, keys.ErrInvalidRing) {
		t.Errorf("%v", err)
	}
	if _, err := r.RotateTo(keys.Key{}, keys.Plan{}, dawn); !errors.Is(err, keys.ErrInvalidRing) {
		t.Errorf("the zero key: %v", err)
	}
}
