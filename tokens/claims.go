package tokens

import (
	"time"
)

// Claims are the claims of an access token (RFC 9068 §2.2) with the session
// it belongs to. Every time is a whole second, in UTC; Sign rounds down.
//
// A text is 1 to 255 bytes of UTF-8 (an issuer to 512) without control
// characters, since it may end up in a header line. A list has at most 255.
type Claims struct {
	Issuer    string    // iss
	Subject   string    // sub
	Audience  []string  // aud, at least one; issued as an array, taken also as a single string (RFC 7519 §4.1.3)
	ExpiresAt time.Time // exp, after IssuedAt by at most MaxLifetime
	IssuedAt  time.Time // iat
	ID        ID        // jti
	SessionID ID        // sid; zero for a service's own token (client_credentials): absent in the token
	ClientID  string    // client_id
	Scope     []string  // scope, space-delimited in the token (RFC 6749 §3.3); may be absent
	Roles     []string  // roles; may be absent
	AuthTime  time.Time // auth_time: the login, unchanged by every refresh; required with a SessionID, else absent means IssuedAt
	Actors    []string  // act (RFC 8693 §4.1), of a token that was exchanged: the clients that act for the subject, the newest first and last the one of the login; at most MaxActors, nested in the token

	NotBefore time.Time // nbf, which Sign never issues; set by Verify
	KeyID     string    // the header's kid; set by Verify, ignored by Sign
}

// MaxLifetime is the longest time from iat to exp. A token lives minutes; what
// claims to live longer than a day was made by mistake.
const MaxLifetime = 24 * time.Hour

// MaxActors is how many clients may act for each other.
const MaxActors = 6

const (
	maxIssuer = 512
	maxText   = 255 // OpenID Connect Core §2 has this for sub
	maxList   = 255
	maxScope  = 4096
	maxTime   = 1<<32 - 1 // revocations count in 32 bits: to the year 2106
)

const (
	faultMissing  jsonFault = "claim missing"
	faultCase     jsonFault = "claim in another case"
	faultControl  jsonFault = "control character"
	faultEmpty    jsonFault = "empty text"
	faultList     jsonFault = "list too long or empty"
	faultScope    jsonFault = "malformed scope"
	faultID       jsonFault = "malformed id"
	faultLife     jsonFault = "exp is not within a day after iat"
	faultAuthTime jsonFault = "sid without auth_time"
	faultBound    jsonFault = "bound to a key (cnf)"
)

// validate checks the rules that hold between claims and at issue as on
// verifying. What it accepts, Verify reads back the same.
func (c *Claims) validate() error {
	for _, text := range [...]string{c.Issuer, c.Subject, c.ClientID} {
		if err := validText(text, maxIssuer); err != nil {
			return err
		}
	}
	if len(c.Subject) > maxText || len(c.ClientID) > maxText {
		return faultLong
	}
	if c.ID.IsZero() {
		return faultMissing
	}
	if err := c.validateLists(); err != nil {
		return err
	}
	return c.validateTimes()
}

func (c *Claims) validateLists() error {
	if len(c.Audience) == 0 {
		return faultList
	}
	if len(c.Actors) > MaxActors {
		return faultList
	}
	for _, list := range [...][]string{c.Audience, c.Scope, c.Roles, c.Actors} {
		if len(list) > maxList {
			return faultList
		}
		for _, text := range list {
			if err := validText(text, maxText); err != nil {
				return err
			}
		}
	}
	for _, s := range c.Scope {
		if !scopeToken(s) {
			return faultScope
		}
	}
	return nil
}

func (c *Claims) validateTimes() error {
	iat, exp := c.IssuedAt.Unix(), c.ExpiresAt.Unix()
	if !validTime(c.IssuedAt) || !validTime(c.ExpiresAt) {
		return faultRange
	}
	if exp <= iat || exp-iat > int64(MaxLifetime/time.Second) {
		return faultLife
	}
	if c.AuthTime.IsZero() {
		if !c.SessionID.IsZero() {
			return faultAuthTime
		}
		return nil
	}
	if !validTime(c.AuthTime) {
		return faultRange
	}
	return nil
}

func validTime(t time.Time) bool { return t.Unix() > 0 && t.Unix() <= maxTime }
