package middleware

import (
	"errors"
	"net/http"
	"time"
)

// Handler serves requests with a valid session through next and refuses all
// others. next finds the session by FromContext; its context ends with the
// session.
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.serve(w, r, next, g.Refuse)
	})
}

// Optional is Handler for pages that everyone may see: a request without any
// credential is served without a session. A bad credential is still refused,
// for its sender believes to be somebody.
func (g *Guard) Optional(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.serve(w, r, next, func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, ErrNoCredential) {
				next.ServeHTTP(w, r)
				return
			}
			g.Refuse(w, r, err)
		})
	})
}

// serve judges a request and lets it through, in a context that ends with its
// session. Beside that context it makes nothing but a request for it.
func (g *Guard) serve(w http.ResponseWriter, r *http.Request, next http.Handler, refuse func(http.ResponseWriter, *http.Request, error)) {
	now := time.Now()
	is, lag, err := g.decide(r, now)
	if err != nil {
		g.note(r.Context(), err)
		refuse(w, r, refusal(err))
		return
	}
	v := new(visit)
	is.fill(&v.first, lag)
	v.session.Store(&v.first.Session)
	v.enter(r.Context(), g, r.Method, r.URL.Path, now)
	v.serve(w, r, next)
}

// RequireScope lets only sessions through that carry every one of the scopes.
// Where no Handler of this guard stands before it, it is one itself.
func (g *Guard) RequireScope(scopes ...string) func(http.Handler) http.Handler {
	return g.require(Scopes(scopes...))
}

// RequireRole lets only sessions through that carry every one of the roles.
// Where no Handler of this guard stands before it, it is one itself.
func (g *Guard) RequireRole(roles ...string) func(http.Handler) http.Handler {
	return g.require(Roles(roles...))
}

// RequireFresh lets only sessions through whose token, or the revocation list
// they were checked against, is at most d old. What it refuses a refresh
// cures; while there are no keys the answer is 503 as everywhere. Where no
// Handler of this guard stands before it, it is one itself.
//
// Both ages count from the issuer's clock: d has to be longer than the
// difference from this machine's. While nothing is revoked a list ages for the
// second from one heartbeat of the feed to the next, the half of one for which a
// store that replicas share may not have been looked at, and however long that
// takes to arrive: a shorter d asks for refreshes now and then under a live
// feed too.
func (g *Guard) RequireFresh(d time.Duration) func(http.Handler) http.Handler {
	return g.require(g.Fresh(d))
}

// RequireRecentLogin lets only sessions through whose user logged in at most d ago
// (auth_time), for what needs more than that somebody sits at an open browser. A
// refresh does not cure what it refuses, a login does (RFC 9470): it begins a new
// session in the place of the one that there was. Where no Handler of this guard
// stands before it, it is one itself.
//
// The login counts by the issuer's clock, in whole seconds: d has to be longer
// than the difference from this machine's. A service's own token never passes.
// A stream that it let in is not renewed (see Renew) once d is over.
func (g *Guard) RequireRecentLogin(d time.Duration) func(http.Handler) http.Handler {
	return g.require(RecentLogin(d))
}

// require makes a middleware of a rule about sessions.
func (g *Guard) require(rule Rule) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		ruled := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			v, _ := g.visit(r.Context())
			if err := g.demand(r.Context(), v.session.Load(), rule); err != nil {
				g.Refuse(w, r, err)
				return
			}
			v.ruled(rule)
			next.ServeHTTP(w, r)
		})
		alone := g.Handler(ruled)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, ok := g.visit(r.Context()); ok {
				ruled.ServeHTTP(w, r)
				return
			}
			alone.ServeHTTP(w, r)
		})
	}
}
