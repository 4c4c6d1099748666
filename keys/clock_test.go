package keys_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/keys"
)

const year = 365 * 24 * time.Hour

func TestAClockFarFromTheRingsLastChangeIsDoubted(t *testing.T) {
	r := rotate(t, newRing(t), keys.Feed, dawn.Add(time.Hour))
	written, skew := dawn.Add(time.Hour), r.Plan().Skew
	quarter := 90 * 24 * time.Hour
	for _, c := range []struct {
		name string
		now  time.Time
		want error
	}{
		{"the same moment", written, nil},
		{"behind by the skew", written.Add(-skew), nil},
		{"behind by more", written.Add(-skew - 1), keys.ErrClockBehind},
		{"in 1970", time.Unix(0, 0), keys.ErrClockBehind},
		{"three periods later", written.Add(quarter + skew), nil},
		{"still later", written.Add(quarter + skew + 1), keys.ErrClockAhead},
		{"in 2038", time.Unix(1<<31, 0), keys.ErrClockAhead},
	} {
		if err := r.CheckClock(c.now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestARingThatAClockAheadHasChangedIsMended(t *testing.T) {
	good := newRing(t)
	p := keys.AccessToken
	signing, standby := the(t, good, p, keys.Signing, dawn), the(t, good, p, keys.Standby, dawn)
	spoilt := rotate(t, good, p, dawn.Add(year))
	now := dawn.Add(time.Hour)
	if _, err := spoilt.Rotate(p, keys.Plan{}, now); !errors.Is(err, keys.ErrClockBehind) {
		t.Fatalf("rotating it: %v", err)
	}
	r, err := spoilt.Retimed(now)
	if err != nil {
		t.Fatal(err)
	}
	if r.Generation() != spoilt.Generation()+1 || r.CheckClock(now) != nil {
		t.Errorf("generation %d, clock %v", r.Generation(), r.CheckClock(now))
	}
	// The standby was held by everybody already: it takes over at once. The new
	// one is published from now on, and has its whole lead before it.
	if k := the(t, r, p, keys.Signing, now); k.ID != standby.ID || !k.SignFrom.Equal(now) {
		t.Errorf("%v signs from %v", k, k.SignFrom)
	}
	old := the(t, r, p, keys.VerifyOnly, now)
	if end := now.Add(r.Plan().Lease); old.ID != signing.ID || !old.SignUntil.Equal(end) || !old.VerifyUntil.Equal(end.Add(r.Plan().Tail(p))) {
		t.Errorf("%v ends at %v and %v", old, old.SignUntil, old.VerifyUntil)
	}
	next := the(t, r, p, keys.Standby, now)
	if !next.PublishAt.Equal(now) || !earliest(t, r, p, now).Equal(now.Add(r.Plan().Lead(p))) {
		t.Errorf("%v was published at %v and signs at %v at the earliest", next, next.PublishAt, earliest(t, r, p, now))
	}
	if same, err := r.Retimed(now); same != r || err != nil {
		t.Errorf("a ring that is right was changed: %v", err)
	}
}

func TestAKeyThatAClockAheadHasRevokedStaysRevoked(t *testing.T) {
	good, now := newRing(t), dawn.Add(time.Hour)
	p := keys.RefreshToken
	burnt, standby := the(t, good, p, keys.Signing, dawn), the(t, good, p, keys.Standby, dawn)
	spoilt, err := good.Revoke(burnt.ID, "stolen", dawn.Add(year))
	if err != nil {
		t.Fatal(err)
	}
	r, err := spoilt.Retimed(now)
	if err != nil {
		t.Fatal(err)
	}
	dead := the(t, r, p, keys.Revoked, now)
	end := now.Add(r.Plan().Lease).Add(r.Plan().Tail(p))
	if dead.ID != burnt.ID || !dead.RevokedAt.Equal(now) || !dead.VerifyUntil.Equal(end) || dead.Reason != "stolen" {
		t.Errorf("%v: %+v", dead, dead.RevokedAt)
	}
	if k := the(t, r, p, keys.Signing, now); k.ID != standby.ID {
		t.Errorf("%v signs", k)
	}
}

// Two rotations, the second of a standby that only that clock has published:
// it has its whole lead before it.
func TestAYoungKeyThatAClockAheadHasScheduledWaitsItsLead(t *testing.T) {
	p, now := keys.AccessToken, dawn.Add(time.Hour)
	spoilt := rotate(t, rotate(t, newRing(t), p, dawn.Add(year)), p, dawn.Add(year+25*time.Hour))
	r, err := spoilt.Retimed(now)
	if err != nil {
		t.Fatal(err)
	}
	due := now.Add(r.Plan().Lead(p))
	if at, err := r.Earliest(p, keys.Plan{}, now); !errors.Is(err, keys.ErrRotationPending) || !at.Equal(due) {
		t.Errorf("the second rotation comes at %v, want %v: %v", at, due, err)
	}
}

func TestAConfirmationByAClockAheadIsForgotten(t *testing.T) {
	p, now := keys.AccessToken, dawn.Add(time.Hour)
	r := rotate(t, newRing(t), p, dawn)
	standby := the(t, r, p, keys.Standby, dawn)
	ahead := dawn.Add(2 * time.Hour)
	r, err := r.Confirm(standby.ID, ahead, ahead)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = r.Retimed(now); err != nil {
		t.Fatal(err)
	}
	if at, want := earliest(t, r, p, now), standby.PublishAt.Add(r.Plan().Lead(p)); !at.Equal(want) {
		t.Errorf("it may sign at %v, want %v", at, want)
	}
}

// What never signed on any right clock is not shown as if it had.
func TestAKeyThatAClockAheadHasScheduledAndRevokedNeverSigned(t *testing.T) {
	p, now := keys.AccessToken, dawn.Add(time.Hour)
	spoilt := rotate(t, newRing(t), p, dawn.Add(year))
	burnt := the(t, spoilt, p, keys.Signing, dawn.Add(year))
	spoilt, err := spoilt.Revoke(burnt.ID, "", dawn.Add(year+time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	r, err := spoilt.Retimed(now)
	if err != nil {
		t.Fatal(err)
	}
	if k := the(t, r, p, keys.Revoked, now); !k.SignFrom.IsZero() || !k.SignUntil.IsZero() || !k.ScheduledAt.IsZero() {
		t.Errorf("it signs from %v until %v", k.SignFrom, k.SignUntil)
	}
	if err := published(r, p, now); err != nil {
		t.Error(err)
	}
}

// That clock has also dropped the key that signed: nobody else can.
func TestWhereAClockAheadHasDroppedTheSignerTheNextOneTakesOver(t *testing.T) {
	p, now := keys.AccessToken, dawn.Add(time.Hour)
	spoilt := rotate(t, newRing(t), p, dawn.Add(year)).Prune(dawn.Add(2 * year))
	if len(of(spoilt, p, keys.VerifyOnly, dawn)) != 0 {
		t.Fatal("nothing was dropped")
	}
	r, err := spoilt.Retimed(now)
	if err != nil {
		t.Fatal(err)
	}
	if k, err := r.Current(p, now); err != nil || k.Signer() == nil || !k.SignFrom.Equal(now) {
		t.Errorf("%v signs from %v: %v", k, k.SignFrom, err)
	}
}

// wild changes a ring by clocks that are off by anything.
func wild(t *rapid.T) (*keys.Ring, error) {
	r, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, dawn)
	for range rapid.IntRange(0, 8).Draw(t, "changes") {
		if err != nil {
			return nil, err
		}
		now := dawn.Add(time.Duration(rapid.Int64Range(int64(-time.Hour), int64(2*year)).Draw(t, "clock")))
		p := rapid.SampledFrom(keys.Purposes()).Draw(t, "purpose")
		next := r
		switch rapid.IntRange(0, 3).Draw(t, "change") {
		case 0, 1:
			next, err = r.Rotate(p, keys.Plan{}, now)
		case 2:
			k := rapid.SampledFrom(r.Keys()).Draw(t, "key")
			next, err = r.Revoke(k.ID, "", now)
		default:
			next = r.Prune(now)
		}
		switch {
		case err == nil:
			r = next
		case errors.Is(err, keys.ErrClockBehind), errors.Is(err, keys.ErrRotationPending), errors.Is(err, keys.ErrRevokedKey), errors.Is(err, keys.ErrRetiredKey):
			err = nil
		}
	}
	return r, err
}

// published reports whether everybody who is to verify or open what the
// purpose's key makes is given it.
func published(r *keys.Ring, p keys.Purpose, now time.Time) error {
	k, err := r.Current(p, now)
	if err != nil || p == keys.RefreshToken {
		return err
	}
	_, err = keys.MergeSets(r.PublicSet(now), r.SessionKeys(now)).Key(k.ID, p, now)
	return err
}

func TestTheKeyThatSignsIsAlwaysPublished(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, err := wild(t)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			now := dawn.Add(time.Duration(rapid.Int64Range(int64(-year), int64(3*year)).Draw(t, "now")))
			for _, p := range keys.Purposes() {
				if err := published(r, p, now); err != nil {
					t.Fatalf("%s, at %v: %v", p, now, err)
				}
			}
		}
	})
}

// Whatever clocks have done to a ring: once it is mended nothing in it is
// later than the plan demands, and what a replica signs that still has the
// spoilt one verifies by the mended one until its end.
func TestAnyRingIsMended(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spoilt, err := wild(t)
		if err != nil {
			t.Fatal(err)
		}
		now := dawn.Add(time.Duration(rapid.Int64Range(0, int64(year)).Draw(t, "now")))
		r, err := spoilt.Retimed(now)
		if err != nil {
			t.Fatal(err)
		}
		plan := r.Plan()
		for _, k := range r.Keys() {
			if k.PublishAt.After(now) || k.ScheduledAt.After(now) || k.RevokedAt.After(now) || k.SignFrom.After(now.Add(plan.Lead(k.Purpose)+time.Second)) {
				t.Fatalf("at %v: %v is published at %v, scheduled at %v for %v, revoked at %v", now, k, k.PublishAt, k.ScheduledAt, k.SignFrom, k.RevokedAt)
			}
		}
		for _, p := range keys.Purposes() {
			if err := published(r, p, now); err != nil {
				t.Fatalf("%s: %v", p, err)
			}
			for _, late := range []time.Duration{0, plan.Lease / 2, plan.Lease} {
				k, err := spoilt.Current(p, now.Add(late))
				if err != nil {
					t.Fatal(err)
				}
				end := now.Add(late + plan.Life[p] + plan.Leeway)
				if _, err := r.Key(k.ID, p, end); err != nil && !errors.Is(err, keys.ErrRevokedKey) {
					t.Fatalf("%s: what a laggard signs %v later does not verify: %v", p, late, err)
				}
			}
		}
	})
}
