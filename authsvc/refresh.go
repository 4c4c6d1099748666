package authsvc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// maxKnowledge is how long the service goes on refreshing while it can not
// hear of new revocations (D in PROTOCOLS 0).
const maxKnowledge = 15 * time.Minute

const (
	maxRefreshToken = 4096            // characters: what fits into a cookie
	maxDegradedLife = 5 * time.Minute // of an access token made without the store
)

// Refresh implements openapi.ServerInterface.
func (a *publicAPI) Refresh(w http.ResponseWriter, r *http.Request, params openapi.RefreshParams) {
	s := (*Service)(a)
	p, err := s.refresh(r, params.SealringRetry, w.Header())
	s.finish(w, r, p, err)
}

func (s *Service) refresh(r *http.Request, retry string, base http.Header) (*reply, error) {
	raw, cookie, err := refreshCredential(r)
	if err != nil {
		return nil, err
	}
	if err := checkRetry(r, retry); err != nil {
		return nil, err
	}
	quiet, err := background(r)
	if err != nil {
		return nil, err
	}
	now := s.now()
	token, err := s.openRefresh(raw, cookie, now)
	if err != nil {
		return nil, err
	}
	g, err := s.renewable(r, token, quiet, now)
	if err != nil {
		return nil, err
	}
	if cookie {
		g.data, g.version = s.carried(r, token.SessionID, now)
	}
	if err := s.rehearse(g, token, base, now); err != nil {
		return nil, err
	}
	if err := s.present(r, g, token, retry, now); err != nil {
		return nil, err
	}
	if cookie && g.refresh != nil {
		if p := s.withNewData(r.Context(), g, base, now); p != nil {
			return p, nil
		}
	}
	return s.granted(g, now)
}

// refreshCredential finds the one refresh token: in the body or the cookie.
func refreshCredential(r *http.Request) (raw string, cookie bool, err error) {
	var req openapi.RefreshRequest
	inBody, err := readJSON(r, &req)
	if err != nil {
		return "", false, err
	}
	inCookie, err := onlyCookie(r, refreshCookie)
	switch {
	case err != nil:
		return "", false, err
	case inBody && inCookie != "":
		return "", false, middleware.ErrManyCredentials
	case inBody:
		return req.RefreshToken, false, within("refresh_token", req.RefreshToken, 1, maxRefreshToken)
	case inCookie == "":
		return "", false, middleware.ErrNoCredential
	}
	return inCookie, true, nil
}

// retryHeader carries the id that a client made before its first attempt with a
// refresh token.
const retryHeader = "Sealring-Retry"

func checkRetry(r *http.Request, retry string) error {
	_, given := r.Header[retryHeader]
	if !given {
		return nil
	}
	if len(retry) < 16 || len(retry) > 128 || strings.ContainsFunc(retry, func(c rune) bool { return c == '.' || isForeign(c) }) {
		return invalidRequest(retryHeader + " must be 16 to 128 letters, digits, - or _")
	}
	return nil
}

// openRefresh opens a refresh token and judges its time. One that was issued
// for the other mode is not a credential here: the value of a cookie must not
// become readable by being posted. Of one whose key was revoked nothing more can
// be known, but why nobody takes it can be said: its owner has to log in again.
func (s *Service) openRefresh(raw string, cookie bool, now time.Time) (*tokens.Refresh, error) {
	t, err := tokens.OpenRefresh(raw, s.hub, now)
	switch {
	case errors.Is(err, keys.ErrRevokedKey):
		return nil, sessionEnded(openapi.ProblemReasonRevoked, cookie)
	case errors.Is(err, tokens.ErrInvalid):
		return nil, invalidToken(err)
	case err != nil:
		return nil, unavailable(err)
	case t.Cookie != cookie || t.ClientID != loginClient:
		return nil, middleware.ErrInvalidToken
	case !now.Before(t.SessionEnd):
		return nil, sessionEnded(openapi.ProblemReasonExpired, cookie)
	case !now.Before(t.IdleEnd):
		return nil, sessionEnded(openapi.ProblemReasonIdle, cookie)
	}
	return t, nil
}

// renewable makes the grant that the session would get now: of the user as it
// is now, unless the session or the user is gone.
func (s *Service) renewable(r *http.Request, t *tokens.Refresh, quiet bool, now time.Time) (*grant, error) {
	audience := slices.DeleteFunc(slices.Clone(t.Audience), func(a string) bool { return !slices.Contains(s.cfg.Audiences, a) })
	known := tokens.Claims{Issuer: s.cfg.Issuer, Subject: t.Subject, SessionID: t.SessionID, ClientID: t.ClientID, Audience: audience, AuthTime: t.AuthTime}
	if !s.hub.Ready() {
		return nil, unavailable(errors.New("the revocations are not known yet"))
	}
	// Now, and not when the store has moved on: a client that is told to come
	// back must not find its token spent.
	key, err := s.hub.signer(keys.AccessToken, now)
	if err != nil {
		return nil, err
	}
	known.KeyID = key.ID
	switch e, dead := s.hub.list.Match(&known); {
	case dead && e.Type == revocation.Key: // on the feed already, and the ring still to follow
		return nil, unavailable(errors.New("the signing key is revoked"))
	case dead && e.Type != revocation.Claims, len(audience) == 0:
		return nil, sessionEnded(openapi.ProblemReasonRevoked, t.Cookie)
	}
	stale := s.staleBefore(t.Subject)
	user, err := s.cfg.Users.Lookup(r.Context(), t.Subject)
	switch {
	case errors.Is(err, ErrNoUser), err == nil && user.Disabled:
		return nil, sessionEnded(openapi.ProblemReasonRevoked, t.Cookie)
	case err != nil:
		return nil, unavailable(fmt.Errorf("asking for the user: %w", err))
	}
	user.Subject = t.Subject
	g := &grant{
		claims:  s.claims(user, audience, t.SessionID, now, t.SessionEnd),
		idleEnd: s.idleAfter(t, now.UnixMilli(), quiet),
		end:     t.SessionEnd,
		cookie:  t.Cookie,
		quiet:   quiet,
	}
	g.claims.AuthTime = t.AuthTime
	g.unidle()
	postdate(&g.claims, stale)
	return g, nil
}

// carried returns the private data of the session cookie that came along: of
// this very session, and authentic down to the token inside, which may have
// expired.
func (s *Service) carried(r *http.Request, sid tokens.ID, now time.Time) ([]byte, uint32) {
	raw, err := onlyCookie(r, sessionCookie)
	if err != nil || raw == "" {
		return nil, 0
	}
	sealed, err := tokens.OpenSession(raw, s.hub, now)
	if err != nil {
		return nil, 0
	}
	c, err := tokens.Verify(sealed.Token, s.hub, s.expect(), now)
	if c == nil || err != nil && !errors.Is(err, tokens.ErrExpired) || c.SessionID != sid {
		return nil, 0
	}
	return sealed.Data, sealed.Version
}

func (s *Service) expect() tokens.Expect {
	return tokens.Expect{Issuer: s.cfg.Issuer, Audiences: s.cfg.Audiences, Leeway: s.cfg.ClockSkew}
}

// present shows the token to the store and completes the grant with what
// comes of it. Each attempt has a retry id, the client's or one that nobody
// hears of, by which it can be settled if its answer is lost.
func (s *Service) present(r *http.Request, g *grant, t *tokens.Refresh, retry string, now time.Time) error {
	shown := Presentation{
		SessionID: t.SessionID, Generation: t.Generation, IssuedAt: t.IssuedAt, ParentIssuedAt: t.ParentIssuedAt,
		SessionEnd: t.SessionEnd, FirstAttempt: t.FirstAttempt, LastAttempt: t.LastAttempt, Grace: s.cfg.RefreshGrace,
	}
	if retry != "" {
		shown.Retry = RetryHash(t.SessionID, retry)
	}
	made, first := s.together.present(shown, func(m *showing) { s.presentNow(r.Context(), m) })
	out := made.out
	switch {
	case errors.Is(made.err, ErrBadPresentation):
		return invalidToken(made.err)
	case made.err != nil:
		return s.degrade(r, g, t, made, now)
	case out.Verdict == Theft && !first:
		out.Verdict = Revoked // by the first, who is reported
		return s.ended(r, t, out)
	case !out.Verdict.Granted():
		return s.ended(r, t, out)
	}
	s.progress.note(t.SessionID, out, !g.quiet)
	s.divergent(r.Context(), t, out, s.sender(r))
	g.idleEnd = s.idleAfter(t, out.IssuedAt, g.quiet)
	g.refresh = successor(t, out, g.idleEnd)
	g.keeps = g.cookie && isSame(g.refresh, t)
	return nil
}

// presentNow asks the store, once what is open about the session is settled.
func (s *Service) presentNow(ctx context.Context, m *showing) {
	ctx, cancel := s.storeContext(ctx)
	defer cancel()
	m.began = s.cfg.Sessions.Now()
	defer func() { m.at = s.cfg.Sessions.Now() }()
	if m.err = s.settleFirst(ctx, m.shown.SessionID); m.err == nil {
		m.out, m.err = s.cfg.Sessions.Present(ctx, m.shown)
	}
}

// rehearse makes the answer to come, and counts its bytes where it sets
// cookies. An answer that can not be made must change nothing in the store:
// the token would be spent, and its honest repetition taken for a theft.
func (s *Service) rehearse(g *grant, t *tokens.Refresh, base http.Header, now time.Time) error {
	next := Outcome{Generation: t.Generation + 1, IssuedAt: now.UnixMilli(), ParentIssuedAt: t.IssuedAt}
	g.refresh = successor(t, next, g.idleEnd)
	p, err := s.granted(g, now)
	if err == nil {
		err = s.prepay(g, now)
	}
	if err != nil || !g.cookie {
		return err
	}
	return s.judge(p, base)
}

// granted is reply for a session that may have been revoked meanwhile.
func (s *Service) granted(g *grant, now time.Time) (*reply, error) {
	p, err := s.reply(g, now)
	if errors.Is(err, errRevoked) {
		return nil, sessionEnded(openapi.ProblemReasonRevoked, g.cookie)
	}
	return p, err
}

// successor is the refresh token that the store decided on.
func successor(t *tokens.Refresh, out Outcome, idleEnd time.Time) *tokens.Refresh {
	next := *t
	next.Generation, next.IssuedAt, next.ParentIssuedAt = out.Generation, out.IssuedAt, out.ParentIssuedAt
	next.IdleEnd, next.FirstAttempt, next.LastAttempt = idleEnd, 0, 0
	return &next
}

// isSame reports whether what the store decided on is the very token that was
// shown. A browser that has it is not told to keep it: this answer may arrive
// after one to another tab that has its successor already, and the old one would
// take that one's place, until it is too old to be anything but stolen.
func isSame(next, shown *tokens.Refresh) bool {
	return next.Generation == shown.Generation && next.IssuedAt == shown.IssuedAt && next.ParentIssuedAt == shown.ParentIssuedAt &&
		next.IdleEnd.Equal(shown.IdleEnd) && next.FirstAttempt == shown.FirstAttempt && next.LastAttempt == shown.LastAttempt
}

// degrade renews the access token while the store can not answer. No
// generation moves, so nothing can fork; and it goes on only while the service
// is not too far behind in what was revoked, and knows of nothing that speaks
// against the token. The store judges it when it is back.
//
// The store may have made the step and the answer been lost. So the client gets
// the same refresh token again, and in it the time of the attempt: by that any
// replica gives it the successor, however late it comes back.
func (s *Service) degrade(r *http.Request, g *grant, t *tokens.Refresh, made *showing, now time.Time) error {
	cause := fmt.Errorf("presenting a refresh token: %w", made.err)
	tried := attempt{made.shown, made.at, t, s.sender(r)}
	switch {
	case s.cfg.StrictRefresh, now.Sub(s.hub.AsOf()) > maxKnowledge:
		s.unsettled.add(tried) // the step may have been made
		return unavailable(cause)
	case s.progress.replaced(made.shown, now.UnixMilli()):
		return unavailable(fmt.Errorf("%w; an older token than the newest that is known", cause))
	}
	s.log.WarnContext(r.Context(), "refreshing without the store", "cause", cause, "request_id", requestID(r))
	s.unsettled.add(tried)
	again := *t
	again.LastAttempt = max(t.LastAttempt, tried.granted.UnixMilli()) // the clock of a store may go back
	again.FirstAttempt = cmp.Or(t.FirstAttempt, min(made.began.UnixMilli(), again.LastAttempt))
	g.refresh, g.idleEnd = &again, t.IdleEnd
	g.claims.ExpiresAt = earlier(g.claims.ExpiresAt, g.claims.IssuedAt.Add(jittered(maxDegradedLife)))
	return nil
}

// ended answers a presentation that was refused, and tells the verifiers of
// the session's end. The verdict stands whether or not they hear of it now:
// the next presentation tells them again.
func (s *Service) ended(r *http.Request, t *tokens.Refresh, out Outcome) error {
	reason := openapi.ProblemReasonStateLost
	switch out.Verdict {
	case Theft:
		reason = openapi.ProblemReasonReused
		s.theft(r.Context(), t, out, s.sender(r))
	case Revoked:
		reason = openapi.ProblemReasonRevoked
	}
	ctx, cancel := s.storeContext(r.Context())
	defer cancel()
	if err := s.append(ctx, out.Revocation); err != nil {
		s.log.ErrorContext(r.Context(), "appending a revocation", "err", err, "request_id", requestID(r))
	}
	return sessionEnded(reason, t.Cookie)
}

// lasting keeps the end that a store gives a session, which is the session's
// own, until the last access token has run out at every verifier.
func (s *Service) lasting(e revocation.Entry) revocation.Entry {
	end := time.Unix(int64(e.Exp), 0).Add(s.slack())
	return e.Merge(revocation.SessionEntry(e.ID, time.Time{}, end))
}

// append appends what an outcome carries, if it does.
func (s *Service) append(ctx context.Context, e revocation.Entry) error {
	if e.Type == 0 {
		return nil
	}
	if err := s.cfg.Log.Append(ctx, s.lasting(e)); err != nil && !errors.Is(err, ErrNotShared) {
		return err
	}
	return nil
}
