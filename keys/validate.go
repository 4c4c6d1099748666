package keys

import (
	"fmt"
	"time"
)

// Validate checks the plan that the ring's times make up. It accepts a ring
// if and only if K1 holds for every key that signs, signed or is scheduled to,
// K2 for every one of them and its successor, and each purpose has one key
// without an end that is not revoked and one standby; and if every key was
// published by the time the ring was written, so that whatever key signs is
// published. Every operation ends
// with it and every parsed ring passes it, so that nothing can write a ring by
// which a valid token would be refused. Its errors are ErrInvalidRing.
func (r *Ring) Validate() error {
	if err := r.plan.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidRing, err)
	}
	if r.generation == 0 || r.written.IsZero() {
		return fmt.Errorf("%w: no generation or no time of writing", ErrInvalidRing)
	}
	if len(r.keys) > MaxKeys {
		return fmt.Errorf("%w: %d keys, at most %d; prune it", ErrInvalidRing, len(r.keys), MaxKeys)
	}
	for i, k := range r.keys {
		if err := r.validateKey(i, k); err != nil {
			return fmt.Errorf("%w: key %s %w", ErrInvalidRing, clip(k.ID), err)
		}
	}
	for _, p := range Purposes() {
		if err := r.validatePurpose(p); err != nil {
			return fmt.Errorf("%w: purpose %q: %w", ErrInvalidRing, p, err)
		}
	}
	return nil
}

type flaw string

func (f flaw) Error() string { return string(f) }

func (r *Ring) validateKey(i int, k Key) error {
	switch {
	case !k.Purpose.allows(k.Alg):
		return flaw("has an algorithm that its purpose does not allow")
	case r.index(k.ID) != i:
		return flaw("is there twice")
	case k.hidden == nil || !k.Purpose.seals() && k.Public() == nil:
		return flaw("has no material")
	case k.Purpose.seals() && k.Secret() == nil && k.RevokedAt.IsZero():
		return flaw("has no secret")
	case (k.Public() != nil || k.Secret() != nil) && k.material().print != k.ID:
		return flaw("is not named by its thumbprint")
	case k.Seals > 0 && !k.Purpose.seals():
		return flaw("counts seals, and seals nothing")
	case k.Seals > MaxSeals:
		return flaw("has sealed more than it may")
	case k.PublishAt.IsZero():
		return flaw("has no time of publishing")
	case k.PublishAt.After(r.written):
		return flaw("is published later than the ring was written")
	case !k.ReadyAt.IsZero() && k.ReadyAt.Before(k.PublishAt):
		return flaw("is ready before it is published")
	case k.SignFrom.IsZero() != k.ScheduledAt.IsZero():
		return flaw("has one of sign_from and scheduled_at without the other")
	case !k.RevokedAt.IsZero() && (k.VerifyUntil.IsZero() || k.armed()):
		return flaw("is revoked without an end, or still holds its private half")
	case k.RevokedAt.IsZero() && k.SignUntil.IsZero() != k.VerifyUntil.IsZero():
		return flaw("has one of sign_until and verify_until without the other")
	case k.RevokedAt.IsZero() && k.SignUntil.IsZero() && !k.armed():
		return flaw("has lost its private half")
	}
	return nil
}

func (r *Ring) validatePurpose(p Purpose) error {
	standbys := 0
	for _, k := range r.keys {
		if k.Purpose == p && k.SignFrom.IsZero() && k.RevokedAt.IsZero() {
			standbys++
		}
	}
	if standbys != 1 {
		return flaw(fmt.Sprintf("%d standbys, not one", standbys))
	}
	chain := r.chain(p)
	if len(chain) == 0 {
		return flaw("no signing key")
	}
	for i, k := range chain {
		if k.SignFrom.Before(k.ready(r.plan)) {
			return flaw(fmt.Sprintf("key %s signs before every verifier holds it (K1): %s, not before %s",
				k.ID, k.SignFrom.Format(time.RFC3339Nano), k.ready(r.plan).Format(time.RFC3339Nano)))
		}
		if err := r.validateEnd(k, chain[i+1:]); err != nil {
			return err
		}
	}
	return nil
}

// validateEnd checks K2 for a key and its successor, which is the first of
// later.
func (r *Ring) validateEnd(k *Key, later []*Key) error {
	if len(later) == 0 {
		if !k.RevokedAt.IsZero() || !k.SignUntil.IsZero() {
			return flaw("no key signs after " + k.ID)
		}
		return nil
	}
	next := later[0]
	switch {
	case !k.RevokedAt.IsZero():
		return nil // whatever it signed is refused anyway
	case !k.SignFrom.Before(next.SignFrom):
		return flaw("keys " + k.ID + " and " + next.ID + " sign from the same moment")
	case k.SignUntil.Before(r.lastSignature(next)):
		return flaw("key " + k.ID + " ends before its successor signs everywhere (K2)")
	case k.VerifyUntil.Before(k.SignUntil.Add(r.plan.Tail(k.Purpose))):
		return flaw("what key " + k.ID + " signs outlives it (K2)")
	}
	return nil
}
