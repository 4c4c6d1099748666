package keys_test

import (
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// Each figure in the times of a revocation and of publishing stands for
// somebody who has not heard yet, or whose clock is off. These tests stand at
// the last moment at which he matters, and a nanosecond beyond.

// A replica that has not heard signs with a dead key for another lease, even
// with one that was still waiting; verifiers remember it until that is over.
func TestARevocationIsRememberedUntilALaggardsLastTokenIsOver(t *testing.T) {
	r := rotate(t, newRing(t), keys.AccessToken, dawn)
	r = rotate(t, r, keys.AccessToken, dawn.Add(time.Minute)) // verify-only, signing, scheduled, standby
	now := dawn.Add(23 * time.Hour)
	plan := r.Plan()
	for _, k := range r.Keys() {
		if k.Purpose != keys.AccessToken {
			continue
		}
		state, _ := r.State(k.ID, now)
		n, err := r.Revoke(k.ID, "", now)
		if err != nil {
			t.Fatal(err)
		}
		dead := the(t, n, keys.AccessToken, keys.Revoked, now)
		want := now.Add(plan.Lease).Add(plan.Tail(keys.AccessToken))
		if dead.VerifyUntil.Before(want) {
			t.Errorf("a %s key (signs from %v) is remembered until %v, want %v", state, k.SignFrom, dead.VerifyUntil, want)
		}
		if dead.VerifyUntil.Before(k.VerifyUntil) {
			t.Errorf("a %s key is forgotten at %v, before its own end %v", state, dead.VerifyUntil, k.VerifyUntil)
		}
	}
}

// The key that signs goes on if no laggard drops it from its key set before
// its lease is over, on a clock that is ahead by the skew. Else the standby
// takes the place of the key that was revoked.
func TestASignerGoesOnOnlyIfNoLaggardCanDropItMeanwhile(t *testing.T) {
	r := rotate(t, newRing(t), keys.AccessToken, dawn)
	r = rotate(t, r, keys.AccessToken, dawn.Add(time.Minute))
	at := dawn.Add(time.Minute)
	signing := the(t, r, keys.AccessToken, keys.Signing, at)
	var scheduled keys.Key
	for _, k := range of(r, keys.AccessToken, keys.Standby, at) {
		if !k.SignFrom.IsZero() {
			scheduled = k
		}
	}
	plan := r.Plan()
	last := signing.VerifyUntil.Add(-plan.Lease).Add(-plan.Skew)
	if !last.Before(scheduled.SignFrom) {
		t.Fatalf("the change, at %v, is before the moment in question, %v", scheduled.SignFrom, last)
	}
	for _, c := range []struct {
		name   string
		now    time.Time
		goesOn bool
	}{{"at the last moment", last, true}, {"a moment later", last.Add(1), false}} {
		n, err := r.Revoke(scheduled.ID, "", c.now)
		if err != nil {
			t.Fatal(err)
		}
		k, err := n.Current(keys.AccessToken, scheduled.SignFrom)
		if err != nil || (k.ID == signing.ID) != c.goesOn {
			t.Errorf("%s: %v signs from then on (%v); it was %v", c.name, k, err, signing)
		}
	}
}

// The ring's writer may have been ahead by the skew: who has the ring
// publishes its newest key although its own clock says that it is too early.
func TestAKeyIsPublishedFromASkewBeforeItsTime(t *testing.T) {
	now := dawn.Add(time.Hour)
	r := rotate(t, rotate(t, newRing(t), keys.AccessToken, now), keys.SessionCookie, now)
	skew := r.Plan().Skew
	for _, c := range []struct {
		p   keys.Purpose
		set func(time.Time) *keys.Set
	}{{keys.AccessToken, r.PublicSet}, {keys.SessionCookie, r.SessionKeys}} {
		standby := the(t, r, c.p, keys.Standby, now)
		if _, err := c.set(now.Add(-skew)).Key(standby.ID, c.p, now); err != nil {
			t.Errorf("%s: on a clock behind by the skew: %v", c.p, err)
		}
		if _, err := c.set(now.Add(-skew-1)).Key(standby.ID, c.p, now); err == nil {
			t.Errorf("%s: published on a clock behind by more", c.p)
		}
	}
}
