package authsvc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Stale claims. When the roles or scopes of a subject change, the access
// tokens that say the old ones are revoked by their iat: those issued before T
// are refused with "refresh-needed", the next refresh reads the user anew, and
// nobody is logged out.
//
// T has to be later than the iat of every token that says the old ones, also
// of one that another replica issued just before, whose clock is ahead. So T is
// a little ahead of the clock here, and a token that says the new ones is
// postdated to T. That is the price: for so long a postdated token looks as if
// it came from the future, which verifiers forgive by their clock_skew. A
// quarter of it is spent here, for replicas that are ahead, and another at most
// for changes that follow each other within the second; half remains for a
// verifier that is behind. What is spent is bounded by the life of a token,
// too: after that nothing stale is left anyway.
//
// The order makes it sure: a replica looks up T first, then the user, and signs
// only if T is still the same (see sign). So whoever is postdated to T was read
// after the change that T stands for.

// ClaimsChanged revokes the access tokens of subjects whose roles or scopes
// have changed, at every verifier, and none of their sessions. It is to be
// called after the change: users and tokens read from then on are good. Calling
// it more than once, or by each replica, costs at most another refresh.
func (s *Service) ClaimsChanged(ctx context.Context, subjects ...string) error {
	for part := range slices.Chunk(subjects, MaxAppend) {
		var entries []revocation.Entry
		for _, sub := range part {
			entries = append(entries, s.claimsEntry(sub, s.now()))
		}
		if err := s.cfg.Log.Append(ctx, entries...); err != nil && !errors.Is(err, ErrNotShared) {
			return fmt.Errorf("appending stale claims: %w", err)
		}
	}
	return nil
}

// claimsEntry makes all stale that is said of a subject by now. It lives until
// the last token that was issued before T has run out.
func (s *Service) claimsEntry(sub string, now time.Time) revocation.Entry {
	ahead := min(s.cfg.ClockSkew, s.cfg.AccessTTL) / 4
	first := max(now.Unix()+1, now.Add(ahead).Unix())
	last := max(first+1, now.Add(2*ahead).Unix())
	t := time.Unix(min(max(first, s.staleBefore(sub).Unix()+1), last), 0)
	return revocation.ClaimsEntry(s.cfg.Issuer, sub, t, s.lapses(t))
}

// staleBefore returns the T up to which the claims of a subject are stale, 1970
// where none are known to be.
func (s *Service) staleBefore(sub string) time.Time {
	e, _ := s.hub.list.Find(revocation.ClaimsEntry(s.cfg.Issuer, sub, time.Time{}, time.Time{}).Target())
	return time.Unix(int64(e.T), 0).UTC()
}

// postdate makes a token no older than that. It lives no longer for it, but
// for one that would end before it began.
func postdate(c *tokens.Claims, stale time.Time) {
	if !stale.After(c.IssuedAt) {
		return
	}
	c.IssuedAt = stale
	if !c.ExpiresAt.After(stale) {
		c.ExpiresAt = stale.Add(time.Second)
	}
}
