package middleware

import (
	"context"
	"time"
)

// Enter is Handler for what does not come by net/http, such as a gRPC call. It
// judges the values of the call's Authorization header, of which there has to be
// exactly one, a bearer token, and its session by the rules. It returns a context
// in which FromContext finds the session, and Renew and OnEnd work; that ends with
// the session, and context.Cause says why. done has to be called when the work in
// it is over. what names that work in the log. Errors are those of Check, and those
// of the rules, such as ErrInsufficientScope.
func (g *Guard) Enter(ctx context.Context, what string, authorization []string, rules ...Rule) (in context.Context, done func(), err error) {
	now := time.Now()
	s, err := g.checkBearer(ctx, authorization, now)
	if err != nil {
		return nil, nil, err
	}
	if err := g.demand(ctx, s, rules...); err != nil {
		return nil, nil, err
	}
	v := new(visit)
	v.session.Store(s)
	v.enter(ctx, g, "", what, now)
	v.rules = append(v.rules, rules...) // before anybody else has v
	return v, v.done, nil
}

// checkBearer is Check of Authorization values alone.
func (g *Guard) checkBearer(ctx context.Context, authorization []string, now time.Time) (*Session, error) {
	token, _, err := bearerToken(authorization)
	if err != nil {
		return nil, g.refused(ctx, false, err)
	}
	s, err := g.judgeBearer(ctx, token, now)
	if err != nil {
		g.note(ctx, err)
		return nil, refusal(err)
	}
	return s, nil
}

// Answer returns how Refuse answers an error of this package: the status, and
// the code of the problem document. It is for who tells a client by another
// protocol.
func Answer(err error) (status int, code string) {
	a := answerTo(err)
	return a.status, a.code
}
