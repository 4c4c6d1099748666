package authtest

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// Claim changes one claim of a token that is made.
type Claim func(*tokens.Claims)

// Subject sets sub.
func Subject(sub string) Claim { return func(c *tokens.Claims) { c.Subject = sub } }

// Scope sets scope.
func Scope(scopes ...string) Claim { return func(c *tokens.Claims) { c.Scope = scopes } }

// Roles sets roles.
func Roles(roles ...string) Claim { return func(c *tokens.Claims) { c.Roles = roles } }

// Audience sets aud.
func Audience(aud ...string) Claim { return func(c *tokens.Claims) { c.Audience = aud } }

// Client sets client_id.
func Client(id string) Claim { return func(c *tokens.Claims) { c.ClientID = id } }

// SessionID sets sid; tokens with one sid are of one session.
func SessionID(sid tokens.ID) Claim { return func(c *tokens.Claims) { c.SessionID = sid } }

// Issued sets iat, and with it auth_time, and moves exp so that the life stays
// as it was.
func Issued(at time.Time) Claim {
	return func(c *tokens.Claims) {
		at = at.UTC().Truncate(time.Second)
		c.ExpiresAt = at.Add(c.ExpiresAt.Sub(c.IssuedAt))
		c.IssuedAt, c.AuthTime = at, at
	}
}

// LoggedIn sets auth_time, the login.
func LoggedIn(at time.Time) Claim {
	return func(c *tokens.Claims) { c.AuthTime = at.UTC().Truncate(time.Second) }
}

// Life sets exp to that long after iat, in whole seconds.
func Life(d time.Duration) Claim {
	return func(c *tokens.Claims) { c.ExpiresAt = c.IssuedAt.Add(d.Truncate(time.Second)) }
}

// Token returns an access token of subject "ann" for Audience with a session
// of its own, changed by the claims in their order.
func (i *Issuer) Token(claims ...Claim) string {
	i.t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	c := &tokens.Claims{
		Issuer:    i.URL,
		Subject:   "ann",
		Audience:  []string{i.Audience},
		ExpiresAt: now.Add(i.TokenLife),
		IssuedAt:  now,
		ID:        tokens.NewID(),
		SessionID: tokens.NewID(),
		ClientID:  "login",
		AuthTime:  now,
	}
	for _, change := range claims {
		change(c)
	}
	raw, err := tokens.Sign(c, i.current(keys.AccessToken))
	if err != nil {
		i.t.Fatalf("authtest: signing a token: %v", err)
	}
	return raw
}

// Cookie returns the session cookie of a token that Token would have made, as
// a browser sends it.
func (i *Issuer) Cookie(claims ...Claim) *http.Cookie {
	i.t.Helper()
	return i.SealedCookie(i.Token(claims...), nil)
}

// SealedCookie returns the session cookie of a token, with data (a JSON
// object, or nil) as its private session data.
func (i *Issuer) SealedCookie(token string, data []byte) *http.Cookie {
	i.t.Helper()
	end := time.Now().UTC().Truncate(time.Second).Add(time.Hour)
	s := &tokens.Session{Token: token, Data: data, SessionEnd: end, IdleEnd: end}
	sealed, err := tokens.SealSession(s, i.current(keys.SessionCookie))
	if err != nil {
		i.t.Fatalf("authtest: sealing a cookie: %v", err)
	}
	return &http.Cookie{Name: "__Host-session", Value: sealed}
}

// current returns the key that signs or seals now.
func (i *Issuer) current(p keys.Purpose) keys.Key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.key(i.rings[len(i.rings)-1], p)
}

func (i *Issuer) key(r *keys.Ring, p keys.Purpose) keys.Key {
	k, err := r.Current(p, time.Now())
	if err != nil {
		i.t.Fatalf("authtest: finding a key: %v", err)
	}
	return k
}

// ids are what a token can be revoked by.
type ids struct {
	Token   tokens.ID `json:"jti"`
	Session tokens.ID `json:"sid"`
}

// idsOf reads a token that Token made, or any other: revoking needs no trust.
func (i *Issuer) idsOf(token string) (id ids) {
	i.t.Helper()
	in, err := tokens.InspectUnverified(token)
	if err == nil {
		err = json.Unmarshal(in.Payload, &id)
	}
	if err != nil {
		i.t.Fatalf("authtest: reading a token: %v", err)
	}
	return id
}
