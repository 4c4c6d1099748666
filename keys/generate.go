package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
)

// Sizes of what is generated and accepted.
const (
	SecretSize = 32   // bytes of a sealing key
	rsaBits    = 3072 // generated, and the least that is accepted
	rsaMaxBits = 8192 // more would only make verifying slow
	rsaE       = 65537
)

// ErrKeyMaterial says that a key can not be used for what it is meant for:
// another type, another curve, too short, not on the curve, of small order,
// with a factor that anybody finds.
var ErrKeyMaterial = errors.New("unusable key material")

// Generate makes a new key. ES256 gives a P-256 key, EdDSA an Ed25519 key,
// RS256 an RSA key of 3072 bit, A256GCM and A256KW 32 random bytes. Its ID does
// not begin with a dash, so that a command line takes it for no flag. It fails
// (ErrKeyMaterial) only if the algorithm is not one of the purpose's.
func Generate(p Purpose, alg Alg) (Key, error) {
	if !p.allows(alg) {
		return Key{}, fmt.Errorf("%w: a %q key can not use %q", ErrKeyMaterial, p, alg)
	}
	for {
		k, err := draw(p, alg)
		if err != nil || k.ID[0] != '-' {
			return k, err
		}
	}
}

func draw(p Purpose, alg Alg) (Key, error) {
	if p.seals() {
		secret := make([]byte, SecretSize)
		rand.Read(secret) // never fails (crypto/rand)
		return NewSealingKey(p, secret)
	}
	signer, err := generateSigner(alg)
	if err != nil {
		return Key{}, fmt.Errorf("generating a key: %w", err)
	}
	return NewSigningKey(p, alg, signer)
}

func generateSigner(alg Alg) (crypto.Signer, error) {
	switch alg {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	default:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	}
}

// NewSigningKey makes a key from any crypto.Signer, a KMS or PKCS#11 key
// included. Its public half must be a *ecdsa.PublicKey on P-256 for ES256, an
// ed25519.PublicKey on the curve and not of small order for EdDSA or a
// *rsa.PublicKey of 3072 to 8192 bit, without a factor below 752 and with the
// exponent 65537, for RS256 (else ErrKeyMaterial). The private half of a
// *ecdsa.PrivateKey, ed25519.PrivateKey or *rsa.PrivateKey is kept with the
// ring; that of any other signer is not, see Ring.Attach.
func NewSigningKey(p Purpose, alg Alg, signer crypto.Signer) (Key, error) {
	if p.seals() || !p.allows(alg) {
		return Key{}, fmt.Errorf("%w: a %q key can not use %q", ErrKeyMaterial, p, alg)
	}
	public := publicOf(signer)
	if public == nil {
		return Key{}, fmt.Errorf("%w: no signer, or one without a public key", ErrKeyMaterial)
	}
	if err := checkPublic(alg, public); err != nil {
		return Key{}, err
	}
	m := material{signer: signer, public: public, external: !storable(signer)}
	m.print = describe(m).thumbprint()
	return Key{ID: m.print, Purpose: p, Alg: alg, hidden: hide(m)}, nil
}

// NewSealingKey makes a sealing key of 32 random bytes: A256GCM for session
// cookies, A256KW for refresh tokens. The bytes are copied. They must be
// random, not a password: the key's ID is a hash of them and is published.
func NewSealingKey(p Purpose, secret []byte) (Key, error) {
	if !p.seals() {
		return Key{}, fmt.Errorf("%w: a %q key does not seal", ErrKeyMaterial, p)
	}
	if len(secret) != SecretSize {
		return Key{}, fmt.Errorf("%w: a sealing key has %d bytes, not %d", ErrKeyMaterial, SecretSize, len(secret))
	}
	m := material{secret: bytes.Clone(secret)}
	m.print = describe(m).thumbprint()
	return Key{ID: m.print, Purpose: p, Alg: p.algs()[0], hidden: hide(m)}, nil
}

// storable tells a private key that can be written into the ring from a
// handle to one that lives elsewhere.
func storable(signer crypto.Signer) bool {
	switch signer.(type) {
	case *ecdsa.PrivateKey, ed25519.PrivateKey, *rsa.PrivateKey:
		return true
	}
	return false
}
