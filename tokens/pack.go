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
// lists aud, scope and roles. With a table the lists come before the texts, as
// codes, and of theirs only those that have none are among the texts.

var packedAlgs = [...]keys.Alg{keys.ES256, keys.EdDSA, keys.RS256}

// pack takes a token apart. It reports false for one that unpack would not give
// back.
func pack(header, payload, signature []byte, table *keys.Names) (fixed, texts []byte, ok bool) {
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
	var t writer
	t.parties(&c)
	if lists := [...][]string{c.Audience, c.Scope, c.Roles}; table.Len() > 0 {
		w.coded(table, &t, lists[:]...) // unpack tells if it is too much
	} else {
		t.lists(lists[:]...)
	}
	again, ok := unpack(&fields{in: w.out}, &fields{in: t.out}, table)
	return w.out, t.out, ok && again == compact(header, payload, signature)
}

// unpack puts the token together again.
func unpack(f, texts *fields, table *keys.Names) (string, bool) {
	alg := int(f.byte())
	f.demand(alg < len(packedAlgs))
	kid := f.take(int(f.byte()))
	signature := f.block()
	var c Claims
	f.numbers(&c)
	texts.whole = string(texts.in)
	texts.parties(&c)
	if lists := [...]*[]string{&c.Audience, &c.Scope, &c.Roles}; table.Len() > 0 {
		f.coded(table, texts, lists[:]...)
	} else {
		texts.lists(lists[:]...)
	}
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

func (w *writer) parties(c *Claims) {
	w.text(c.Issuer)
	w.short(c.Subject)
	w.short(c.ClientID)
}

func (f *fields) parties(c *Claims) {
	c.Issuer, c.Subject, c.ClientID = f.word(f.block()), f.short(), f.short()
}

// lists writes for each a count of one byte and the texts.
func (w *writer) lists(lists ...[]string) {
	for _, list := range lists {
		w.byte(byte(len(list)))
		for _, s := range list {
			w.short(s)
		}
	}
}

func (f *fields) lists(lists ...*[]string) {
	for _, list := range lists {
		if n := int(f.byte()); n > 0 {
			*list = make([]string, n)
		}
		for i := range *list {
			(*list)[i] = f.short()
		}
	}
}

// short writes a text of at most 255 bytes, as each of Claims is but the issuer.
func (w *writer) short(s string) {
	w.byte(byte(len(s)))
	w.out = append(w.out, s...)
}

func (f *fields) short() string { return f.word(f.take(int(f.byte()))) }
