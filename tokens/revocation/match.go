package revocation

import (
	"crypto/sha256"
	"iter"

	"github.com/sealring-dev/sealring/tokens"
)

// hashed is the ID of a target that is named by a string: the first 16 bytes
// of SHA-256(type ‖ issuer ‖ value). Nothing need stand between the issuer
// and the value, because a list only ever holds entries of one issuer.
func hashed(t Type, iss, value string) (id [16]byte) {
	var buf [256]byte // on the stack: most issuers and subjects fit
	b := append(buf[:0], byte(t))
	b = append(append(b, iss...), value...)
	sum := sha256.Sum256(b)
	copy(id[:], sum[:])
	return id
}

// Targets returns every target by which an entry could match a token with
// these claims: what an index of live connections files a connection under.
// When an entry is applied, look up its Target there and ask [Entry.Matches].
// They stand in the order in which Match looks for them.
func Targets(c *tokens.Claims) []Target {
	ts := make([]Target, 0, 7+len(c.Audience))
	if !c.SessionID.IsZero() {
		ts = append(ts, Target{Session, c.SessionID})
	}
	if !c.ID.IsZero() {
		ts = append(ts, Target{Token, c.ID})
	}
	named := func(t Type, value string) {
		if value != "" {
			ts = append(ts, Target{t, hashed(t, c.Issuer, value)})
		}
	}
	named(Key, c.KeyID)
	ts = append(ts, Target{Type: All})
	named(Subject, c.Subject)
	for client := range clients(c) {
		named(Client, client)
	}
	for _, aud := range c.Audience {
		named(Audience, aud)
	}
	named(Claims, c.Subject)
	return ts
}

// Matches reports whether the entry kills a token with these claims.
func (e Entry) Matches(c *tokens.Claims) bool {
	if e.Type.spares(c, &e.ID, e.T) {
		return false
	}
	switch e.Type {
	case Token:
		return !c.ID.IsZero() && e.ID == c.ID
	case Session:
		return !c.SessionID.IsZero() && e.ID == c.SessionID
	case Subject:
		return c.Subject != "" && e.ID == hashed(Subject, c.Issuer, c.Subject)
	case Client:
		return e.matchesClient(c)
	case Audience:
		return e.matchesAudience(c)
	case Key:
		return c.KeyID != "" && e.ID == hashed(Key, c.Issuer, c.KeyID)
	case All:
		return true
	case Claims:
		return c.Subject != "" && e.ID == hashed(Claims, c.Issuer, c.Subject)
	}
	return false
}

// spares reports whether a token is not from before the time of a not-before
// type. What a client has got by an exchange is from when it got it: whom it acts
// for may have logged in long ago, and may go on to be acted for by a client that has
// a new secret.
func (t Type) spares(c *tokens.Claims, id *[16]byte, before uint32) bool {
	if t == Claims || t == Client && exchanged(c, id) {
		return c.IssuedAt.Unix() >= int64(before)
	}
	return t.notBefore() && began(c) >= int64(before)
}

// clients yields the client of a token, and those that acted before it.
func clients(c *tokens.Claims) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(c.ClientID) {
			return
		}
		for _, name := range c.Actors {
			if name != c.ClientID && !yield(name) {
				return
			}
		}
	}
}

// exchanged reports whether a client has got a token by an exchange, and not by the
// login.
func exchanged(c *tokens.Claims, client *[16]byte) bool {
	last := len(c.Actors) - 1
	return last > 0 && *client != hashed(Client, c.Issuer, c.Actors[last])
}

func (e Entry) matchesClient(c *tokens.Claims) bool {
	for client := range clients(c) {
		if client != "" && e.ID == hashed(Client, c.Issuer, client) {
			return true
		}
	}
	return false
}

func (e Entry) matchesAudience(c *tokens.Claims) bool {
	for _, aud := range c.Audience {
		if aud != "" && e.ID == hashed(Audience, c.Issuer, aud) {
			return true
		}
	}
	return false
}

// began is when the token's session began, in Unix seconds: its login, and
// not its iat, which a service that has not heard of a revocation could still
// renew. A service's own token has no login; it began when it was issued.
func began(c *tokens.Claims) int64 {
	if c.AuthTime.IsZero() {
		return c.IssuedAt.Unix()
	}
	return c.AuthTime.Unix()
}
