package middleware

import (
	"context"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// Renew puts a fresh access token in the place of the one that a request came
// with, so that a stream outlives it: the context of the request, and what
// OnEnd holds, now end with the new one. ctx is the request's context, also
// while OnEnd holds a connection whose handler has returned. FromContext gives
// the renewed session from then on, with the data that it had.
//
// The client sends the token within the connection, or in another request that
// names the stream, and no later than ClockSkew after the old one's end. It is
// judged like that of a new request, by the rules too (RequireScope and the
// others) by which the handler was reached. A token older than the present one
// changes nothing and is no error.
//
// An error is one that Check could return (ErrNoCredential also for a ctx that
// is not of this guard), ErrInsufficientScope, ErrInsufficientRole, ErrLoginNeeded, or why the
// session has ended; context.Canceled once all is over. The old token stays in
// force until its end then, with one exception: a token of another session or
// subject means that somebody else is at the other end, and the session ends
// with ErrOtherSession.
func (g *Guard) Renew(ctx context.Context, token string) error {
	v, ok := g.visit(ctx)
	if !ok {
		return ErrNoCredential
	}
	s, err := g.judgeBearer(ctx, token, time.Now())
	if err != nil {
		g.note(ctx, err)
		return refusal(err)
	}
	if err := v.renew(s); err != nil {
		g.note(ctx, err)
		return err
	}
	return nil
}

// judgeBearer judges an access token that came without a request.
func (g *Guard) judgeBearer(ctx context.Context, token string, now time.Time) (*Session, error) {
	err := fits(token, tokens.MaxTokenLen)
	if token == "" {
		err = ErrNoCredential
	}
	if err != nil {
		return nil, g.refused(ctx, false, err)
	}
	v, lag, err := g.decideOn(ctx, credential{value: token}, now)
	if err != nil {
		return nil, err
	}
	return v.session(lag), nil
}

// renew replaces the session by s, which has been judged. As in enter, the list
// is asked again once the new targets are registered: what is revoked in the
// same moment is found here, or finds the visit.
func (v *visit) renew(s *Session) error {
	v.watch()
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.session.Load()
	switch {
	case v.cause != nil:
		return v.cause
	case v.users == 0:
		return context.Canceled
	case s.claims.SessionID != old.claims.SessionID || s.Subject != old.Subject:
		v.end(ErrOtherSession)
		return ErrOtherSession
	case s.IssuedAt.Before(old.IssuedAt) || s.ExpiresAt.Before(old.ExpiresAt):
		return nil
	}
	if err := v.guard.demand(v.parent, s, v.rules...); err != nil {
		return err
	}
	s.Data = old.Data
	v.guard.live.move(v, s)
	if err := v.guard.live.revoked(s.claims); err != nil {
		v.end(err)
		return err
	}
	return nil // the timer finds out when it fires: see fire
}

// ruled notes a rule by which the handler was reached.
func (v *visit) ruled(rule Rule) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rules = append(v.rules, rule)
}
