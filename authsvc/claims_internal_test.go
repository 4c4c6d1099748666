package authsvc

import (
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// From when on claims are good: later than any token of a replica that is a
// quarter of the skew ahead, so soon that a verifier that is half of it behind
// takes a postdated token, and later with each change.
func TestWhenClaimsAreStale(t *testing.T) {
	for name, tc := range map[string]struct {
		skew, ttl  time.Duration
		at         time.Time
		first, top int64 // seconds after the whole second of at: of one change, of many at once
	}{
		"the defaults":                {time.Minute, 5 * time.Minute, time.Unix(1000, 0), 15, 30},
		"late in the second":          {time.Minute, 5 * time.Minute, time.Unix(1000, 9e8), 15, 30},
		"small skew":                  {time.Second, 5 * time.Minute, time.Unix(1000, 0), 1, 2},
		"small skew, late":            {time.Second, 5 * time.Minute, time.Unix(1000, 9e8), 1, 2},
		"tokens that are gone sooner": {time.Minute, 8 * time.Second, time.Unix(1000, 0), 2, 4},
	} {
		t.Run(name, func(t *testing.T) {
			s := offline(t, still{})
			s.cfg.ClockSkew, s.cfg.AccessTTL, s.hub.slack = tc.skew, tc.ttl, 2*tc.skew
			var last int64
			for i := range 50 {
				e := s.claimsEntry("ann", tc.at)
				after := int64(e.T) - tc.at.Unix()
				switch {
				case i == 0 && after != tc.first:
					t.Fatalf("the first change: %d s, want %d s", after, tc.first)
				case after > tc.top || after < tc.top && i > 0 && after != last+1:
					t.Fatalf("change %d: %d s after %d s", i, after, last)
				case time.Unix(int64(e.Exp), 0).Sub(time.Unix(int64(e.T), 0)) != s.hub.accessLife()+2*tc.skew:
					t.Fatalf("%v lives from %d to %d", e.Type, e.T, e.Exp)
				}
				last = after
				s.hub.list.Apply(tc.at, e)
			}
			if last != tc.top {
				t.Errorf("at most %d s, want %d s", last, tc.top)
			}
			if other := s.staleBefore("bob"); other.Unix() != 0 {
				t.Errorf("bob's are stale before %v", other)
			}
		})
	}
}

func TestPostdate(t *testing.T) {
	issued := time.Unix(1000, 0)
	for name, tc := range map[string]struct {
		stale    int64
		exp      int64
		iat, end int64
	}{
		"nothing is stale":                       {0, 1300, 1000, 1300},
		"stale until it was issued":              {1000, 1300, 1000, 1300},
		"postdated, and no longer good for it":   {1015, 1300, 1015, 1300},
		"one that would end before it has begun": {1015, 1010, 1015, 1016},
	} {
		t.Run(name, func(t *testing.T) {
			c := &tokens.Claims{IssuedAt: issued, ExpiresAt: time.Unix(tc.exp, 0)}
			postdate(c, time.Unix(tc.stale, 0))
			if c.IssuedAt.Unix() != tc.iat || c.ExpiresAt.Unix() != tc.end {
				t.Errorf("from %d to %d", c.IssuedAt.Unix(), c.ExpiresAt.Unix())
			}
		})
	}
}

// A login is moved behind what would end its session, and no further.
func TestStaleClaimsMoveNoLogin(t *testing.T) {
	s := offline(t, still{})
	now := time.Now()
	before := revocation.SubjectEntry(s.cfg.Issuer, "ann", now.Add(time.Second), now.Add(time.Hour))
	s.hub.list.Apply(now, s.claimsEntry("ann", now), before)
	c := &tokens.Claims{Subject: "ann", IssuedAt: now, AuthTime: now}
	if s.behind(c); c.AuthTime.Unix() != int64(before.T) {
		t.Errorf("the login of %v is moved to %v", now, c.AuthTime)
	}
}
