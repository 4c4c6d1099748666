package authsvc_test

import (
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// A replica that is cut off goes on refreshing for 15 minutes. Until the last
// token that it made then has run out, which may live as long as the ring's plan
// allows (it may be set so there), with the skew of two clocks on top, the
// entry must be on the feed: gone earlier, it would un-revoke that token. Gone
// later, it would cost every verifier memory.
func TestAnEntryStaysOnTheFeedUntilTheLastTokenThatItCouldMatchHasRunOut(t *testing.T) {
	const (
		accessTTL = 4 * time.Minute
		cutOff    = 15 * time.Minute
		skew      = 25 * time.Second
	)
	w := newWorld(t, func(c *authsvc.Config) { c.AccessTTL, c.ClockSkew = accessTTL, skew })
	s := w.follow("")
	start := s.frame().Pos
	earliest := time.Now().Unix()
	sid := w.revoke() // of a session that has an hour left
	latest := time.Now().Unix()
	life := int64((w.ring.Plan().Life[keys.AccessToken] + cutOff + 2*skew).Seconds())
	check := func(t *testing.T, f *revocation.Frame) {
		t.Helper()
		if exp := expiry(t, f, sid); exp < earliest+life || exp > latest+life {
			t.Errorf("an entry of second %d..%d is on the feed until %d: for %d s, not %d s",
				earliest, latest, exp, exp-latest, life)
		}
	}
	delta := s.frame()
	t.Run("in a delta", func(t *testing.T) { check(t, delta) })
	t.Run("in a snapshot", func(t *testing.T) {
		check(t, w.frame(string(w.get("/v1/feed?snapshot=1", w.basic()).want(t, 200, "").body)))
	})
	w.stop()
	w.start(func(c *authsvc.Config) { c.AccessTTL, c.ClockSkew = accessTTL, skew })
	t.Run("in what was missed", func(t *testing.T) { check(t, w.follow("?since="+start.String()).frame()) })
}

func expiry(t *testing.T, f *revocation.Frame, sid tokens.ID) int64 {
	t.Helper()
	for _, e := range f.Entries {
		if e.Type == revocation.Session && e.ID == sid {
			return int64(e.Exp)
		}
	}
	t.Fatalf("%v is not in %+v", sid, f)
	return 0
}
