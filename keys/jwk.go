package keys

import (
	"bytes"
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
)

// jwk is the JSON form of one key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2), in
// the order in which we write its members.
type jwk struct {
	Kid string `json:"kid,omitempty"`
	Kty string `json:"kty"`
	Alg Alg    `json:"alg,omitempty"`
	Use string `json:"use,omitempty"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	K   string `json:"k,omitempty"`
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
func thumbprint(m material) string {
	j := describe(m)
	var text string
	switch j.Kty {
	case "EC":
		text = fmt.Sprintf(`{"crv":%q,"kty":"EC","x":%q,"y":%q}`, j.Crv, j.X, j.Y)
	case "OKP":
		text = fmt.Sprintf(`{"crv":%q,"kty":"OKP","x":%q}`, j.Crv, j.X)
	case "RSA":
		text = fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, j.E, j.N)
	default:
		text = fmt.Sprintf(`{"k":%q,"kty":"oct"}`, j.K)
	}
	sum := sha256.Sum256([]byte(text))
	return encode64(sum[:])
}

// privateMembers are the names that a public key must not have (RFC 7518
// §6.2.2, §6.3.2): somebody has published a private key.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth"}

// parsePublic reads the public half of a signing key. Members beyond those of
// its type are left in o, save private ones, which are refused.
func parsePublic(alg Alg, o *object) (crypto.PublicKey, error) {
	if slices.ContainsFunc(privateMembers, o.has) {
		return nil, fmt.Errorf("%w: a private key where a public one belongs", ErrKeyMaterial)
	}
	var public crypto.PublicKey
	var err error
	switch kty := o.text("kty"); {
	case kty == "EC" && alg == ES256:
		public, err = parseEC(o)
	case kty == "OKP" && alg == EdDSA:
		public, err = parseOKP(o)
	case kty == "RSA" && alg == RS256:
		public, err = parseRSA(o)
	default:
		return nil, fmt.Errorf("%w: key type %q does not fit %s", ErrKeyMaterial, clip(kty), alg)
	}
	if o.err != nil {
		return nil, o.err
	}
	if err != nil {
		return nil, err
	}
	return public, checkPublic(alg, public)
}

func parseEC(o *object) (crypto.PublicKey, error) {
	crv, x, y := o.text("crv"), o.bytes("x"), o.bytes("y")
	if crv != "P-256" || len(x) != 32 || len(y) != 32 {
		return nil, fmt.Errorf("%w: ES256 wants the curve P-256 and 32 bytes each of x and y (RFC 7518 §6.2.1)", ErrKeyMaterial)
	}
	point, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, fmt.Errorf("%w: a point that is not on P-256", ErrKeyMaterial)
	}
	return point, nil
}

func parseOKP(o *object) (crypto.PublicKey, error) {
	crv, x := o.text("crv"), o.bytes("x")
	if crv != "Ed25519" || len(x) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: EdDSA wants the curve Ed25519 and 32 bytes of x (RFC 8037 §2)", ErrKeyMaterial)
	}
	return ed25519.PublicKey(x), nil
}

func parseRSA(o *object) (crypto.PublicKey, error) {
	n, e := o.bytes("n"), o.bytes("e")
	if len(n) == 0 || n[0] == 0 || len(n) > rsaMaxBits/8 || !bytes.Equal(e, []byte{1, 0, 1}) {
		return nil, fmt.Errorf("%w: RS256 wants n without leading zeros, at most %d bit, and e = AQAB (RFC 7518 §6.3.1)", ErrKeyMaterial, rsaMaxBits)
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: rsaE}, nil
}

func encode64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// decode64 accepts exactly what encode64 writes: no padding, no line breaks,
// no spare bits (RFC 7515 §2, RFC 4648 §3.5).
func decode64(s string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil && encode64(b) == s
}

// marshal is json.Marshal of a value that can not fail.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("keys: " + err.Error()) // only for types without a JSON form
	}
	return b
}
