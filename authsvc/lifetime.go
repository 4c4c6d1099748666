package authsvc

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// The lifetimes of a session.
//
// Its absolute end is fixed at the login and carried by each of its tokens; no
// chain of refreshes passes it. Its idle end is the last sign of activity and
// idle_ttl, and a refresh is such a sign unless it says that nobody was there
// (see background). It is carried by the refresh token, so that it is enforced
// where that is presented and no request costs a write. An access token ends a
// little earlier than it may, each by another bit.

// jittered is the life of one access token: at most ttl, and up to a tenth
// less in whole seconds, so that the clients of a service that has come back do
// not come back together ever after.
func jittered(ttl time.Duration) time.Duration {
	return ttl - time.Duration(rand.Int64N(int64(ttl/10/time.Second)+1))*time.Second
}

// activityHeader says with the one value that it has, "background", that a
// refresh comes from a timer and not from somebody who is there.
const (
	activityHeader = "Sealring-Activity"
	inBackground   = "background"
)

// background reports whether a refresh leaves the idle end as it is. A value
// that is not known is refused: a slip in it would keep sessions alive.
func background(r *http.Request) (bool, error) {
	switch values := r.Header[activityHeader]; {
	case len(values) == 0:
		return false, nil
	case len(values) == 1 && values[0] == inBackground:
		return true, nil
	}
	return false, invalidRequest(activityHeader + " must be " + inBackground)
}

// idleEnd is when a refresh token that is made for that moment, Unix
// milliseconds, runs out. The token carries it: a revocation is kept until the
// tokens it can match have run out, and a longer idle_ttl set later must not
// outlive that.
func (s *Service) idleEnd(issuedAt int64, end time.Time) time.Time {
	return earlier(time.UnixMilli(issuedAt).Add(s.cfg.IdleTTL).Truncate(time.Second), end)
}

// idleAfter is the idle end that a refresh with the token t leads to, whose
// outcome was issued at that moment, Unix milliseconds.
//
// Parallel refreshes with one token have one outcome, and hence one successor.
// Those in the foreground also have one idle end, that of the outcome. One in
// the background has the end that t has, which is never later: it may be
// behind that of a racer in the foreground, never ahead of it. Where this
// replica has answered such a racer it gives the same (see progress.active), so
// that the later of two answers does not take the activity back that the
// earlier one has seen. Whatever the order, no answer is later than the last
// activity and idle_ttl.
func (s *Service) idleAfter(t *tokens.Refresh, issuedAt int64, background bool) time.Time {
	if active := s.idleEnd(issuedAt, t.SessionEnd); !background || active.Before(t.IdleEnd) || s.progress.active(t.SessionID, issuedAt) {
		return active
	}
	return t.IdleEnd
}

// unidle ends an access token with the session that idles out before it: only
// one of a refresh in the background can be that late.
func (g *grant) unidle() { g.claims.ExpiresAt = earlier(g.claims.ExpiresAt, g.idleEnd.UTC()) }

// expiresHeader says in each answer about a session how many seconds are left,
// so that the client's clock does not matter: a dictionary (RFC 9651 §3.2) of
// integers, such as "access=287, idle=1800, session=43200".
const expiresHeader = "Sealring-Expires"

// expires is the value of expiresHeader, without the members that are negative:
// not known.
func expires(access, idle, session int64) string {
	var members []string
	for _, m := range []struct {
		name string
		left int64
	}{{"access", access}, {"idle", idle}, {"session", session}} {
		if m.left >= 0 {
			members = append(members, fmt.Sprintf("%s=%d", m.name, m.left))
		}
	}
	return strings.Join(members, ", ")
}
