package middleware

import (
	"context"
	"math"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// enter returns a context that ends with the session, and what to call when
// the request has been served. The list is asked once more after the visit
// was registered: see registry.
func (g *Guard) enter(ctx context.Context, s *Session) (context.Context, func(), error) {
	ctx, cancel := context.WithCancelCause(ctx)
	v := &visit{claims: s.claims, cancel: cancel}
	g.live.add(v)
	if err := g.live.revoked(s.claims); err != nil {
		g.live.remove(v)
		cancel(err)
		return nil, nil, err
	}
	timer := g.watch(ctx, v)
	return ctx, func() {
		timer.Stop()
		g.live.remove(v)
		cancel(nil)
	}, nil
}

// watch ends a visit at its token's end, or when token and list have both
// become too old. One timer does both: it fires when either could have
// happened, and is set again when the list has become younger since.
func (g *Guard) watch(ctx context.Context, v *visit) *time.Timer {
	var timer *time.Timer
	timer = time.AfterFunc(math.MaxInt64, func() {
		if ctx.Err() != nil {
			return // served, or gone; this crossed with Stop
		}
		left, err := g.remaining(v.claims, time.Now())
		if left <= 0 {
			v.cancel(err)
			return
		}
		timer.Reset(left)
	})
	left, _ := g.remaining(v.claims, time.Now())
	timer.Reset(left) // only now may it fire: it uses the variable it is in
	return timer
}

// remaining returns how long a session that is being served may go on at
// least, and what ends it then.
func (g *Guard) remaining(c *tokens.Claims, now time.Time) (time.Duration, error) {
	left := c.ExpiresAt.Add(g.cfg.ClockSkew).Sub(now)
	if g.cfg.MaxStale > 0 {
		if fresh := g.patience(c) - staleness(c, g.trust.AsOf(), now); fresh < left {
			return fresh, ErrRefreshNeeded
		}
	}
	return left, ErrExpired
}
