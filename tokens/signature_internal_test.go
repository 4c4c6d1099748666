package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/sealring-dev/sealring/keys"
)

// keys lets none of these through; the signature's own check does not rely on it.
func TestSignaturesOfUnfitKeysAreRefused(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const input = "a.b"
	digest := sha256.Sum256([]byte(input))
	rs, err := rsa.SignPKCS1v15(rand.Reader, short, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	if err := rsa.VerifyPKCS1v15(&short.PublicKey, crypto.SHA256, digest[:], rs); err != nil {
		t.Fatal(err)
	}
	ed := ed25519.Sign(private, []byte(input))
	for name, c := range map[string]struct {
		alg    keys.Alg
		public crypto.PublicKey
		sig    []byte
	}{
		"RSA of 2048 bits":            {keys.RS256, &short.PublicKey, rs},
		"an RSA key for ES256":        {keys.ES256, &short.PublicKey, rs},
		"P-384 for ES256":             {keys.ES256, &p384.PublicKey, make([]byte, 64)},
		"an Ed25519 key for RS256":    {keys.RS256, public, ed},
		"an Ed25519 key for ES256":    {keys.ES256, public, ed},
		"an algorithm there is not":   {"HS256", public, ed},
		"a sealing algorithm":         {keys.A256GCM, public, ed},
		"no key at all":               {keys.EdDSA, nil, ed},
		"an Ed25519 key cut short":    {keys.EdDSA, public[:31], ed},
		"a nil key where RSA is due":  {keys.RS256, nil, rs},
		"a nil key where EC is asked": {keys.ES256, nil, ed},
	} {
		if err := verifySignature(c.alg, c.public, input, c.sig); err == nil {
			t.Errorf("%s: verified", name)
		}
	}
	if err := verifySignature(keys.EdDSA, public, input, ed); err != nil {
		t.Errorf("a fit key: %v", err)
	}
	if _, err := signRS256(short, short.Public(), input); !errors.Is(err, ErrKey) {
		t.Errorf("signing with 2048 bits: %v", err)
	}
}
