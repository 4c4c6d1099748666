package keys

import (
	"slices"
	"time"
)

// Prune returns the ring without what is over at now: keys past VerifyUntil
// are dropped, and the private halves of signing keys past SignUntil are
// erased, so that no copy of the ring that is written later holds them. (A
// sealing key's one secret also opens, so it goes when the key does.) It
// returns the ring itself if nothing is over. Every other change prunes too.
func (r *Ring) Prune(now time.Time) *Ring {
	now = later(instant(now), r.written)
	if !slices.ContainsFunc(r.keys, func(k Key) bool { return ended(k.VerifyUntil, now) || spent(k, now) }) {
		return r
	}
	n, _ := r.successor(now)
	return n
}

// pruned is a copy of the ring, without what is over.
func (r *Ring) pruned(now time.Time) *Ring {
	n := &Ring{generation: r.generation, written: r.written, plan: r.plan.clone()}
	for _, k := range r.keys {
		if ended(k.VerifyUntil, now) {
			continue
		}
		if spent(k, now) {
			k = k.disarmed()
		}
		n.keys = append(n.keys, k)
	}
	return n
}

// spent reports whether k holds a private half that it will not need again.
func spent(k Key, now time.Time) bool {
	return ended(k.SignUntil, now) && (k.Signer() != nil || k.External())
}
