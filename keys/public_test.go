package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"github.com/sealring-dev/sealring/keys"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// weak are the keys of small order, as RFC 8032 encodes them: under each, one
// signature that anybody can write down fits a message in eight or more.
var weak = map[string]string{
	"order 1":                  "0100000000000000000000000000000000000000000000000000000000000000",
	"order 2":                  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"order 4":                  "0000000000000000000000000000000000000000000000000000000000000000",
	"order 4, the other x":     "0000000000000000000000000000000000000000000000000000000000000080",
	"order 8":                  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"order 8, the other x":     "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"order 8, the other y":     "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"order 8, the other x, y":  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"order 1 with the sign -0": "0100000000000000000000000000000000000000000000000000000000000080",
	"order 2 with the sign -0": "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

// other encodings of y are those of p more, which 32 bytes have room for.
var crooked = map[string]string{
	"y = p":            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"y = p, other x":   "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"y = p + 1":        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"y = p + 3":        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"y = p + 18":       "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"y = 2, no point":  "0200000000000000000000000000000000000000000000000000000000000000",
	"y = 7, no point":  "0700000000000000000000000000000000000000000000000000000000000080",
	"y = -2, no point": "ebffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

func TestWeakAndCrookedEd25519KeysAreRefused(t *testing.T) {
	for _, list := range []map[string]string{weak, crooked} {
		for name, text := range list {
			x := unhex(t, text)
			if _, err := keys.NewSigningKey(keys.Feed, keys.EdDSA, public{ed25519.PublicKey(x)}); !errors.Is(err, keys.ErrKeyMaterial) {
				t.Errorf("%s, of a signer: %v", name, err)
			}
			x64 := base64.RawURLEncoding.EncodeToString(x)
			sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + x64 + `"}`))
			set := fmt.Sprintf(`{"keys":[{"kid":%q,"kty":"OKP","alg":"EdDSA","use":"sig","crv":"Ed25519","x":%q}]}`,
				base64.RawURLEncoding.EncodeToString(sum[:]), x64)
			if _, err := keys.ParseSet([]byte(set)); !errors.Is(err, keys.ErrKeyMaterial) {
				t.Errorf("%s, in a set: %v", name, err)
			}
		}
	}
}

// The list is not hearsay: Go's own verifier takes one signature, R the
// neutral point and S zero, for many messages under each of these keys.
func TestKeysOfSmallOrderProveNothing(t *testing.T) {
	sig := make([]byte, ed25519.SignatureSize)
	sig[0] = 1
	for name, text := range weak {
		taken := 0
		for i := range 256 {
			if ed25519.Verify(unhex(t, text), fmt.Append(nil, i), sig) {
				taken++
			}
		}
		if taken == 0 {
			t.Errorf("%s: no message of 256 is signed by nobody", name)
		}
	}
}

func TestHonestEd25519KeysAreTaken(t *testing.T) {
	for i := range 200 {
		seed := sha256.Sum256(fmt.Append(nil, i))
		if _, err := keys.NewSigningKey(keys.Feed, keys.EdDSA, ed25519.NewKeyFromSeed(seed[:])); err != nil {
			t.Fatalf("seed %x: %v", seed, err)
		}
	}
}

// modulus is an honest one.
func modulus(t *testing.T) *big.Int {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	return k.N
}

func TestNonsensicalRSAKeysAreRefused(t *testing.T) {
	n := modulus(t)
	times := func(f int64) *big.Int { return new(big.Int).Mul(n, big.NewInt(f)) }
	for _, c := range []struct {
		name string
		key  *rsa.PublicKey
		ok   bool
	}{
		{"an honest one", &rsa.PublicKey{N: n, E: 65537}, true},
		{"none", nil, false},
		{"no modulus", &rsa.PublicKey{E: 65537}, false},
		{"zero", &rsa.PublicKey{N: new(big.Int), E: 65537}, false},
		{"a negative modulus", &rsa.PublicKey{N: new(big.Int).Neg(n), E: 65537}, false},
		{"an even modulus", &rsa.PublicKey{N: new(big.Int).Sub(n, big.NewInt(1)), E: 65537}, false},
		{"a power of two", &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 3071), E: 65537}, false},
		{"a multiple of three", &rsa.PublicKey{N: times(3), E: 65537}, false},
		{"a multiple of 751", &rsa.PublicKey{N: times(751), E: 65537}, false},
		{"the exponent 3", &rsa.PublicKey{N: n, E: 3}, false},
		{"the exponent 1", &rsa.PublicKey{N: n, E: 1}, false},
		{"an even exponent", &rsa.PublicKey{N: n, E: 65536}, false},
		{"3071 bit", &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).Rsh(n, 1), 0, 1), E: 65537}, false},
		{"more than 8192 bit", &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).Lsh(n, 5121), 0, 1), E: 65537}, false},
	} {
		_, err := keys.NewSigningKey(keys.AccessToken, keys.RS256, public{c.key})
		if (err == nil) != c.ok || err != nil && !errors.Is(err, keys.ErrKeyMaterial) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	even := fmt.Sprintf(`{"keys":[{"kid":"1","kty":"RSA","alg":"RS256","use":"sig","e":"AQAB","n":%q}]}`,
		base64.RawURLEncoding.EncodeToString(new(big.Int).Sub(n, big.NewInt(1)).Bytes()))
	if _, err := keys.ParseSet([]byte(even)); !errors.Is(err, keys.ErrKeyMaterial) {
		t.Errorf("an even modulus in a set: %v", err)
	}
}

// A signer is a driver for some box: whatever it gives is an error at most.
func TestASignerWithoutAUsablePublicKeyIsAnErrorAndNoPanic(t *testing.T) {
	good := other(t)
	for name, signer := range map[string]crypto.Signer{
		"nothing":                       nil,
		"no public key":                 public{nil},
		"a nil EC key":                  public{(*ecdsa.PublicKey)(nil)},
		"an empty EC key":               public{&ecdsa.PublicKey{}},
		"an EC key without a point":     public{&ecdsa.PublicKey{Curve: elliptic.P256()}},
		"an EC key without x":           public{&ecdsa.PublicKey{Curve: elliptic.P256(), Y: big.NewInt(1)}},
		"an EC key without y":           public{&ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1)}},
		"a point off the curve":         public{&ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}},
		"a negative point":              public{&ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(-1), Y: big.NewInt(1)}},
		"an EC key by value":            public{good.PublicKey},
		"a nil RSA key":                 public{(*rsa.PublicKey)(nil)},
		"an RSA key by value":           public{rsa.PublicKey{}},
		"a nil Ed25519 key":             public{ed25519.PublicKey(nil)},
		"an Ed25519 key by pointer":     public{&ed25519.PublicKey{}},
		"the private key":               public{good},
		"a text":                        public{"key"},
		"a nil EC private key":          (*ecdsa.PrivateKey)(nil),
		"an empty EC private key":       &ecdsa.PrivateKey{},
		"a nil RSA private key":         (*rsa.PrivateKey)(nil),
		"an empty RSA private key":      &rsa.PrivateKey{},
		"a nil Ed25519 private key":     ed25519.PrivateKey(nil),
		"an Ed25519 private key halved": make(ed25519.PrivateKey, 32),
	} {
		for _, alg := range []keys.Alg{keys.ES256, keys.EdDSA, keys.RS256} {
			if _, err := keys.NewSigningKey(keys.AccessToken, alg, signer); !errors.Is(err, keys.ErrKeyMaterial) {
				t.Errorf("%s as %s: %v", name, alg, err)
			}
		}
		remote, err := keys.NewSigningKey(keys.AccessToken, keys.ES256, kms{good})
		if err != nil {
			t.Fatal(err)
		}
		r, err := newRing(t).RotateTo(remote, keys.Plan{}, dawn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Attach(signer); !errors.Is(err, keys.ErrUnknownKey) {
			t.Errorf("%s attached: %v", name, err)
		}
	}
}
