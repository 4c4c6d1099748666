package tokens_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// kms is a key that is somewhere else: all there is of it is crypto.Signer.
type kms struct {
	crypto.Signer
	change func(der []byte) []byte
	fail   error
}

func (k kms) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	sig, err := k.Signer.Sign(r, digest, opts)
	if err != nil || k.fail != nil {
		return nil, errors.Join(err, k.fail)
	}
	if k.change != nil {
		sig = k.change(sig)
	}
	return sig, nil
}

func TestAKeyThatIsSomewhereElseSigns(t *testing.T) {
	f := setup(t)
	for _, k := range []keys.Key{f.es, f.ed, f.rs} {
		far := signingKey(t, keys.AccessToken, k.Alg, kms{Signer: k.Signer()})
		for range 20 { // half of all ES256 signatures need their s lowered
			raw := must[string](t)(tokens.Sign(annsClaims(), far))
			if _, err := tokens.Verify(raw, f.src, orders(), noon); err != nil {
				t.Fatalf("%s: %v", k.Alg, err)
			}
		}
	}
	far := signingKey(t, keys.Feed, keys.EdDSA, kms{Signer: f.feed.Signer()})
	raw := must[string](t)(tokens.SignBytes(tokens.TypFeed, []byte("x"), far))
	if _, err := tokens.VerifyBytes(tokens.TypFeed, raw, f.src, noon); err != nil {
		t.Error(err)
	}
}

// What a broken signer gives never leaves the house.
func TestAFaultySignerIsNoticedBeforeTheTokenLeaves(t *testing.T) {
	f := setup(t)
	n := elliptic.P256().Params().N
	der := func(r, s *big.Int) []byte {
		return must[[]byte](t)(asn1.Marshal(struct{ R, S *big.Int }{r, s}))
	}
	one := big.NewInt(1)
	for name, change := range map[string]func([]byte) []byte{
		"nothing":                   func([]byte) []byte { return nil },
		"r and s without DER":       func([]byte) []byte { return make([]byte, 64) },
		"a byte behind":             func(b []byte) []byte { return append(b, 0) },
		"truncated":                 func(b []byte) []byte { return b[:len(b)-1] },
		"a long form of the length": func(b []byte) []byte { return append([]byte{0x30, 0x81, b[1]}, b[2:]...) },
		"a third integer": func(b []byte) []byte {
			return append(append([]byte{0x30, b[1] + 3}, b[2:]...), 0x02, 0x01, 0x01)
		},
		"r zero":                     func([]byte) []byte { return der(new(big.Int), one) },
		"s zero":                     func([]byte) []byte { return der(one, new(big.Int)) },
		"r negative":                 func([]byte) []byte { return der(big.NewInt(-1), one) },
		"r as large as the order":    func([]byte) []byte { return der(n, one) },
		"s too large to fit":         func([]byte) []byte { return der(one, new(big.Int).Lsh(one, 300)) },
		"a signature of other bytes": func([]byte) []byte { return der(one, one) },
		"an integer with a zero too many": func(b []byte) []byte {
			return append([]byte{0x30, b[1] + 1, 0x02, b[3] + 1, 0}, b[4:]...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := signingKey(t, keys.AccessToken, keys.ES256, kms{Signer: f.es.Signer(), change: change})
			if raw, err := tokens.Sign(annsClaims(), k); err == nil {
				t.Errorf("signed %s", raw)
			}
		})
	}
	for _, k := range []keys.Key{f.ed, f.rs} {
		broken := kms{Signer: k.Signer(), change: func(b []byte) []byte { b[9] ^= 1; return b }}
		if _, err := tokens.Sign(annsClaims(), signingKey(t, keys.AccessToken, k.Alg, broken)); err == nil {
			t.Errorf("%s: a flipped bit left the house", k.Alg)
		}
	}
	gone := errors.New("KMS is gone")
	k := signingKey(t, keys.AccessToken, keys.ES256, kms{Signer: f.es.Signer(), fail: gone})
	if _, err := tokens.Sign(annsClaims(), k); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

func TestES256IsIssuedWithTheLowerS(t *testing.T) {
	f := setup(t)
	for range 50 {
		raw := must[string](t)(tokens.Sign(annsClaims(), f.es))
		sig := must[[]byte](t)(base64.RawURLEncoding.DecodeString(raw[strings.LastIndexByte(raw, '.')+1:]))
		if string(setS(sig, false)) != string(sig) {
			t.Fatal("s is the higher one")
		}
	}
}

func TestTheKeysTypeIsThatOfTheAlgorithm(t *testing.T) {
	f := setup(t)
	wrong, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.NewSigningKey(keys.AccessToken, keys.ES256, wrong); err == nil {
		t.Error("a P-384 key for ES256")
	}
	if _, err := keys.NewSigningKey(keys.AccessToken, keys.EdDSA, f.es.Signer()); err == nil {
		t.Error("an EC key for EdDSA")
	}
}

// turncoat gave a good public key when the key was made, and gives none now.
type turncoat struct {
	crypto.Signer
	public crypto.PublicKey
}

func (s *turncoat) Public() crypto.PublicKey { return s.public }

func TestASignerThatLosesItsPublicKeyIsAnErrorAtMost(t *testing.T) {
	f := setup(t)
	for _, k := range []keys.Key{f.es, f.ed, f.rs} {
		for name, later := range map[string]crypto.PublicKey{
			"none": nil, "a nil RSA key": (*rsa.PublicKey)(nil), "a nil EC key": (*ecdsa.PublicKey)(nil), "a nil Ed25519 key": ed25519.PublicKey(nil),
		} {
			far := &turncoat{k.Signer(), k.Public()}
			key := signingKey(t, keys.AccessToken, k.Alg, far)
			far.public = later
			raw, err := tokens.Sign(annsClaims(), key)
			if err != nil {
				continue
			}
			if _, err := tokens.Verify(raw, f.src, orders(), noon); err != nil {
				t.Errorf("%s, %s: a token that nobody takes: %v", k.Alg, name, err)
			}
		}
	}
}
