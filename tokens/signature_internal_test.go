package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"math/big"
	mathrand "math/rand/v2"
	"testing"

	"github.com/golang-jwt/jwt/v5"

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

// What we hand to crypto/ecdsa and crypto/rsa ourselves verifies exactly when
// golang-jwt says so (and, of ES256, s is the lower one).
func TestSignaturesVerifyWhenGolangJWTVerifiesThem(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long, err := rsa.GenerateKey(rand.Reader, MinRSABits)
	if err != nil {
		t.Fatal(err)
	}
	const input = "a.b"
	good := 0
	compare := func(alg keys.Alg, public crypto.PublicKey, sig []byte) {
		t.Helper()
		want := jwt.GetSigningMethod(string(alg)).Verify(input, sig, public) == nil && (alg != keys.ES256 || lowS(sig))
		if want {
			good++
		}
		if err := verifySignature(alg, public, input, sig); (err == nil) != want {
			t.Errorf("%s %x: %v, golang-jwt takes it: %v", alg, sig, err, want)
		}
	}
	for range 300 {
		sig, err := signES256(ec, input)
		if err != nil {
			t.Fatal(err)
		}
		compare(keys.ES256, &ec.PublicKey, sig)
		for _, edited := range edits(sig, elliptic.P256().Params().N) {
			compare(keys.ES256, &ec.PublicKey, edited)
		}
	}
	sig, err := signRS256(long, long.Public(), input)
	if err != nil {
		t.Fatal(err)
	}
	compare(keys.RS256, long.Public(), sig)
	for _, edited := range edits(sig, long.N) {
		compare(keys.RS256, long.Public(), edited)
	}
	if good != 301 {
		t.Errorf("%d were good, of 301", good)
	}
}

// edits are signatures near this one, for a modulus.
func edits(sig []byte, modulus *big.Int) (all [][]byte) {
	half := len(sig) / 2
	n := modulus.FillBytes(make([]byte, max(half, len(modulus.Bytes()))))
	flipped := append([]byte(nil), sig...)
	flipped[mathrand.IntN(len(sig))] ^= 1 << mathrand.IntN(8)
	all = append(all, flipped, make([]byte, len(sig)), sig[:len(sig)-1], append([]byte{0}, sig...), append(append([]byte(nil), sig...), 0), n)
	for _, part := range [][]byte{make([]byte, half), n[:half]} {
		all = append(all, append(append([]byte(nil), part...), sig[half:]...), append(append([]byte(nil), sig[:half]...), part...))
	}
	return all
}

// DER has one spelling, the shortest.
func TestDERIsWhatTheLibraryWrites(t *testing.T) {
	for n := range 3000 {
		sig := make([]byte, 64)
		_, _ = rand.Read(sig)
		for i := range n % 33 { // so many zeros ahead
			sig[i], sig[63-i] = 0, sig[63-i]&0x80
		}
		want, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])})
		if err != nil {
			t.Fatal(err)
		}
		if got := toDER(sig); string(got) != string(want) {
			t.Fatalf("%x gives %x, want %x", sig, got, want)
		}
	}
}
