package keys

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// How many values one sealing key may seal, all replicas together. AES-GCM
// with random 96-bit nonces must stop at 2^32 (NIST SP 800-38D §8.3).
const (
	// SealLimit is where a rotation is due: a quarter of what the cipher
	// bears. The rotation takes up to the plan's Lead, a day, in which another
	// SealLimit may be sealed.
	SealLimit = 1 << 30
	// MaxSeals is where a key seals nothing more. The other half of what the
	// cipher bears is for blocks that were reserved in a ring that a store then
	// lost: see the package comment.
	MaxSeals = 1 << 31
)

// ErrSealsSpent says that a sealing key has sealed as much as it may.
var ErrSealsSpent = errors.New("the sealing key has sealed as much as it may")

// defaultPeriod is how long a key signs where the plan does not say.
const defaultPeriod = 30 * 24 * time.Hour

// Reserve counts n more values to be sealed with the key kid, and returns the
// ring with the new count and how many of them the caller may seal: fewer than
// n where the count comes to most, which is MaxSeals or less. The new ring must
// be written before the first of them is sealed.
//
// Services call it by themselves, at any time. So it looks at no clock and
// changes nothing else: a service whose clock is off must not age the ring. It
// prunes nothing therefore, which is no worse than if it had not been written.
//
// Errors: ErrUnknownKey if the ring has no such sealing key, ErrRevokedKey,
// ErrSealsSpent if the count is most already.
func (r *Ring) Reserve(kid string, n, most uint64) (*Ring, uint64, error) {
	i := r.index(kid)
	if i < 0 || !r.keys[i].Purpose.seals() {
		return nil, 0, fmt.Errorf("reserving seals of %s: %w", clip(kid), ErrUnknownKey)
	}
	k := r.keys[i]
	if !k.RevokedAt.IsZero() {
		return nil, 0, fmt.Errorf("reserving seals of %s: %w", clip(kid), ErrRevokedKey)
	}
	if most = min(most, MaxSeals); k.Seals >= most {
		return nil, 0, fmt.Errorf("reserving seals of %s: %w", clip(kid), ErrSealsSpent)
	}
	n = min(n, most-k.Seals)
	next := *r
	next.generation++
	next.keys = r.Keys()
	next.keys[i].Seals += n
	out, err := next.finished()
	return out, n, err
}

// Seals is the count of the key kid: no more values than that were sealed with
// it. It is zero for a key that the ring does not have.
func (r *Ring) Seals(kid string) uint64 {
	if i := r.index(kid); i >= 0 {
		return r.keys[i].Seals
	}
	return 0
}

// Alike reports whether two rings differ in nothing but how much their sealing
// keys have sealed, and in the generations that counting took. What was
// decided on the one holds for the other.
func (r *Ring) Alike(o *Ring) bool {
	if !r.written.Equal(o.written) || len(r.keys) != len(o.keys) {
		return false
	}
	a, err := r.uncounted().MarshalJSON()
	b, err2 := o.uncounted().MarshalJSON()
	return err == nil && err2 == nil && slices.Equal(a, b)
}

func (r *Ring) uncounted() *Ring {
	n := *r
	n.generation, n.keys = 0, r.Keys()
	for i := range n.keys {
		n.keys[i].Seals = 0
	}
	return &n
}

// RotationDue reports whether the purpose's key should be rotated: it has
// signed for the plan's period, or sealed SealLimit values. It is false while a
// successor is already waiting. Nothing ever stops because a rotation is due.
func (r *Ring) RotationDue(p Purpose, now time.Time) bool {
	i := r.current(p, now)
	if i < 0 || !r.keys[i].SignUntil.IsZero() {
		return false
	}
	return r.keys[i].Seals >= SealLimit || now.Sub(r.keys[i].SignFrom) >= r.plan.period()
}

func (p Plan) period() time.Duration {
	if p.Period == 0 {
		return defaultPeriod
	}
	return p.Period
}
