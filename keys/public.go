package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
)

// publicOf asks a signer for its public half, unless it is the empty value of
// one of Go's own private keys, which panic then.
func publicOf(signer crypto.Signer) crypto.PublicKey {
	switch s := signer.(type) {
	case *ecdsa.PrivateKey:
		if s == nil {
			return nil
		}
	case *rsa.PrivateKey:
		if s == nil {
			return nil
		}
	case ed25519.PrivateKey:
		if len(s) != ed25519.PrivateKeySize {
			return nil
		}
	case nil:
		return nil
	}
	return signer.Public()
}

// checkPublic refuses a public key that does not fit its algorithm, and one
// under which signatures prove nothing: a point that is not on the curve, an
// Ed25519 key of small order, a modulus that anybody can factor. A signer may
// give anything, nil pointers included.
func checkPublic(alg Alg, public crypto.PublicKey) error {
	var flaw string
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		if alg != ES256 {
			break
		}
		if flaw = flawOfEC(key); flaw == "" {
			return nil
		}
	case ed25519.PublicKey:
		if alg != EdDSA {
			break
		}
		if flaw = flawOfEd25519(key); flaw == "" {
			return nil
		}
	case *rsa.PublicKey:
		if alg != RS256 {
			break
		}
		if flaw = flawOfRSA(key); flaw == "" {
			return nil
		}
	}
	if flaw == "" {
		flaw = fmt.Sprintf("%T does not fit %s", public, alg)
	}
	return fmt.Errorf("%w: %s", ErrKeyMaterial, flaw)
}

func flawOfEC(key *ecdsa.PublicKey) string {
	//lint:ignore SA1019 Bytes panics without them; they are not looked at otherwise
	if key == nil || key.Curve != elliptic.P256() || key.X == nil || key.Y == nil {
		return "a key that is not on P-256"
	}
	if _, err := key.Bytes(); err != nil {
		return "a point that is not on P-256"
	}
	return ""
}

// smallOrder are the points whose order divides 8, without the sign of x, as
// RFC 8032 §5.1.2 encodes them: of order 4, 1, 2, 8 and 8.
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
}

// flawOfEd25519 is what crypto/ed25519 does not look at. Under a key of small
// order one signature fits many messages; one that is not in its one encoding,
// or that no point has, some verifiers take and others do not.
func flawOfEd25519(key ed25519.PublicKey) string {
	if len(key) != ed25519.PublicKeySize {
		return "an Ed25519 key has 32 bytes"
	}
	y := slices.Clone(key)
	y[31] &= 0x7f // the sign of x
	switch {
	case !belowPrime(y):
		return "an Ed25519 key that is not in its canonical form (RFC 8032 §5.1.3)"
	case slices.Contains(smallOrder, hex.EncodeToString(y)): // -0 is no x at all
		return "an Ed25519 key of small order"
	case complaint(key) == noPoint:
		return "a point that is not on Ed25519"
	}
	return ""
}

// belowPrime compares y, its most significant byte last, with 2^255 - 19.
func belowPrime(y []byte) bool {
	return y[0] < 0xed || y[31] != 0x7f || slices.ContainsFunc(y[1:31], func(b byte) bool { return b != 0xff })
}

// complaint is what the library has against an empty signature by a key. It
// looks at the key first, and that is all that it tells of the curve.
func complaint(key ed25519.PublicKey) string {
	err := ed25519.VerifyWithOptions(key, nil, nil, &ed25519.Options{})
	return fmt.Sprint(err)
}

// noPoint is the complaint about a key that no point has: y is 2.
var noPoint = complaint(append([]byte{2}, make([]byte, 31)...))

// flawOfRSA goes as far as one can without the factors (NIST SP 800-89
// §5.3.3), save that it does not look for the power of a single prime.
func flawOfRSA(key *rsa.PublicKey) string {
	switch {
	case key == nil || key.N == nil || key.N.Sign() <= 0:
		return "an RSA key without a modulus"
	case key.N.BitLen() < rsaBits || key.N.BitLen() > rsaMaxBits || key.E != rsaE:
		return fmt.Sprintf("RSA keys have %d to %d bit and the exponent %d", rsaBits, rsaMaxBits, rsaE)
	case remainder(key.N, 2) == 0:
		return "an RSA modulus that is even"
	}
	for odd := uint(3); odd < 752; odd += 2 {
		if remainder(key.N, odd) == 0 {
			return "an RSA modulus with a small factor"
		}
	}
	return ""
}

// remainder is n modulo d, without the memory that big.Int would take.
func remainder(n *big.Int, d uint) uint {
	rest := uint(0)
	for _, word := range slices.Backward(n.Bits()) {
		rest = bits.Rem(rest, uint(word), d)
	}
	return rest
}
