package keys

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Errors of a clock that does not fit the ring.
var (
	ErrClockBehind = errors.New("the clock is behind the ring's last change by more than the skew allowed")
	ErrClockAhead  = errors.New("the clock is further ahead of the ring's last change than a ring is left alone")
)

// idlePeriods is for how many periods a ring may stay unchanged before a clock
// is doubted rather than its administrator. A rotation has long been due then.
const idlePeriods = 3

// CheckClock doubts a clock by which the ring is to be changed, with
// ErrClockBehind or ErrClockAhead. A change by a clock that is far ahead spoils
// a ring: it drops keys that are still needed, and whatever it schedules comes
// as late as the clock was ahead. Only ErrClockBehind is looked at by the
// operations themselves, since a ring that nobody has changed for long is no
// fault: whoever changes one for an administrator asks here first, and lets him
// insist.
func (r *Ring) CheckClock(now time.Time) error {
	written := r.written.Format(time.RFC3339)
	if r.written.Sub(now) > r.plan.Skew {
		return fmt.Errorf("%w: it changed at %s", ErrClockBehind, written)
	}
	if now.Sub(r.written) > idlePeriods*r.plan.period()+r.plan.Skew {
		return fmt.Errorf("%w: it changed at %s", ErrClockAhead, written)
	}
	return nil
}

// Retimed mends a ring that was changed by a clock ahead of now: whatever was
// to come later than it could is set as if it had been written now. Keys that
// were waiting to be published are, rotations that were scheduled by that clock
// are scheduled anew for the earliest safe moment, revocations stand. What that
// clock has dropped does not come back: where the key that should sign is gone,
// or its private half, the next one signs at once. It returns the ring itself
// if its last change is not in the future of now.
func (r *Ring) Retimed(now time.Time) (*Ring, error) {
	now = instant(now)
	if !r.written.After(now) {
		return r, nil
	}
	n := r.pruned(now)
	n.generation++
	n.written = now
	for i := range n.keys {
		n.recall(&n.keys[i], now)
	}
	for _, p := range Purposes() {
		n.reschedule(p, now)
	}
	return n.finished()
}

// recall takes back what was written into k by a clock ahead, save the
// schedule of a key that lives.
func (n *Ring) recall(k *Key, now time.Time) {
	if k.PublishAt.After(now) {
		k.PublishAt = now
	}
	if k.ReadyAt.After(now) {
		k.ReadyAt = time.Time{}
	}
	if !k.RevokedAt.After(now) {
		return
	}
	k.RevokedAt = now
	k.VerifyUntil = n.remembered(k.Purpose, now)
	if k.SignUntil.After(now) {
		k.SignUntil = time.Time{}
	}
	if k.ScheduledAt.After(now) {
		k.ScheduledAt, k.SignFrom, k.SignUntil = time.Time{}, time.Time{}, time.Time{}
	}
}

// reschedule gives the keys of a purpose that a clock ahead has scheduled the
// earliest safe moments, and the keys before them the ends that follow.
func (n *Ring) reschedule(p Purpose, now time.Time) {
	chain := n.chain(p)
	wrong := func(k *Key) bool { return k.ScheduledAt.After(now) }
	first := slices.IndexFunc(chain, wrong)
	if first < 0 {
		return
	}
	for i, k := range chain[first:] {
		at := now
		if first+i > 0 {
			before := chain[first+i-1]
			if at = later(now, before.SignFrom.Add(1)); before.RevokedAt.IsZero() {
				at = later(at, k.ready(n.plan))
				before.SignUntil, before.VerifyUntil = time.Time{}, time.Time{}
			}
		}
		if at.Before(k.ready(n.plan)) {
			k.ReadyAt = at
		}
		k.ScheduledAt, k.SignFrom = now, at
	}
	n.settle(p)
}
