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
// OnEnd. It is over when all of that is. It is also the request's context, which
// ends with the session.
//
// Most requests are answered before their handler has asked its context whether
// it has ended. So only then is the session watched: entries find the visit by the
// registry, and a timer ends it with its token. Until then it is young, and costs its
// own memory. Whoever asks for the first time hears of all that was before.
type visit struct {
	parent       context.Context
	guard        *Guard
	method, path string                  // for the log
	session      atomic.Pointer[Session] // the one in force: Renew replaces it
	first        ownSession              // room for the one that it came with
	since        time.Time               // when it was let in
	young        youth                   // its place among those that are not watched
	links        []link                  // guarded by the registry

	mu     sync.Mutex                      // taken before the registry's and that of the young
	inner  atomic.Pointer[context.Context] // of the watched session; nil: it is not
	cancel context.CancelCauseFunc         // of inner
	timer  *time.Timer                     // for what can not be told by an entry; after the end, for the report
	cause  error                           // why the session has ended; nil: it has not, or nobody has asked
	users  int                             // the handler, and what is held by OnEnd; 0: over
	ends   map[*func(error)]func()         // by what OnEnd was given: what lets go of it
	rules  []Rule                          // by which the handler was reached
	room   [2]Rule                         // for them
}

// enter begins the visit of what was let in at that time.
func (v *visit) enter(parent context.Context, g *Guard, method, path string, now time.Time) {
	v.parent, v.guard, v.method, v.path, v.since, v.users = parent, g, method, path, now, 1
	v.rules = v.room[:0]
	g.nursery.add(v)
}

// Deadline implements context.Context.
func (v *visit) Deadline() (time.Time, bool) { return v.parent.Deadline() }

// Done implements context.Context.
func (v *visit) Done() <-chan struct{} { return v.watch().Done() }

// Err implements context.Context.
func (v *visit) Err() error { return v.watch().Err() }

// Value implements context.Context. That of a visit that is over is asked too for
// why it has ended (context.Cause).
func (v *visit) Value(key any) any {
	if key == (contextKey{}) {
		return v
	}
	if inner := v.inner.Load(); inner != nil {
		return (*inner).Value(key)
	}
	if v.isOver() {
		return v.watch().Value(key)
	}
	return v.parent.Value(key)
}

func (v *visit) isOver() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.users == 0
}

// watch begins to watch the session, unless that has begun, and returns the context
// that ends with it. The list is asked once more after the visit was registered:
// see registry.
func (v *visit) watch() context.Context {
	if inner := v.inner.Load(); inner != nil {
		return *inner
	}
	v.mu.Lock() // an entry that is applied meanwhile waits for the timer
	defer v.mu.Unlock()
	if inner := v.inner.Load(); inner != nil {
		return *inner
	}
	ctx, cancel := context.WithCancelCause(v.parent)
	v.cancel = cancel
	v.inner.Store(&ctx)
	if v.users == 0 {
		cancel(nil)
		return ctx
	}
	g := v.guard
	g.nursery.remove(v)
	g.live.add(v)
	s := v.session.Load()
	left, cause := g.remaining(s, time.Now())
	if err := g.live.revoked(s.claims); err != nil {
		left, cause = 0, err
	}
	if left > 0 {
		v.timer = time.AfterFunc(left, v.fire)
		return ctx
	}
	v.timer = time.AfterFunc(overdue, v.fire)
	v.end(cause)
	return ctx
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
	if m := v.guard.cfg.Metrics; m != nil {
		m.Ended(v.parent, outcomeOf(cause))
	}
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

// done is called when the handler has returned: its context has ended.
func (v *visit) done() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cancel != nil {
		v.cancel(nil)
	}
	v.release()
}

// leave is called when what OnEnd held is done.
func (v *visit) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.release()
}

// release is for one user less.
func (v *visit) release() {
	if v.users--; v.users > 0 {
		return
	}
	if v.cancel == nil {
		v.guard.nursery.remove(v)
		return
	}
	v.timer.Stop()
	v.guard.live.remove(v)
}

// serve runs a handler within the visit.
func (v *visit) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	defer v.done()
	next.ServeHTTP(w, r.WithContext(v))
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
