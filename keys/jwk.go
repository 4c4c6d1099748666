package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// jwk is the JSON form of one key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2), in
// the order in which we write its members.
type jwk struct {
	Kid   string `json:"kid,omitempty"`
	Kty   string `json:"kty"`
	Alg   Alg    `json:"alg,omitempty"`
	Use   string `json:"use,omitempty"`
	Crv   string `json:"crv,omitempty"`
	X     string `json:"x,omitempty"`
	Y     string `json:"y,omitempty"`
	N     string `json:"n,omitempty"`
	E     string `json:"e,omitempty"`
	K     string `json:"k,omitempty"`
	Names string `json:"names,omitempty"`
}

// describe writes what verifies or opens, never a signing key's private half.
func describe(m material) jwk {
	switch public := m.public.(type) {
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 0x04 ‖ x ‖ y
		if err != nil {
			return jwk{} // checkPublic let none of these in
		}
		return jwk{Kty: "EC", Crv: "P-256", X: encode64(point[1:33]), Y: encode64(point[33:])}
	case ed25519.PublicKey:
		return jwk{Kty: "OKP", Crv: "Ed25519", X: encode64(public)}
	case *rsa.PublicKey:
		return jwk{Kty: "RSA", N: encode64(public.N.Bytes()), E: encode64(big.NewInt(int64(public.E)).Bytes())}
	}
	return jwk{Kty: "oct", K: encode64(m.secret)}
}

// thumbprint is the RFC 7638 §3 thumbprint with SHA-256: the required members
// alone, in lexicographic order, without blanks. RFC 8037 §2 gives those of
// OKP. The values are base64url, so nothing needs escaping.
func (j jwk) thumbprint() string {
	var parts []string
	switch j.Kty {
	case "EC":
		parts = []string{`{"crv":"`, j.Crv, `","kty":"EC","x":"`, j.X, `","y":"`, j.Y, `"}`}
	case "OKP":
		parts = []string{`{"crv":"`, j.Crv, `","kty":"OKP","x":"`, j.X, `"}`}
	case "RSA":
		parts = []string{`{"e":"`, j.E, `","kty":"RSA","n":"`, j.N, `"}`}
	default:
		parts = []string{`{"k":"`, j.K, `","kty":"oct"}`}
	}
	text := make([]byte, 0, 160) // of all but RSA keys; these few need no heap
	for _, part := range parts {
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)
	return encode64(sum[:])
}

// privateMembers are the names that a public key must not have (RFC 7518
// §6.2.2, §6.3.2): somebody has published a private key.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth"}

// parsePublic reads the public half of a signing key. Members beyond those of
// its type are left in o, save private ones, which are refused.
func parsePublic(alg Alg, o *object) (material, error) {
	if slices.ContainsFunc(privateMembers, o.has) {
		return material{}, fmt.Errorf("%w: a private key where a public one belongs", ErrKeyMaterial)
	}
	j := jwk{Kty: o.text("kty")}
	var parse func(*object, *jwk) (crypto.PublicKey, error)
	switch {
	case j.Kty == "EC" && alg == ES256:
		parse = parseEC
	case j.Kty == "OKP" && alg == EdDSA:
		parse = parseOKP
	case j.Kty == "RSA" && alg == RS256:
		parse = parseRSA
	default:
		return material{}, fmt.Errorf("%w: key type %q does not fit %s", ErrKeyMaterial, clip(j.Kty), alg)
	}
	public, err := parse(o, &j)
	if o.err != nil {
		return material{}, o.err
	}
	if err != nil {
		return material{}, err
	}
	return material{public: public, print: j.thumbprint()}, nil
}

func parseEC(o *object, j *jwk) (crypto.PublicKey, error) {
	j.Crv, j.X, j.Y = o.text("crv"), o.text("x"), o.text("y")
	x, y := o.decoded("x", j.X), o.decoded("y", j.Y)
	if j.Crv != "P-256" || len(x) != 32 || len(y) != 32 {
		return nil, fmt.Errorf("%w: ES256 wants the curve P-256 and 32 bytes each of x and y (RFC 7518 §6.2.1)", ErrKeyMaterial)
	}
	point, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, fmt.Errorf("%w: a point that is not on P-256", ErrKeyMaterial)
	}
	return point, nil
}

func parseOKP(o *object, j *jwk) (crypto.PublicKey, error) {
	j.Crv, j.X = o.text("crv"), o.text("x")
	x := o.decoded("x", j.X)
	if j.Crv != "Ed25519" || len(x) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: EdDSA wants the curve Ed25519 and 32 bytes of x (RFC 8037 §2)", ErrKeyMaterial)
	}
	return ed25519.PublicKey(x), checkPublic(EdDSA, ed25519.PublicKey(x))
}

func parseRSA(o *object, j *jwk) (crypto.PublicKey, error) {
	j.N, j.E = o.text("n"), o.text("e")
	if len(j.N) > (rsaMaxBits/8*8+5)/6 {
		return nil, fmt.Errorf("%w: RSA keys have at most %d bit", ErrKeyMaterial, rsaMaxBits)
	}
	n := o.decoded("n", j.N)
	if len(n) == 0 || n[0] == 0 || j.E != "AQAB" {
		return nil, fmt.Errorf("%w: RS256 wants n without leading zeros and e = AQAB (RFC 7518 §6.3.1)", ErrKeyMaterial)
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: rsaE}
	return key, checkPublic(RS256, key)
}

func encode64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// decode64 accepts exactly what encode64 writes: no padding, no spare bits
// (RFC 7515 §2, RFC 4648 §3.5), and no line breaks, which the library skips.
func decode64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil
}

// marshal is json.Marshal of a value that can not fail.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("keys: " + err.Error()) // only for types without a JSON form
	}
	return b
}
