package tokens

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sealring-dev/sealring/keys"
)

// MinRSABits is the shortest RSA modulus that signs or verifies (NIST SP
// 800-57: 128-bit strength from 2030 on).
const MinRSABits = 3072

// ErrKey is returned by Sign, Seal and their like for a key that cannot do it:
// of another purpose or algorithm, without its private half, or too weak.
var ErrKey = errors.New("tokens: key cannot do this")

var errSignature = errors.New("signature does not verify")

// halfOrder is (n-1)/2 of P-256. (r, s) and (r, n-s) verify alike; only the
// one with s ≤ halfOrder is made and taken, so that a signature has one form.
var halfOrder = func() []byte {
	n := elliptic.P256().Params().N
	return new(big.Int).Rsh(n, 1).FillBytes(make([]byte, 32))
}()

// verifySignature checks sig over the exact signing input (RFC 7515 §5.2 step
// 8). The key's type must be that of the algorithm.
func verifySignature(alg keys.Alg, public crypto.PublicKey, input string, sig []byte) error {
	switch alg {
	case keys.ES256:
		key, ok := public.(*ecdsa.PublicKey)
		if !ok || key.Curve != elliptic.P256() || !lowS(sig) {
			return errSignature
		}
		digest := sha256.Sum256([]byte(input))
		if !ecdsa.VerifyASN1(key, digest[:], toDER(sig)) {
			return errSignature
		}
		return nil
	case keys.EdDSA:
		return jwt.SigningMethodEdDSA.Verify(input, sig, public)
	case keys.RS256:
		key, ok := public.(*rsa.PublicKey)
		if !ok || key.N.BitLen() < MinRSABits {
			return errSignature
		}
		digest := sha256.Sum256([]byte(input))
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig)
	}
	return errSignature
}

// toDER turns r ‖ s into the form that crypto/ecdsa verifies, SEQUENCE { INTEGER r,
// INTEGER s } (RFC 3279 §2.2.3). By way of big integers, as golang-jwt does it, that takes
// 12 pieces of memory more.
func toDER(sig []byte) []byte {
	der := make([]byte, 2, 2+2*(2+1+32))
	for _, n := range [][]byte{sig[:32], sig[32:]} {
		for len(n) > 1 && n[0] == 0 {
			n = n[1:]
		}
		if n[0] < 0x80 {
			der = append(der, 2, byte(len(n)))
		} else { // else it were negative
			der = append(der, 2, byte(len(n)+1), 0)
		}
		der = append(der, n...)
	}
	der[0], der[1] = 0x30, byte(len(der)-2)
	return der
}

// lowS reports whether sig is r ‖ s (RFC 7518 §3.4) with the lower s.
func lowS(sig []byte) bool {
	return len(sig) == 64 && bytes.Compare(sig[32:], halfOrder) <= 0
}

// makeSignature signs the input with the key's private half, which may be
// any crypto.Signer. What a foreign signer gave is verified before it leaves,
// because a fault there would otherwise be found by every verifier at once.
func makeSignature(k keys.Key, input string) ([]byte, error) {
	sig, err := signWith(k, input)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if local(k.Signer()) {
		return sig, nil
	}
	if err := verifySignature(k.Alg, k.Public(), input, sig); err != nil {
		return nil, fmt.Errorf("signing: checking the signer: %w", err)
	}
	return sig, nil
}

// local reports whether the signer is a key in memory.
func local(s crypto.Signer) bool {
	switch s.(type) {
	case *ecdsa.PrivateKey, ed25519.PrivateKey, *rsa.PrivateKey:
		return true
	}
	return false
}

func signWith(k keys.Key, input string) ([]byte, error) {
	switch s := k.Signer(); k.Alg {
	case keys.ES256:
		return signES256(s, input)
	case keys.EdDSA:
		return jwt.SigningMethodEdDSA.Sign(input, s)
	case keys.RS256:
		return signRS256(s, k.Public(), input)
	}
	return nil, ErrKey
}

func signES256(s crypto.Signer, input string) ([]byte, error) {
	key, ok := s.(*ecdsa.PrivateKey)
	if !ok {
		return signDER(s, input)
	}
	sig, err := jwt.SigningMethodES256.Sign(input, key)
	if err != nil {
		return nil, err
	}
	return toLowS(sig), nil
}

func toLowS(sig []byte) []byte {
	if !lowS(sig) {
		s := new(big.Int).SetBytes(sig[32:])
		s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
	}
	return sig
}

// signDER signs with a KMS or PKCS#11 key, whose signatures are ASN.1 (RFC
// 3279 §2.2.3), and turns them into r ‖ s. DER has one spelling, and
// encoding/asn1 passes over what follows inside the sequence: so what does not
// encode to itself is refused.
func signDER(s crypto.Signer, input string) ([]byte, error) {
	digest := sha256.Sum256([]byte(input))
	der, err := s.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &pair); err != nil {
		return nil, errDER
	}
	if !inOrder(pair.R) || !inOrder(pair.S) {
		return nil, errDER
	}
	if again, err := asn1.Marshal(pair); err != nil || !bytes.Equal(again, der) {
		return nil, errDER
	}
	sig := make([]byte, 64)
	pair.R.FillBytes(sig[:32])
	pair.S.FillBytes(sig[32:])
	return toLowS(sig), nil
}

var errDER = errors.New("signer gave no DER signature of P-256")

// inOrder reports 0 < v < n.
func inOrder(v *big.Int) bool {
	return v.Sign() > 0 && v.Cmp(elliptic.P256().Params().N) < 0
}

func signRS256(s crypto.Signer, public crypto.PublicKey, input string) ([]byte, error) {
	if key, ok := public.(*rsa.PublicKey); !ok || key.N.BitLen() < MinRSABits {
		return nil, ErrKey
	}
	if key, ok := s.(*rsa.PrivateKey); ok {
		return jwt.SigningMethodRS256.Sign(input, key)
	}
	digest := sha256.Sum256([]byte(input))
	return s.Sign(rand.Reader, digest[:], crypto.SHA256)
}
