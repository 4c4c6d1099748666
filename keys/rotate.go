package keys

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Earliest says when a rotation that is asked for at now takes effect under
// the plan: now, if the standby is older than the plan's Lead (or ReadyAt
// says so), else when it will be. While a scheduled successor is still
// waiting it returns that one's time and ErrRotationPending.
func (r *Ring) Earliest(p Purpose, plan Plan, now time.Time) (time.Time, error) {
	now = later(instant(now), r.written)
	chain := r.chain(p)
	i := r.standby(p)
	if len(chain) == 0 || i < 0 {
		return time.Time{}, fmt.Errorf("%w: purpose %q has no signing key or no standby", ErrInvalidRing, p)
	}
	head := chain[len(chain)-1]
	if head.SignFrom.After(now) {
		return head.SignFrom, fmt.Errorf("%w: purpose %q, at %s", ErrRotationPending, p, head.SignFrom.Format(time.RFC3339))
	}
	ready := r.keys[i].ready(r.plan.covering(plan))
	return later(now, ready, head.SignFrom.Add(1)), nil
}

// Rotate promotes the standby at the earliest safe moment, see Earliest, and
// makes a new standby of the same algorithm. The key that signs until then is
// given its last times. Pass the zero Plan for the ring's own; figures of
// another plan are taken over where they are larger, for all purposes, and
// never shrink: what was made under the larger figure is still out there.
// Write the larger plan first, let the services use it afterwards.
//
// Errors: ErrRotationPending while a successor is waiting, or one of another
// purpose whose tail would grow (a replica that has not heard of it keeps to
// the end that was announced); ErrClockBehind; ErrPlan.
func (r *Ring) Rotate(p Purpose, plan Plan, now time.Time) (*Ring, error) {
	i := r.standby(p)
	if i < 0 {
		return nil, fmt.Errorf("%w: purpose %q has no standby", ErrInvalidRing, p)
	}
	standby, err := Generate(p, r.keys[i].Alg)
	if err != nil {
		return nil, err
	}
	return r.RotateTo(standby, plan, now)
}

// RotateTo is Rotate with a new standby of the caller's: another algorithm,
// or a key in a KMS (NewSigningKey). It signs after the next rotation.
func (r *Ring) RotateTo(standby Key, plan Plan, now time.Time) (*Ring, error) {
	n, now, err := r.replanned(plan, now)
	if err != nil {
		return nil, err
	}
	p := standby.Purpose
	at, err := n.Earliest(p, n.plan, now)
	if err != nil {
		return nil, err
	}
	n.promote(n.standby(p), at, now)
	n.add(standby, now)
	return n.finished()
}

// Confirm records that every verifier holds the standby kid from the given
// time on, so that it needs no more lead: the caller has asked them all (their
// confirmations on the feed, plus A and ε for those that only read the key
// set). A time later than the plan's changes nothing. Anything but a standby
// is ErrUnknownKey.
func (r *Ring) Confirm(kid string, held, now time.Time) (*Ring, error) {
	n, _, err := r.replanned(Plan{}, now)
	if err != nil {
		return nil, err
	}
	i := n.index(kid)
	if i < 0 || i != n.standby(n.keys[i].Purpose) {
		return nil, fmt.Errorf("confirming %s: %w among the standbys", clip(kid), ErrUnknownKey)
	}
	k := &n.keys[i]
	if held = later(instant(held), k.PublishAt); held.Before(k.ready(n.plan)) {
		k.ReadyAt = held
	}
	return n.finished()
}

// ready is the first moment at which k may sign (K1).
func (k Key) ready(plan Plan) time.Time {
	if !k.ReadyAt.IsZero() {
		return k.ReadyAt
	}
	return k.PublishAt.Add(plan.Lead(k.Purpose))
}

// chain returns the keys of a purpose that sign, signed or are scheduled to,
// in the order in which they do. Of two at one instant the revoked one is
// first: the other took over from it.
func (r *Ring) chain(p Purpose) []*Key {
	var chain []*Key
	for i := range r.keys {
		if k := &r.keys[i]; k.Purpose == p && !k.SignFrom.IsZero() {
			chain = append(chain, k)
		}
	}
	slices.SortStableFunc(chain, func(a, b *Key) int {
		if c := a.SignFrom.Compare(b.SignFrom); c != 0 {
			return c
		}
		if a.RevokedAt.IsZero() == b.RevokedAt.IsZero() {
			return 0
		}
		if a.RevokedAt.IsZero() {
			return 1
		}
		return -1
	})
	return chain
}

// standby is the index of the one key of a purpose without a SignFrom, or -1.
func (r *Ring) standby(p Purpose) int {
	return slices.IndexFunc(r.keys, func(k Key) bool {
		return k.Purpose == p && k.SignFrom.IsZero() && k.RevokedAt.IsZero()
	})
}

// promote lets key i sign from at on and gives the one before it its end.
func (n *Ring) promote(i int, at, now time.Time) {
	k := &n.keys[i]
	k.ScheduledAt, k.SignFrom = now, at
	n.settle(k.Purpose)
}

// settle makes the ends of all keys of a purpose fit their successors (K2).
// It only ever moves them later.
func (n *Ring) settle(p Purpose) {
	chain := n.chain(p)
	for i := range len(chain) - 1 {
		k, next := chain[i], chain[i+1]
		k.SignUntil = later(k.SignUntil, n.lastSignature(next))
		k.VerifyUntil = later(k.VerifyUntil, k.SignUntil.Add(n.plan.Tail(p)))
	}
}

// lastSignature is when the key before next signs last: when next takes over,
// or when the lease of a replica that has not heard of it runs out.
func (r *Ring) lastSignature(next *Key) time.Time {
	return later(next.SignFrom, next.ScheduledAt.Add(r.plan.Lease))
}

func (n *Ring) add(standby Key, now time.Time) {
	standby = standby.named(n.plan.Names)
	n.keys = append(n.keys, Key{ID: standby.ID, Purpose: standby.Purpose, Alg: standby.Alg, PublishAt: now, hidden: standby.hidden})
}

// successor is the next generation before its change: pruned, and written at
// the later of now and the last change, within the skew of two clocks the
// same.
func (r *Ring) successor(now time.Time) (*Ring, time.Time) {
	now = later(instant(now), r.written)
	n := r.pruned(now)
	n.generation++
	n.written = now
	return n, now
}

// replanned is successor under a plan that covers the ring's and the given
// one.
func (r *Ring) replanned(plan Plan, now time.Time) (*Ring, time.Time, error) {
	if !plan.isZero() {
		if err := plan.Validate(); err != nil {
			return nil, time.Time{}, err
		}
	}
	if err := r.CheckClock(now); errors.Is(err, ErrClockBehind) {
		return nil, time.Time{}, err
	}
	n, now := r.successor(now)
	n.plan = r.plan.covering(plan)
	for _, p := range Purposes() {
		if n.waiting(p, now) && n.plan.Tail(p) > r.plan.Tail(p) {
			return nil, time.Time{}, fmt.Errorf("%w: purpose %q, so its tail can not grow now", ErrRotationPending, p)
		}
		n.relead(p)
		n.settle(p)
	}
	return n, now, nil
}

// relead fits the keys of a purpose to a longer lead. For keys that sign, or
// are scheduled to, the old one was right: whoever serves from a ring older
// than theirs keeps to that ring's plan.
func (n *Ring) relead(p Purpose) {
	for _, k := range n.chain(p) {
		if k.SignFrom.Before(k.ready(n.plan)) {
			k.ReadyAt = k.SignFrom
		}
	}
}

// waiting reports whether a successor is scheduled and has not come.
func (r *Ring) waiting(p Purpose, now time.Time) bool {
	chain := r.chain(p)
	return len(chain) > 0 && chain[len(chain)-1].SignFrom.After(now)
}
