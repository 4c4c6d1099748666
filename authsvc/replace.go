package authsvc

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// A login in the place of a session. Each login begins a session of its own,
// with an id of its own. One that comes with the credentials of an earlier
// session ends that: nobody goes on with what was fixed in the browser before,
// and whoever authenticates once more, for a step-up, does not leave the old
// session behind.

// replace ends the earlier sessions that a login came with, of whatever
// subject, once its own answer is made and before it is sent. Where they can
// not be ended, nobody is logged in.
func (s *Service) replace(r *http.Request) error {
	now := s.now()
	var entries []revocation.Entry
	for _, c := range s.earlier(r, now) {
		if e, dead := s.hub.list.Match(c); !dead || !endsAll(e, c) {
			entries = append(entries, s.sessionEntry(c, now))
		}
	}
	if len(entries) == 0 {
		return nil
	}
	if _, err := s.revoke(r, entries...); err != nil {
		return fmt.Errorf("ending the session before: %w", err)
	}
	return nil
}

// earlier are the sessions whose credentials came along, each once: by cookies,
// of which there may be several of one name, or by a bearer token. They may
// have expired. What is no credential of a session is passed over, because a
// login needs none.
func (s *Service) earlier(r *http.Request, now time.Time) []*tokens.Claims {
	var found []*tokens.Claims
	seen := map[tokens.ID]bool{}
	add := func(c *tokens.Claims) {
		if c != nil && !c.SessionID.IsZero() && !seen[c.SessionID] {
			seen[c.SessionID] = true
			found = append(found, c)
		}
	}
	for _, c := range r.CookiesNamed(sessionCookie) {
		if opened, err := tokens.OpenSession(c.Value, s.hub, now); err == nil {
			add(s.once(opened.Token, now))
		}
	}
	for _, c := range r.CookiesNamed(refreshCookie) {
		if t, err := tokens.OpenRefresh(c.Value, s.hub, now); err == nil {
			add(s.claimsOf(t))
		}
	}
	if raw := bearer(r); raw != "" {
		add(s.once(raw, now))
	}
	return found
}

// once is what an access token says that is good, or was until it expired; nil
// if it never was.
func (s *Service) once(raw string, now time.Time) *tokens.Claims {
	c, err := tokens.Verify(raw, s.hub, s.expect(), now)
	if err != nil && !errors.Is(err, tokens.ErrExpired) {
		return nil
	}
	return c
}
