package keys

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"time"
)

// ErrPlan says that a plan can not be worked with.
var ErrPlan = errors.New("unusable plan")

// longest is the largest figure of a plan, far from any overflow.
const longest = 10 * 365 * 24 * time.Hour

// Plan holds the figures that the times of a rotation follow from, durations of
// at most ten years, and what new keys are given. The zero Plan stands for "the
// ring's own".
type Plan struct {
	Lease      time.Duration             // Λ: no replica signs or serves keys from a copy of the ring older than this. More than zero
	JWKSMaxAge time.Duration             // A: how old a verifier's copy of the key set may get; with a CDN the sum of s-maxage and max-age
	Skew       time.Duration             // ε: the largest difference between any two clocks
	Leeway     time.Duration             // λ: how long after exp a verifier still accepts
	Life       map[Purpose]time.Duration // L: the longest life of what a key of this purpose signs or seals. All four, more than zero
	Period     time.Duration             // how long a key signs until a rotation is due; zero: 30 days
	Names      *Names                    // table of the sealing keys that are made from now on; nil: the ring's own
}

// DefaultPlan fits the default settings: lease 24 h, key set 5 min, skew and
// leeway 60 s, access tokens 5 min, frames of the feed 10 min, cookies and
// refresh tokens 12 h.
func DefaultPlan() Plan {
	return Plan{
		Lease:      24 * time.Hour,
		JWKSMaxAge: 5 * time.Minute,
		Skew:       time.Minute,
		Leeway:     time.Minute,
		Life: map[Purpose]time.Duration{
			AccessToken:   5 * time.Minute,
			Feed:          10 * time.Minute,
			SessionCookie: 12 * time.Hour,
			RefreshToken:  12 * time.Hour,
		},
		Period: 30 * 24 * time.Hour,
	}
}

// Lead is how long a key must have been published before it signs: Λ + A + ε.
// Nobody but the auth service holds refresh token keys, so A is zero there.
func (p Plan) Lead(use Purpose) time.Duration {
	if use == RefreshToken {
		return p.Lease + p.Skew
	}
	return p.Lease + p.JWKSMaxAge + p.Skew
}

// Tail is how long a key must be verified with after its last signature:
// L + λ + 2ε.
func (p Plan) Tail(use Purpose) time.Duration {
	return p.Life[use] + p.Leeway + 2*p.Skew
}

// Validate refuses a plan whose figures are missing, negative or absurd
// (ErrPlan).
func (p Plan) Validate() error {
	if p.Lease <= 0 || p.Lease > longest {
		return fmt.Errorf("%w: a lease of %v", ErrPlan, p.Lease)
	}
	for name, d := range map[string]time.Duration{"key set age": p.JWKSMaxAge, "skew": p.Skew, "leeway": p.Leeway, "period": p.Period} {
		if d < 0 || d > longest {
			return fmt.Errorf("%w: a %s of %v", ErrPlan, name, d)
		}
	}
	for _, use := range Purposes() {
		if life := p.Life[use]; life <= 0 || life > longest {
			return fmt.Errorf("%w: a life of %v for what %q keys make", ErrPlan, life, use)
		}
	}
	if len(p.Life) != len(Purposes()) {
		return fmt.Errorf("%w: a life for a purpose that does not exist", ErrPlan)
	}
	return nil
}

func (p Plan) isZero() bool {
	return p.Lease == 0 && p.JWKSMaxAge == 0 && p.Skew == 0 && p.Leeway == 0 && len(p.Life) == 0 && p.Period == 0 && p.Names == nil
}

func (p Plan) clone() Plan {
	p.Life = maps.Clone(p.Life)
	return p
}

// covering is the smallest plan that both fit into. Only Period and Names, which
// no safety follows from, are o's.
func (p Plan) covering(o Plan) Plan {
	if o.isZero() {
		return p.clone()
	}
	c := Plan{
		Lease:      max(p.Lease, o.Lease),
		JWKSMaxAge: max(p.JWKSMaxAge, o.JWKSMaxAge),
		Skew:       max(p.Skew, o.Skew),
		Leeway:     max(p.Leeway, o.Leeway),
		Life:       maps.Clone(o.Life),
		Period:     o.Period,
		Names:      cmp.Or(o.Names, p.Names),
	}
	for use, life := range p.Life {
		c.Life[use] = max(life, c.Life[use])
	}
	return c
}
