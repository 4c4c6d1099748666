package keys

import (
	"fmt"
	"strings"
)

// MaxSetBytes is how large a JWK Set may be that is parsed.
const MaxSetBytes = 512 << 10

// use is the "use" member (RFC 7517 §4.2) by which a set tells purposes
// apart. That of feed keys is our own: a stranger's verifier passes it over
// instead of trusting the key with access tokens.
func (p Purpose) use() string {
	switch p {
	case AccessToken:
		return "sig"
	case Feed:
		return "sealring-feed"
	}
	return "enc"
}

// purposeOf finds what an entry with this use and alg is for. Refresh token
// keys are in no set.
func purposeOf(use string, alg Alg) (Purpose, bool) {
	for _, p := range []Purpose{AccessToken, Feed, SessionCookie} {
		if p.use() == use && p.allows(alg) {
			return p, true
		}
	}
	return "", false
}

// JWKS writes the set as a JWK Set (RFC 7517 §5), always the same bytes for
// the same keys: kid, kty, alg, use, then crv, x, y or n, e or k, and names, the
// table of a session key. With session keys in it the result is a secret.
func (s *Set) JWKS() []byte {
	list := make([]jwk, len(s.keys))
	for i, k := range s.keys {
		j := describe(k.material())
		j.Kid, j.Alg, j.Use, j.Names = k.ID, k.Alg, k.Purpose.use(), k.Names().joined()
		list[i] = j
	}
	return marshal(map[string][]jwk{"keys": list})
}

// ParseSet reads a JWK Set of at most 512 KiB and 64 keys. Entries whose use
// and alg together are none of ours are passed over, as another issuer's set
// may hold them; one that claims to be ours must be right in everything: its
// type fits its alg, the point is on the curve and not of small order, RSA has
// 3072 bit or more and no small factor, no private half is there, and the kid is the RFC 7638 thumbprint. A name twice
// in one object or a kid twice in the set fails it (ErrMalformed,
// ErrKeyMaterial). It needs memory for at most four times the input and 64 KiB.
func ParseSet(jwks []byte) (*Set, error) {
	doc, err := checkJSON(jwks, MaxSetBytes)
	if err != nil {
		return nil, fmt.Errorf("parsing a key set: %w", err)
	}
	o := newObject(doc)
	list := o.list("keys", MaxKeys)
	if o.err != nil {
		return nil, fmt.Errorf("parsing a key set: %w", o.err)
	}
	if len(list) > MaxKeys {
		return nil, fmt.Errorf("parsing a key set: %w: more than %d keys", ErrMalformed, MaxKeys)
	}
	keys := make([]Key, 0, len(list))
	seen := make(map[string]bool, len(list))
	for i, raw := range list {
		k, ours, err := parseEntry(raw, seen)
		if err != nil {
			return nil, fmt.Errorf("parsing a key set: entry %d: %w", i, err)
		}
		if ours {
			keys = append(keys, k)
		}
	}
	return newSet(keys), nil
}

// parseEntry reads one JWK; ours is false for one to pass over.
func parseEntry(raw string, seen map[string]bool) (k Key, ours bool, err error) {
	o := newObject(raw)
	kid, use, alg := o.optional("kid"), o.optional("use"), Alg(strings.Clone(o.optional("alg")))
	if o.err != nil {
		return Key{}, false, o.err
	}
	if seen[kid] && kid != "" {
		return Key{}, false, fmt.Errorf("%w: the kid %q twice", ErrMalformed, clip(kid))
	}
	seen[kid] = true
	p, ours := purposeOf(use, alg)
	if !ours {
		return Key{}, false, nil
	}
	m, err := parseMaterial(p, alg, o)
	if err != nil {
		return Key{}, false, err
	}
	if m.print != kid {
		return Key{}, false, fmt.Errorf("%w: the kid %q is not the key's RFC 7638 thumbprint", ErrKeyMaterial, clip(kid))
	}
	return Key{ID: m.print, Purpose: p, Alg: alg, hidden: hide(m)}, true, nil
}

func parseMaterial(p Purpose, alg Alg, o *object) (material, error) {
	if !p.seals() {
		return parsePublic(alg, o)
	}
	kty := o.text("kty")
	m, err := parseOct(o, "k")
	if err == nil && kty != "oct" {
		err = fmt.Errorf("%w: %s wants the key type oct (RFC 7518 §6.4)", ErrKeyMaterial, alg)
	}
	return m, err
}

// parseOct reads the bytes of a sealing key, and its table.
func parseOct(o *object, name string) (material, error) {
	j := jwk{Kty: "oct", K: o.text(name)}
	m := material{secret: o.decoded(name, j.K), print: j.thumbprint(), names: o.names("names")}
	if o.err != nil {
		return material{}, o.err
	}
	if len(m.secret) != SecretSize {
		return material{}, fmt.Errorf("%w: a sealing key has %d bytes (RFC 7518 §6.4)", ErrKeyMaterial, SecretSize)
	}
	return m, nil
}
