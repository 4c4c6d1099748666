package keys

import "time"

// SealLimit is how many values one sealing key may seal, all replicas
// together, before a rotation is due. AES-GCM with random 96-bit nonces must
// stop at 2^32 (NIST SP 800-38D §8.3); a quarter of that leaves room for the
// time that a rotation takes and for replicas that count late.
const SealLimit = 1 << 30

// defaultPeriod is how long a key signs where the plan does not say.
const defaultPeriod = 30 * 24 * time.Hour

// RotationDue reports whether the purpose's key should be rotated: it has
// signed for the plan's period, or sealed SealLimit values. seals is the
// caller's count for the current key, all replicas together; zero for signing
// keys. It is false while a successor is already waiting. Nothing ever stops
// because a rotation is due.
func (r *Ring) RotationDue(p Purpose, seals uint64, now time.Time) bool {
	i := r.current(p, now)
	if i < 0 || !r.keys[i].SignUntil.IsZero() {
		return false
	}
	return seals >= SealLimit || now.Sub(r.keys[i].SignFrom) >= r.plan.period()
}

func (p Plan) period() time.Duration {
	if p.Period == 0 {
		return defaultPeriod
	}
	return p.Period
}
