package tokens

import (
	"encoding/base64"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// A token that Sign has made says everything twice over: in names, quotes and
// base64. Inside a cookie it is kept as what it consists of, and unpack makes
// the very same token of it again. pack tries that out first, so a token in any
// other spelling is never kept this way.
//
// In this order: alg as its index in packedAlgs, one byte; the decoded kid, one
// byte of length first; the signature; iat, exp and auth_time as four bytes
// each, auth_time zero where it is absent; jti; sid, zeroes where it is absent;
// and then the texts, which alone can be squeezed: iss, sub, client_id, and the
// lists aud, scope and roles.

var packedAlgs = [...]keys.Alg{keys.ES256, keys.EdDSA, keys.RS256}

// pack takes a token apart. It reports false for one that unpack would not give
// back.
func pack(header, payload, signature []byte) (fixed, texts []byte, ok bool) {
	h, err := parseHeader(string(header))
	if err != nil || h.typ != TypAccess {
		return nil, nil, false
	}
	p, err := parseClaims(string(payload), 0)
	if err != nil {
		return nil, nil, false
	}
	alg := slices.Index(packedAlgs[:], keys.Alg(h.alg))
	kid, err := decode(h.kid)
	if alg < 0 || err != nil || len(kid) > maxKidLen {
		return nil, nil, false
	}
	c := p.Claims
	if !p.seen[claimAuthTime] {
		c.AuthTime = time.Time{}
	}
	var w writer
	w.byte(byte(alg))
	w.byte(byte(len(kid)))
	w.out = append(w.out, kid...)
	w.block(signature)
	w.numbers(&c)
	fixed, w.out = w.out, nil
	w.names(&c)
	f, t := fields{in: fixed}, fields{in: w.out}
	again, ok := unpack(&f, &t)
	return fixed, w.out, ok && again == compact(header, payload, signature)
}

// unpack puts the token together again.
func unpack(f, texts *fields) (string, bool) {
	alg := int(f.byte())
	f.demand(alg < len(packedAlgs))
	kid := f.take(int(f.byte()))
	signature := f.block()
	var c Claims
	f.numbers(&c)
	texts.names(&c)
	f.demand(len(kid) > 0 && len(signature) > 0)
	if !f.done() || !texts.done() {
		return "", false
	}
	payload, err := encodeClaims(&c)
	if err != nil {
		return "", false
	}
	head := headerJSON(string(packedAlgs[alg]), base64.RawURLEncoding.EncodeToString(kid), TypAccess)
	return compact([]byte(head), payload, signature), true
}

func (w *writer) numbers(c *Claims) {
	w.time(c.IssuedAt)
	w.time(c.ExpiresAt)
	if c.AuthTime.IsZero() {
		w.uint32(0)
	} else {
		w.time(c.AuthTime)
	}
	w.out = append(w.out, c.ID[:]...)
	w.out = append(w.out, c.SessionID[:]...)
}

func (f *fields) numbers(c *Claims) {
	c.IssuedAt, c.ExpiresAt = f.time(), f.time()
	if at := f.uint32(); at != 0 {
		c.AuthTime = time.Unix(int64(at), 0).UTC()
	}
	copy(c.ID[:], f.take(len(c.ID)))
	copy(c.SessionID[:], f.take(len(c.SessionID)))
}

func (w *writer) names(c *Claims) {
	w.text(c.Issuer)
	w.short(c.Subject)
	w.short(c.ClientID)
	for _, list := range [...][]string{c.Audience, c.Scope, c.Roles} {
		w.byte(byte(len(list)))
		for _, s := range list {
			w.short(s)
		}
	}
}

// names makes one text of all that is left, and those it consists of parts of it.
func (f *fields) names(c *Claims) {
	all := string(f.in)
	text := func(b []byte) string { // that was taken just now
		at := len(all) - len(f.in)
		return all[at-len(b) : at]
	}
	short := func() string { return text(f.take(int(f.byte()))) }
	c.Issuer, c.Subject, c.ClientID = text(f.block()), short(), short()
	for _, list := range [...]*[]string{&c.Audience, &c.Scope, &c.Roles} {
		if n := int(f.byte()); n > 0 {
			*list = make([]string, n)
		}
		for i := range *list {
			(*list)[i] = short()
		}
	}
}

// short writes a text of at most 255 bytes, as each of Claims is but the issuer.
func (w *writer) short(s string) {
	w.byte(byte(len(s)))
	w.out = append(w.out, s...)
}
