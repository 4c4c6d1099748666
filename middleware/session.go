package middleware

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// Session is what a request may act on: the verified claims of its access
// token, as plain values. It is shared by everything that serves the request
// and must not be changed; no other request's is touched by it.
type Session struct {
	Subject   string          `json:"subject"`            // sub: who
	ID        string          `json:"id,omitempty"`       // sid, 22 characters; empty for a service's own token
	Scopes    []string        `json:"scopes"`             // scope
	Roles     []string        `json:"roles"`              // roles
	ClientID  string          `json:"client_id"`          // client_id: through which client
	Audience  []string        `json:"audience"`           // aud
	ExpiresAt time.Time       `json:"expires_at"`         // exp of the access token, not of the session
	IssuedAt  time.Time       `json:"issued_at"`          // iat
	AuthTime  time.Time       `json:"auth_time,omitzero"` // auth_time: the login
	Data      json.RawMessage `json:"data,omitempty"`     // the session's private data, an object; only where a cookie came
	Token     tokens.Secret   `json:"-"`                  // the access token, to pass on to the next service
	Lag       time.Duration   `json:"-"`                  // how old the revocation list was at the check; NoList before the first one
	claims    *tokens.Claims  // as verified
}

// NoList is the Lag of a session that was checked without any revocation list.
const NoList time.Duration = math.MaxInt64

// Claims returns a copy of the token's claims.
func (s *Session) Claims() tokens.Claims {
	c := *s.claims
	c.Audience, c.Scope, c.Roles, c.Actors = slices.Clone(c.Audience), slices.Clone(c.Scope), slices.Clone(c.Roles), slices.Clone(c.Actors)
	return c
}

// HasScope reports whether the session carries the scope, exactly.
func (s *Session) HasScope(scope string) bool { return slices.Contains(s.Scopes, scope) }

// HasRole reports whether the session carries the role, exactly.
func (s *Session) HasRole(role string) bool { return slices.Contains(s.Roles, role) }

// session gives what was verified the shape that handlers see. It shares nothing
// that could be changed: what a handler does to the session of its request, the
// next request does not see.
func (v *verified) session(lag time.Duration) *Session {
	s := new(ownSession)
	v.fill(s, lag)
	return &s.Session
}

func (v *verified) fill(s *ownSession, lag time.Duration) {
	s.fill(v.claims, v.id, v.token, v.data, lag)
}

// ownSession is a session with room for its lists, so that mostly it takes one
// piece of memory.
type ownSession struct {
	Session
	room [10]string
}

// fill copies. Lists are never nil, so that their JSON is [].
func (s *ownSession) fill(c *tokens.Claims, id, token string, data []byte, lag time.Duration) {
	s.Session = Session{
		Subject:   c.Subject,
		ID:        id,
		ClientID:  c.ClientID,
		ExpiresAt: c.ExpiresAt,
		IssuedAt:  c.IssuedAt,
		AuthTime:  c.AuthTime,
		Data:      slices.Clone(data),
		Token:     tokens.Secret(token),
		Lag:       lag,
		claims:    c,
	}
	room := s.room[:0]
	s.Scopes, room = listIn(room, c.Scope)
	s.Roles, room = listIn(room, c.Roles)
	s.Audience, _ = listIn(room, c.Audience)
}

// listIn copies a list to the end of a room, and returns the copy and what is
// taken of the room then. Where it is too small, append finds another.
func listIn(room, list []string) (copied, taken []string) {
	start := len(room)
	taken = append(room, list...)
	return taken[start:len(taken):len(taken)], taken
}

// contextKey is the key of *visit in a request's context.
type contextKey struct{}

// FromContext returns the session that a guard's Handler or Optional put into
// the request's context, or Renew in its place; false where there is none.
func FromContext(ctx context.Context) (*Session, bool) {
	v, ok := ctx.Value(contextKey{}).(*visit)
	if !ok {
		return nil, false
	}
	return v.session.Load(), true
}

// visit returns what this very guard let through: a session of one guard
// proves nothing to another, which may stand for another audience.
func (g *Guard) visit(ctx context.Context) (*visit, bool) {
	v, ok := ctx.Value(contextKey{}).(*visit)
	return v, ok && v.guard == g
}
