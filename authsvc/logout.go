package authsvc

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Logout implements openapi.ServerInterface.
func (a *publicAPI) Logout(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	p, err := s.logout(r)
	s.finish(w, r, p, err)
}

// LogoutAll implements openapi.ServerInterface.
func (a *publicAPI) LogoutAll(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	p, err := s.logoutAll(r)
	s.finish(w, r, p, err)
}

func (s *Service) logout(r *http.Request) (*reply, error) {
	var req openapi.RefreshRequest
	inBody, err := readJSON(r, &req)
	if err != nil {
		return nil, err
	}
	now := s.now()
	c, err := s.leaving(r, now)
	switch {
	case inBody && errors.Is(err, middleware.ErrNoCredential):
		c, err = s.leavingByRefresh(req.RefreshToken, now)
	case inBody && !errors.Is(err, middleware.ErrMalformed):
		err = middleware.ErrManyCredentials
	}
	if err != nil {
		return nil, err
	}
	shared, err := s.leave(r, c, now)
	if err != nil {
		return nil, err
	}
	return loggedOut(shared)
}

// leave ends the session, or, of a service's own token, that token.
func (s *Service) leave(r *http.Request, c *tokens.Claims, now time.Time) (shared bool, err error) {
	entry := s.sessionEntry(c, now)
	if e, dead := s.hub.list.Match(c); dead && endsAll(e, c) {
		entry = e // ended before, and on disk, but perhaps not shared
	}
	return s.revoke(r, entry)
}

// endsAll says whether an entry that kills a token ends what a logout would:
// the session, and of a service's own token that token.
func endsAll(e revocation.Entry, c *tokens.Claims) bool {
	switch e.Type {
	case revocation.Claims:
		return false
	case revocation.Token:
		return c.SessionID.IsZero()
	}
	return true
}

// leaving finds whose session a request wants to end. The guard judges it, but
// for what keeps nobody from leaving: a token may have expired or be stale, and
// the session may have been revoked before.
func (s *Service) leaving(r *http.Request, now time.Time) (*tokens.Claims, error) {
	session, err := s.guard.CheckAt(r, now)
	switch {
	case err == nil:
		c := session.Claims()
		return &c, nil
	case !errors.Is(err, middleware.ErrExpired) && !errors.Is(err, middleware.ErrRevoked) && !errors.Is(err, middleware.ErrRefreshNeeded):
		return nil, err
	}
	raw := bearer(r)
	if raw == "" {
		sealed, err := onlyCookie(r, sessionCookie)
		if err != nil {
			return nil, err
		}
		opened, err := tokens.OpenSession(sealed, s.hub, now)
		if err != nil {
			return nil, invalidToken(err)
		}
		raw = opened.Token
	}
	c, err := tokens.Verify(raw, s.hub, s.expect(), now)
	if c == nil || err != nil && !errors.Is(err, tokens.ErrExpired) {
		return nil, invalidToken(err)
	}
	return c, nil
}

// leavingByRefresh is leaving with a refresh token of mode token, at any age.
func (s *Service) leavingByRefresh(raw string, now time.Time) (*tokens.Claims, error) {
	if err := within("refresh_token", raw, 1, maxRefreshToken); err != nil {
		return nil, err
	}
	t, err := tokens.OpenRefresh(raw, s.hub, now)
	switch {
	case errors.Is(err, tokens.ErrInvalid), err == nil && t.Cookie:
		return nil, invalidToken(err)
	case err != nil:
		return nil, unavailable(err)
	}
	return s.claimsOf(t), nil
}

// claimsOf is what a revocation could name of the session of a refresh token.
func (s *Service) claimsOf(t *tokens.Refresh) *tokens.Claims {
	return &tokens.Claims{Issuer: s.cfg.Issuer, Subject: t.Subject, SessionID: t.SessionID,
		ClientID: t.ClientID, Audience: t.Audience, AuthTime: t.AuthTime}
}

// bearer returns the one bearer token that the guard has found already.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimLeft(token, " ")
}

func (s *Service) logoutAll(r *http.Request) (*reply, error) {
	if err := noBody(r); err != nil {
		return nil, err
	}
	now := s.now()
	session, err := s.guard.CheckAt(r, now)
	if err != nil {
		return nil, err
	}
	claims := session.Claims()
	shared, err := s.revoke(r, s.subjectEntry(claims.Subject, now), s.sessionEntry(&claims, now))
	if err != nil {
		return nil, err
	}
	return loggedOut(shared)
}

// subjectEntry ends every session that a subject has now.
func (s *Service) subjectEntry(sub string, now time.Time) revocation.Entry {
	newest := tokens.Claims{Subject: sub, ClientID: loginClient, Audience: s.cfg.Audiences, AuthTime: now.Truncate(time.Second)}
	s.behind(&newest)
	return revocation.SubjectEntry(s.cfg.Issuer, sub, s.after(newest.AuthTime, now), s.outlives(now))
}

// after is a not-before that ends whatever began by now, the newest login at
// that auth_time. A login within the second of an earlier not-before was moved
// behind that (see admit), into the second to come; the next one must be behind
// that login in turn. It runs ahead of the clock by no more than verifiers
// forgive, however often it is repeated.
func (s *Service) after(newest, now time.Time) time.Time {
	bound := now.Add(s.cfg.ClockSkew/2 + time.Second).Truncate(time.Second)
	return earlier(newest.Add(time.Second), bound)
}

// sessionEntry ends a session, or, for a service's own token, that token.
func (s *Service) sessionEntry(c *tokens.Claims, now time.Time) revocation.Entry {
	if c.SessionID.IsZero() {
		return revocation.TokenEntry(c.ID, now, c.ExpiresAt.Add(s.slack()))
	}
	return revocation.SessionEntry(c.SessionID, now, s.ends(now))
}

// loggedOut is the answer to both. Clear-Site-Data leaves "cookies" out: it
// would clear those of every host of the domain, ours are cleared by name.
func loggedOut(shared bool) (*reply, error) {
	p, err := revoked(http.StatusNoContent, shared)
	if err != nil {
		return nil, err
	}
	p.header.Set("Clear-Site-Data", `"cache", "storage"`)
	p.cookies = clearedCookies()
	return p, nil
}
