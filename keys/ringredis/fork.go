package ringredis

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// compare puts rings of one generation in an order that is the same for
// everybody; zero means the same ring. More revocations come first: what was
// compromised must stay dead.
func compare(a, b *keys.Ring) int {
	x, y := digest(a), digest(b)
	return cmp.Or(revoked(a)-revoked(b), bytes.Compare(x[:], y[:]))
}

func revoked(r *keys.Ring) int {
	n := 0
	for _, k := range r.Keys() {
		if !k.RevokedAt.IsZero() {
			n++
		}
	}
	return n
}

func digest(r *keys.Ring) [sha256.Size]byte {
	text, err := r.MarshalJSON()
	if err != nil {
		panic("ringredis: a ring that was read can not be written: " + err.Error())
	}
	return sha256.Sum256(text)
}

// takeOver revokes in the ring that stays what only the other one has revoked,
// and names it: a burnt key stays dead, whichever line wins. A key that the
// ring does not hold is dead already.
func takeOver(stays, other *keys.Ring, now time.Time) (ring *keys.Ring, names []string, err error) {
	ring = stays
	for _, k := range other.Keys() {
		state, held := ring.State(k.ID, now)
		if k.RevokedAt.IsZero() || !held || state == keys.Revoked || state == keys.Retired {
			continue
		}
		if ring, err = ring.Revoke(k.ID, k.Reason, now); err != nil {
			return nil, nil, err
		}
		names = append(names, k.ID)
	}
	return ring, names, nil
}

// missing names the keys of a ring, and the revocations of keys, that every
// later ring made of it would still have.
func missing(ring, later *keys.Ring, now time.Time) []string {
	// Whoever dropped a key may have had a clock that was ahead.
	late := now.Add(2 * ring.Plan().Skew)
	var names []string
	for _, k := range ring.Keys() {
		state, held := later.State(k.ID, now)
		switch {
		case !held && (k.VerifyUntil.IsZero() || !late.After(k.VerifyUntil)):
			names = append(names, "key "+k.ID)
		case !held || state == keys.Retired:
		case !k.RevokedAt.IsZero() && state != keys.Revoked:
			names = append(names, "the revocation of key "+k.ID)
		}
	}
	return names
}
