package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// errTooLong is the reason in the log; the caller hears ErrInvalidToken.
var errTooLong = fmt.Errorf("%w: too long", ErrInvalidToken)

// Check decides about a request: its session, or why there is none. The error
// is one of this package's (errors.Is). It does no I/O, never blocks and does
// not change r; what ends the session later is heard of only under Handler.
func (g *Guard) Check(r *http.Request) (*Session, error) { return g.CheckAt(r, time.Now()) }

// CheckAt is Check at that time: for a caller that does more with the request
// and wants one time for all of it.
func (g *Guard) CheckAt(r *http.Request, now time.Time) (*Session, error) {
	s, err := g.judge(r, now)
	if err != nil {
		g.note(r.Context(), err)
		return nil, refusal(err)
	}
	return s, nil
}

// judge is Check at a moment, with the exact reason as its error.
func (g *Guard) judge(r *http.Request, now time.Time) (*Session, error) {
	v, lag, err := g.decide(r, now)
	if err != nil {
		return nil, err
	}
	return v.session(lag), nil
}

// decide judges a request without taking any memory for one whose credential
// was seen before.
func (g *Guard) decide(r *http.Request, now time.Time) (*verified, time.Duration, error) {
	cred, err := g.credential(r)
	if err != nil {
		return nil, 0, g.refused(r.Context(), false, err)
	}
	if cred.cookie {
		if err := g.origins.Check(r); err != nil {
			return nil, 0, g.refused(r.Context(), false, fmt.Errorf("%w: %w", ErrCrossOrigin, err))
		}
	}
	return g.decideOn(r.Context(), cred, now)
}

// decideOn judges a credential, and returns how old the list is that it was
// looked up in.
func (g *Guard) decideOn(ctx context.Context, cred credential, now time.Time) (*verified, time.Duration, error) {
	v := g.seen.find(cred)
	remembered := v != nil && g.stands(v, now)
	if !remembered {
		var err error
		if v, err = g.verify(cred, now); err != nil {
			return nil, 0, g.refused(ctx, false, g.refreshed(err))
		}
		g.seen.put(v, now)
	}
	if err := g.revoked(v); err != nil {
		return nil, 0, g.refused(ctx, remembered, err)
	}
	asOf := g.trust.AsOf()
	if g.cfg.MaxStale > 0 && staleness(v.claims, asOf, now) > g.patience(v.claims) {
		return nil, 0, g.refused(ctx, remembered, ErrRefreshNeeded)
	}
	if g.cfg.Metrics != nil {
		g.cfg.Metrics.Judged(ctx, Accepted, remembered)
	}
	return v, lag(asOf, now), nil
}

// refused has a refusal counted, and passes it on.
func (g *Guard) refused(ctx context.Context, remembered bool, err error) error {
	if g.cfg.Metrics != nil {
		g.cfg.Metrics.Judged(ctx, outcomeOf(refusal(err)), remembered)
	}
	return err
}

// verify opens a cookie and verifies the token.
func (g *Guard) verify(cred credential, now time.Time) (*verified, error) {
	var cookie *tokens.Session
	raw := cred.value
	if cred.cookie {
		var err error
		if cookie, err = tokens.OpenSession(cred.value, g.trust, now); err != nil {
			return nil, err
		}
		raw = cookie.Token
	}
	c, err := tokens.VerifyLive(raw, g.trust, g.expect, now)
	if err != nil {
		return nil, err
	}
	return newVerified(cred, c, cookie, g.cfg.ClockSkew), nil
}

// refreshed passes an error on, and asks for newer keys where an unknown one
// is its cause.
func (g *Guard) refreshed(err error) error {
	if errors.Is(err, keys.ErrUnknownKey) {
		g.trust.Refresh()
	}
	return err
}

// staleness is the acceptance rule's one number: how old the younger of the
// token and the list is.
func staleness(c *tokens.Claims, asOf, now time.Time) time.Duration {
	return min(lag(c.IssuedAt, now), lag(asOf, now))
}

// patience is MaxStale less up to a fifth, evenly spread over tokens: when the
// feed is cut, not every client is to refresh in the same moment.
func (g *Guard) patience(c *tokens.Claims) time.Duration {
	return g.cfg.MaxStale - g.cfg.MaxStale/5/256*time.Duration(c.ID[0])
}

// refusal maps the exact reason to the error for the caller. Everything that
// is not known to be something else is an invalid token, so that a new reason
// can never become an accepted request or a 500.
func refusal(err error) error {
	for _, known := range []error{
		ErrNoCredential, ErrMalformed, ErrManyCredentials, ErrCrossOrigin,
		ErrRefreshNeeded, ErrRevoked, ErrKeyRevoked,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	switch {
	case errors.Is(err, keys.ErrUnavailable):
		return ErrUnavailable
	case errors.Is(err, tokens.ErrExpired):
		return ErrExpired
	case errors.Is(err, keys.ErrRevokedKey):
		return ErrKeyRevoked
	}
	return ErrInvalidToken
}

// note writes the reason to the log. The errors of tokens are safe to log;
// nothing of the request but its context is.
func (g *Guard) note(ctx context.Context, err error) {
	if errors.Is(err, ErrNoCredential) {
		return // every crawler
	}
	attrs := []slog.Attr{slog.String("cause", err.Error())}
	var why *tokens.Error
	if errors.As(err, &why) {
		attrs = append(attrs, slog.String("reason", string(why.Reason)))
	}
	g.log.LogAttrs(ctx, slog.LevelDebug, "request refused", attrs...)
}

// ended names what a revocation entry does to a session.
func ended(e revocation.Entry) error {
	switch e.Type {
	case revocation.Key:
		return ErrKeyRevoked
	case revocation.Claims: // the session goes on with another token
		return ErrRefreshNeeded
	}
	return ErrRevoked
}
