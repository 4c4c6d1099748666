package keys

import (
	"cmp"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// MaxKeys is how many keys a ring or a key set may hold.
const MaxKeys = 64

// Errors of a ring's operations.
var (
	ErrNoSigner        = errors.New("no key to sign or seal with")
	ErrRotationPending = errors.New("a rotation is already scheduled")
	ErrInvalidRing     = errors.New("invalid ring")
)

// Ring is the issuer's keys, private halves included, with the plan that
// their times follow. It is an immutable value: what changes it returns a new
// one with a higher generation. It implements Source.
type Ring struct {
	generation uint64
	written    time.Time // W of the last change
	plan       Plan
	keys       []Key // sorted by compareKeys
}

// NewRing makes a ring of the first generation: for each of the four purposes
// a signing key and a standby. sig is the algorithm of access tokens (ES256,
// EdDSA or RS256); feed keys always use EdDSA. No copy of any key set can lack
// a key of the first generation, so these standbys need no lead and the first
// rotation takes effect at once. It fails with ErrPlan or ErrKeyMaterial.
func NewRing(plan Plan, sig Alg, now time.Time) (*Ring, error) {
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	now = instant(now)
	r := &Ring{generation: 1, written: now, plan: plan.clone()}
	// Backdated, so that every replica's clock has passed it, and that a
	// rotation at this very moment comes after it.
	first := now.Add(-plan.Skew).Add(-time.Second)
	for _, p := range Purposes() {
		alg := p.algs()[0]
		if p == AccessToken {
			alg = sig
		}
		for range 2 {
			k, err := Generate(p, alg)
			if err != nil {
				return nil, err
			}
			k = k.named(plan.Names)
			k.PublishAt, k.ReadyAt = first, first
			r.keys = append(r.keys, k)
		}
		signing := &r.keys[len(r.keys)-2]
		signing.ScheduledAt, signing.SignFrom = first, first
	}
	return r.finished()
}

// Generation numbers the changes of a ring, from 1 on. A reader never accepts
// a lower one than it has seen.
func (r *Ring) Generation() uint64 { return r.generation }

// Plan returns the plan that the ring's times follow.
func (r *Ring) Plan() Plan { return r.plan.clone() }

// Keys returns all keys, sorted by purpose, then by when they were published.
func (r *Ring) Keys() []Key { return slices.Clone(r.keys) }

// State says where the key stands at now; false if the ring does not have it.
func (r *Ring) State(kid string, now time.Time) (State, bool) {
	i := r.index(kid)
	if i < 0 {
		return "", false
	}
	k := r.keys[i]
	switch {
	case !k.RevokedAt.IsZero():
		return Revoked, true
	case ended(k.VerifyUntil, now):
		return Retired, true
	case i == r.current(k.Purpose, now):
		return Signing, true
	case now.Before(k.PublishAt):
		return Created, true
	case k.SignFrom.IsZero() || now.Before(k.SignFrom):
		return Standby, true
	}
	return VerifyOnly, true
}

// Current returns the key to sign or seal with: the newest one whose SignFrom
// has come. A replica whose clock is a little behind that of the ring's
// writer, so that none has come yet, gets the first that will. It fails with
// ErrNoSigner if the key's private half is neither in the ring nor attached.
func (r *Ring) Current(p Purpose, now time.Time) (Key, error) {
	i := r.current(p, now)
	if i < 0 || r.keys[i].Signer() == nil && r.keys[i].Secret() == nil {
		return Key{}, fmt.Errorf("%w: purpose %q", ErrNoSigner, p)
	}
	return r.keys[i], nil
}

// current is the index of the signing key, or -1. A key whose private half
// was erased is passed over even if this clock says that it still signs: the
// erasing says that another clock has passed its end.
func (r *Ring) current(p Purpose, now time.Time) int {
	best := -1
	for i, k := range r.keys {
		if k.Purpose != p || k.SignFrom.IsZero() || !k.RevokedAt.IsZero() || !k.armed() || ended(k.SignUntil, now) {
			continue
		}
		if best < 0 || prefer(k, r.keys[best], now) {
			best = i
		}
	}
	return best
}

// prefer reports whether a is to sign rather than b: started before not
// started, then the newer of the started, the earlier of the others.
func prefer(a, b Key, now time.Time) bool {
	started := !now.Before(a.SignFrom)
	if started == now.Before(b.SignFrom) {
		return started
	}
	order := cmp.Or(a.SignFrom.Compare(b.SignFrom), cmp.Compare(a.ID, b.ID))
	return started == (order > 0)
}

// Key implements Source: it finds the key to verify or open with. Keys that
// are not in the ring or have another purpose are ErrUnknownKey, the others
// ErrRevokedKey or ErrRetiredKey when their time is over. A key that the ring
// has but that is still waiting is given too: another replica's clock may be
// ahead.
func (r *Ring) Key(kid string, p Purpose, now time.Time) (Key, error) {
	i := r.index(kid)
	if i < 0 || r.keys[i].Purpose != p {
		return Key{}, ErrUnknownKey
	}
	k := r.keys[i]
	if !k.RevokedAt.IsZero() {
		return Key{}, ErrRevokedKey
	}
	if ended(k.VerifyUntil, now) {
		return Key{}, ErrRetiredKey
	}
	return k, nil
}

// Attach returns the ring with signers for keys whose private halves live
// elsewhere (a KMS, an HSM), each matched by its public half. A signer that
// fits none of them is ErrUnknownKey. The generation stays.
func (r *Ring) Attach(signers ...crypto.Signer) (*Ring, error) {
	n := *r
	n.keys = r.Keys()
	for _, signer := range signers {
		public := publicOf(signer)
		i := slices.IndexFunc(n.keys, func(k Key) bool {
			return k.External() && checkPublic(k.Alg, public) == nil && equal(k.Public(), public)
		})
		if i < 0 {
			return nil, fmt.Errorf("attaching a signer: %w", ErrUnknownKey)
		}
		m := n.keys[i].material()
		m.signer = signer
		n.keys[i].hidden = hide(m)
	}
	return &n, nil
}

// equal compares public keys that checkPublic has let pass.
func equal(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

// PublicSet is what the issuer publishes at now: the public halves of all
// signing keys that are standby, signing or verify-only.
func (r *Ring) PublicSet(now time.Time) *Set {
	return r.published(now, AccessToken, Feed)
}

// SessionKeys is what a service that may open session cookies gets at now:
// the cookie keys, with their secrets.
func (r *Ring) SessionKeys(now time.Time) *Set {
	return r.published(now, SessionCookie)
}

// published counts a key as published from a skew before PublishAt on: the
// writer's clock may be ahead of this one, and the ring is here already. If it
// was ahead by more, so that an unpublished key has to sign, that one is
// published all the same: nobody could verify what it signs.
func (r *Ring) published(now time.Time, uses ...Purpose) *Set {
	var keys []Key
	for i, k := range r.keys {
		early := now.Before(k.PublishAt.Add(-r.plan.Skew)) && i != r.current(k.Purpose, now)
		if !slices.Contains(uses, k.Purpose) || early || !k.RevokedAt.IsZero() || ended(k.VerifyUntil, now) {
			continue
		}
		keys = append(keys, Key{ID: k.ID, Purpose: k.Purpose, Alg: k.Alg, hidden: k.disarmed().hidden})
	}
	return newSet(keys)
}

// Format prints the ring's generation and size for every verb.
func (r *Ring) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, fmt.Sprintf("key ring, generation %d, %d keys", r.generation, len(r.keys)))
}

func (r *Ring) index(kid string) int {
	return slices.IndexFunc(r.keys, func(k Key) bool { return k.ID == kid })
}

// finished sorts and validates: the last step of everything that makes a ring.
func (r *Ring) finished() (*Ring, error) {
	slices.SortFunc(r.keys, compareKeys)
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return r, nil
}

// compareKeys orders by purpose, publishing, signing (standbys last) and kid.
func compareKeys(a, b Key) int {
	standby := func(k Key) int {
		if k.SignFrom.IsZero() {
			return 1
		}
		return 0
	}
	return cmp.Or(
		slices.Index(Purposes(), a.Purpose)-slices.Index(Purposes(), b.Purpose),
		a.PublishAt.Compare(b.PublishAt),
		standby(a)-standby(b),
		a.SignFrom.Compare(b.SignFrom),
		cmp.Compare(a.ID, b.ID))
}

// instant strips what does not belong into a record: the monotonic reading
// and the zone.
func instant(t time.Time) time.Time { return t.Round(0).UTC() }

// ended reports whether the last moment is over; a zero one never is.
func ended(last, now time.Time) bool { return !last.IsZero() && now.After(last) }

func later(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
