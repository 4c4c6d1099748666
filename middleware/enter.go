package middleware

import (
	"context"
	"time"
)

// Enter is Handler for what does not come by net/http, such as a gRPC call: it
// judges an access token, and its session by the rules, and returns a context in
// which FromContext finds the session and Renew and OnEnd work. That ends with the
// session, and context.Cause says why. done has to be called when the work in it
// is over; what names that work in the log. Errors are those of Check, and those of
// the rules, such as ErrInsufficientScope.
func (g *Guard) Enter(ctx context.Context, token, what string, rules ...func(*Session) error) (in context.Context, done func(), err error) {
	now := time.Now()
	s, err := g.judgeBearer(token, now)
	if err != nil {
		g.note(ctx, err)
		return nil, nil, refusal(err)
	}
	for _, rule := range rules {
		if err := rule(s); err != nil {
			return nil, nil, err
		}
	}
	v := new(visit)
	v.session.Store(s)
	v.enter(ctx, g, "", what, now)
	for _, rule := range rules {
		v.ruled(rule)
	}
	return v, v.done, nil
}
