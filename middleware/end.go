package middleware

import (
	"context"
	"errors"
	"sync"
)

// OnEnd has end called, in a goroutine of its own, when the session of a
// request ends: with ErrRevoked, ErrKeyRevoked, ErrExpired, ErrRefreshNeeded
// or ErrOtherSession. ctx is the request's context.
//
// It is for a connection that the handler has taken over (http.Hijacker, a
// WebSocket), whose reads do not hear of a context, or which goes on after the
// handler has returned: from then on the context is ended, but the session is
// watched on until done. end closes the connection, CloseCode says how.
//
// Call done when the connection is closed for any other reason; end is not
// called after it. Once end has returned nothing is left to be done. Where no
// guard has put a session into ctx nothing happens; once the visit is over
// (the handler has returned, and nothing is held) end is called at once with
// context.Canceled.
func OnEnd(ctx context.Context, end func(cause error)) (done func()) {
	v, ok := ctx.Value(contextKey{}).(*visit)
	if !ok {
		return func() {}
	}
	return v.hold(end)
}

// hold keeps the visit from being over until done.
func (v *visit) hold(end func(error)) (done func()) {
	v.watch()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.users == 0 {
		go end(context.Canceled)
		return func() {}
	}
	if v.ends == nil {
		v.ends = map[*func(error)]func(){}
	}
	v.users++
	done = sync.OnceFunc(func() {
		v.forget(&end)
		v.leave()
	})
	v.ends[&end] = done
	if v.cause != nil {
		go v.call(end, done)
	}
	return done
}

func (v *visit) forget(end *func(error)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.ends, end)
}

// The codes with which a WebSocket is closed (RFC 6455 §7.4): those from 4000
// are Sealring's own. A stream of server-sent events ends with an event that
// carries the same number.
const (
	CloseEnded     = 4401 // the session has ended: log in again
	CloseForbidden = 4403 // what Renew was given lacks a scope or role
	CloseStale     = 4408 // refresh the session, then reconnect

	closeGoingAway = 1001
	closeTryAgain  = 1013 // registered with IANA
)

// CloseCode returns the code that tells a client why its WebSocket is closed:
// cause is a context's cause, what OnEnd passes on, or an error of Renew. What
// is not about the session (nil, context.Canceled) is 1001, going away; no keys
// to verify with is 1013, try again later.
func CloseCode(cause error) int {
	switch {
	case errors.Is(cause, ErrRefreshNeeded):
		return CloseStale
	case errors.Is(cause, ErrInsufficientScope), errors.Is(cause, ErrInsufficientRole):
		return CloseForbidden
	case errors.Is(cause, ErrUnavailable):
		return closeTryAgain
	case errors.Is(cause, ErrInvalidToken), errors.Is(cause, ErrNoCredential), errors.Is(cause, ErrLoginNeeded):
		return CloseEnded
	}
	return closeGoingAway
}
