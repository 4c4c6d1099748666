package revocation

import (
	"crypto/sha256"

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
	named(Client, c.ClientID)
	for _, aud := range c.Audience {
		named(Audience, aud)
	}
	named(Claims, c.Subject)
	return ts
}

// Matches reports whether the entry kills a token with these claims.
func (e Entry) Matches(c *tokens.Claims) bool {
	if e.Type.spares(c, e.T) {
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
		return c.ClientID != "" && e.ID == hashed(Client, c.Issuer, c.ClientID)
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
// type.
func (t Type) spares(c *tokens.Claims, before uint32) bool {
	if t == Claims {
		return c.IssuedAt.Unix() >= int64(before)
	}
	return t.notBefore() && began(c) >= int64(before)
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
