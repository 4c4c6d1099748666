package authsvc

import (
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// How long each revocation must be remembered: until the last token that it
// can match has run out everywhere, by the slowest clock. Lives are those of
// the key ring's plan, which only grow, so that they cover tokens made under
// settings of before.

// longestOutage is for how long the store that replicas share may be away
// before a logout at one of them is forgotten by the time another hears of it.
const longestOutage = 24 * time.Hour

// slack is what two clocks and the leeway of a verifier add to any end.
func (c Config) slack() time.Duration { return 2 * c.ClockSkew }

func (s *Service) slack() time.Duration { return s.cfg.slack() }

// lapses is when the last access token that was issued by now will have run
// out: the end of one token's revocation, when its own exp is not at hand.
func (s *Service) lapses(now time.Time) time.Time { return now.Add(s.hub.accessLife() + s.slack()) }

// idles is when the last token of a session that nobody renews from now on
// will have run out.
func (s *Service) idles(now time.Time) time.Time {
	return now.Add(max(s.hub.ring.Load().Plan().Life[keys.RefreshToken], s.hub.accessLife()) + s.slack())
}

// ends is when a session that was revoked now is over for good: it idles out
// once every replica knows, and has its own end in any case.
func (s *Service) ends(now time.Time) time.Time {
	return earlier(s.idles(now).Add(longestOutage), s.outlives(now))
}

// outlives is when the last session that has begun by now will have ended: the
// end of a not-before, which must be there for each of them.
func (s *Service) outlives(now time.Time) time.Time {
	end := now.Add(s.cfg.SessionTTL + s.hub.accessLife() + s.slack())
	if idle := s.idles(now); idle.After(end) {
		return idle // sessions of a longer session_ttl, set before
	}
	return end
}

// accessLife is the longest life that an access token may have.
func (h *hub) accessLife() time.Duration { return h.ring.Load().Plan().Life[keys.AccessToken] }

// entryLife is how long an entry stays on the feed (W in PROTOCOLS 0): until
// the last access token that a replica which had not heard of it could have
// issued is dead everywhere.
func (h *hub) entryLife() time.Duration { return h.accessLife() + maxKnowledge + h.slack }

// deadUntil is when the last token that a key signed by then will have run
// out: the key's own last moment, if that is later.
func (h *hub) deadUntil(k keys.Key, revoked time.Time) time.Time {
	until := revoked.Add(h.accessLife() + h.slack)
	if k.VerifyUntil.After(until) {
		return k.VerifyUntil
	}
	return until
}
