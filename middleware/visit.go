package middleware

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// overdue is how long a handler may go on after its context has ended before
// that is reported.
const overdue = 5 * time.Second

// visit is one request being served, with what its handler has taken over to
// OnEnd. It is over when all of that is.
type visit struct {
	guard        *Guard
	method, path string                  // for the log
	session      atomic.Pointer[Session] // the one in force: Renew replaces it
	links        []link                  // guarded by the registry

	mu     sync.Mutex // taken before the registry's
	cancel context.CancelCauseFunc
	timer  *time.Timer             // for what can not be told by an entry; after the end, for the report
	cause  error                   // why the session has ended; nil: it has not
	users  int                     // the handler, and what is held by OnEnd; 0: over
	ends   map[*func(error)]func() // by what OnEnd was given: what lets go of it
	rules  []func(*Session) error  // by which the handler was reached
}

// enter returns the visit of a request that Check let through, and its context,
// which ends with the session. The list is asked once more after the visit was
// registered: see registry.
func (g *Guard) enter(parent context.Context, method, path string, s *Session) (context.Context, *visit, error) {
	v := &visit{guard: g, method: method, path: path, users: 1}
	v.session.Store(s)
	ctx, cancel := context.WithCancelCause(context.WithValue(parent, contextKey{}, v))
	v.cancel = cancel
	v.mu.Lock() // an entry that is applied meanwhile waits for the timer
	defer v.mu.Unlock()
	g.live.add(v)
	if err := g.live.revoked(s.claims); err != nil {
		g.live.remove(v)
		v.users = 0
		cancel(err)
		return nil, nil, err
	}
	left, _ := g.remaining(s, time.Now())
	v.timer = time.AfterFunc(left, v.fire)
	return ctx, v, nil
}

// fire ends a visit at its token's end, or when token and list have both
// become too old. One timer does both: it fires when either could have
// happened, and is set again when the list has become younger since, or the
// session was renewed.
func (v *visit) fire() {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.users == 0: // this crossed with Stop
	case v.cause != nil:
		v.report()
	default:
		left, err := v.guard.remaining(v.session.Load(), time.Now())
		if left > 0 {
			v.timer.Reset(left)
			return
		}
		v.end(err)
	}
}

// endIf ends the visit if its session is one that dead gives a reason for.
func (v *visit) endIf(dead func(*Session) error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := dead(v.session.Load()); err != nil {
		v.end(err)
	}
}

// end ends the visit's context, and calls what OnEnd was given, all at once:
// spreading the ends of many connections would be kinder to whatever they
// reconnect to, but who revokes must be able to rely on it that they are gone.
func (v *visit) end(cause error) {
	if v.cause != nil || v.users == 0 {
		return
	}
	v.cause = cause
	v.cancel(cause)
	for end, done := range v.ends {
		go v.call(*end, done)
	}
	v.timer.Reset(overdue)
}

// call has a connection closed. With that, OnEnd is done.
func (v *visit) call(end func(error), done func()) {
	defer done()
	end(v.cause) // does not change any more
}

// leave is called when the handler, or what OnEnd held, is done.
func (v *visit) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.users--; v.users == 0 {
		v.timer.Stop()
		v.guard.live.remove(v)
	}
}

// serve runs a handler within the visit.
func (v *visit) serve(ctx context.Context, w http.ResponseWriter, r *http.Request, next http.Handler) {
	defer v.leave()
	defer v.cancel(nil)
	next.ServeHTTP(w, r.WithContext(ctx))
}

// report tells the operator of a handler that can not be stopped from here.
func (v *visit) report() {
	v.guard.log.LogAttrs(context.Background(), slog.LevelWarn, "a handler goes on although its session has ended",
		slog.String("method", v.method), slog.String("path", v.path),
		slog.Duration("since", overdue), slog.String("cause", v.cause.Error()))
}

// remaining returns how long a session that is being served may go on at
// least, and what ends it then. The leeway for clocks is also the time that a
// client has for Renew after its token's end.
func (g *Guard) remaining(s *Session, now time.Time) (time.Duration, error) {
	left := s.ExpiresAt.Add(g.cfg.ClockSkew).Sub(now)
	if g.cfg.MaxStale > 0 {
		if fresh := g.patience(s.claims) - staleness(s.claims, g.trust.AsOf(), now); fresh < left {
			return fresh, ErrRefreshNeeded
		}
	}
	return left, ErrExpired
}
