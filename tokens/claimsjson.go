package tokens

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// payload is the form in which Sign issues claims; reading is parseClaims'.
type payload struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  []string `json:"aud"`
	ClientID  string   `json:"client_id"`
	ExpiresAt int64    `json:"exp"`
	IssuedAt  int64    `json:"iat"`
	AuthTime  int64    `json:"auth_time,omitempty"`
	ID        ID       `json:"jti"`
	SessionID *ID      `json:"sid,omitempty"`
	Scope     string   `json:"scope,omitempty"`
	Roles     []string `json:"roles,omitempty"`
	Actor     *actor   `json:"act,omitempty"`
}

// encodeClaims writes valid claims.
func encodeClaims(c *Claims) ([]byte, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("tokens: claims: %w", err)
	}
	p := payload{
		Issuer: c.Issuer, Subject: c.Subject, Audience: c.Audience, ClientID: c.ClientID,
		ExpiresAt: c.ExpiresAt.Unix(), IssuedAt: c.IssuedAt.Unix(),
		ID: c.ID, Scope: strings.Join(c.Scope, " "), Roles: c.Roles, Actor: actorOf(c.Actors),
	}
	if !c.AuthTime.IsZero() {
		p.AuthTime = c.AuthTime.Unix()
	}
	if !c.SessionID.IsZero() {
		p.SessionID = &c.SessionID
	}
	return json.Marshal(p)
}

// claimNames are the claims that mean something here. nbf and cnf are never
// issued, but a verifier that overlooked them would take a token that is not
// valid yet (RFC 7519 §4.1.5), or that only the holder of a key may use (RFC
// 7800): the first is honoured, the second refused.
var claimNames = [...]string{
	"iss", "sub", "aud", "exp", "iat", "jti", "client_id", // required
	"sid", "scope", "roles", "auth_time", "nbf", "cnf", "act",
}

// Places in claimNames.
const (
	required      = 7 // the first ones
	claimAuthTime = 10
)

// parsed are the claims as they stand in a payload.
type parsed struct {
	Claims
	seen [len(claimNames)]bool
	over int64 // see parseClaims
}

// errOver is why parseClaims stops early.
const errOver jsonFault = "expired"

// parseClaims reads a payload strictly. Claims it does not know are ignored
// (RFC 7519 §4), unless the name is a known one in another case: some readers
// would take that for the claim.
//
// What exp says to be over by a moment in Unix seconds is not read on: the error
// is errOver. With 0 nothing is.
func parseClaims(doc string, over int64) (*parsed, error) {
	r, err := newReader(doc)
	if err != nil {
		return nil, err
	}
	o, err := r.object()
	if err != nil {
		return nil, err
	}
	p := parsed{over: over}
	for {
		name, more, err := o.next()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		if err := p.member(&r, name); err != nil {
			return nil, err
		}
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return &p, p.complete()
}

func (p *parsed) member(r *reader, name string) (err error) {
	for i, known := range claimNames {
		if name == known {
			p.seen[i] = true
			return p.known(r, name)
		}
	}
	for _, known := range claimNames {
		if strings.EqualFold(name, known) {
			return faultCase
		}
	}
	return r.skip()
}

func (p *parsed) known(r *reader, name string) (err error) {
	switch name {
	case "iss":
		p.Issuer, err = r.text(maxIssuer)
	case "sub":
		p.Subject, err = r.text(maxText)
	case "client_id":
		p.ClientID, err = r.text(maxText)
	case "aud":
		p.Audience, err = r.audience()
	case "roles":
		p.Roles, err = r.texts()
	case "scope":
		p.Scope, err = r.scope()
	case "exp":
		if p.ExpiresAt, err = r.time(); err == nil && p.ExpiresAt.Unix() <= p.over {
			err = errOver
		}
	case "iat":
		p.IssuedAt, err = r.time()
	case "nbf":
		p.NotBefore, err = r.time()
	case "auth_time":
		p.AuthTime, err = r.time()
	case "jti":
		p.ID, err = r.id()
	case "sid":
		p.SessionID, err = r.id()
	case "act":
		p.Actors, err = r.actors(nil)
	default: // cnf
		err = faultBound
	}
	return err
}

// complete checks presence and the rules of Claims. Without auth_time the
// token is a service's own and nobody logged in: its issue stands for it, so
// that a not-before revocation of its client has a time to compare with.
func (p *parsed) complete() error {
	for _, seen := range p.seen[:required] {
		if !seen {
			return faultMissing
		}
	}
	if err := p.validate(); err != nil {
		return err
	}
	if p.AuthTime.IsZero() {
		p.AuthTime = p.IssuedAt
	}
	return nil
}

// time reads a NumericDate, in whole seconds (RFC 7519 §2).
func (r *reader) time() (time.Time, error) {
	v, err := r.integer(1, maxTime)
	return time.Unix(v, 0).UTC(), err
}

func (r *reader) id() (ID, error) {
	s, err := r.text(idLen)
	if err != nil {
		return ID{}, err
	}
	id, err := ParseID(s)
	if err != nil {
		return ID{}, faultID
	}
	return id, nil
}

// audience reads the two forms that RFC 7519 §4.1.3 permits.
func (r *reader) audience() ([]string, error) {
	if r.peek() == '[' {
		return r.texts()
	}
	s, err := r.text(maxText)
	return []string{s}, err
}

// texts reads an array of at least one string; how many at most, validate says.
func (r *reader) texts() ([]string, error) {
	a, err := r.array()
	if err != nil {
		return nil, err
	}
	var list []string
	for {
		more, err := a.next()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		s, err := r.text(maxText)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	if len(list) == 0 {
		return nil, faultList
	}
	return list, nil
}

func (r *reader) scope() ([]string, error) {
	s, err := r.text(maxScope)
	if err != nil {
		return nil, err
	}
	return splitScope(s)
}
