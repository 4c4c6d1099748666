package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"
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

// The field and the curve of Ed25519 (RFC 8032 §5.1): -x² + y² = 1 + d x² y².
var (
	p25519 = fromHex("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed")
	d25519 = fromHex("52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3")
	// The y of the points whose order divides 8: of order 1, 2, 4, 8 and 8.
	eighth     = fromHex("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826")
	small25519 = []*big.Int{
		big.NewInt(1), new(big.Int).Sub(p25519, big.NewInt(1)), new(big.Int), eighth, new(big.Int).Sub(p25519, eighth),
	}
)

func fromHex(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 16)
	if !ok {
		panic("keys: a constant is not hexadecimal")
	}
	return n
}

// flawOfEd25519 is what crypto/ed25519 does not look at. Under a key of small
// order one signature fits many messages; one that is not in its one encoding,
// or that no point has, some verifiers take and others do not.
func flawOfEd25519(key ed25519.PublicKey) string {
	if len(key) != ed25519.PublicKeySize {
		return "an Ed25519 key has 32 bytes"
	}
	be := slices.Clone(key)
	slices.Reverse(be)
	be[0] &= 0x7f // the sign of x
	y := new(big.Int).SetBytes(be)
	if y.Cmp(p25519) >= 0 {
		return "an Ed25519 key that is not in its canonical form (RFC 8032 §5.1.3)"
	}
	for _, low := range small25519 { // whatever the sign: -0 is no x at all
		if y.Cmp(low) == 0 {
			return "an Ed25519 key of small order"
		}
	}
	if !onEd25519(y) {
		return "a point that is not on Ed25519"
	}
	return ""
}

// onEd25519 reports whether a point has this y: x² = (y²-1) / (d y²+1) must be
// a square, and so must be the product of the two. The divisor is never zero,
// since -1/d is no square.
func onEd25519(y *big.Int) bool {
	u, v := new(big.Int), new(big.Int)
	u.Mul(y, y).Mod(u, p25519)
	v.Mul(u, d25519).Add(v, big.NewInt(1)).Mod(v, p25519)
	u.Sub(u, big.NewInt(1))
	return big.Jacobi(u.Mul(u, v).Mod(u, p25519), p25519) == 1
}

// flawOfRSA goes as far as one can without the factors (NIST SP 800-89
// §5.3.3), save that it does not look for the power of a single prime.
func flawOfRSA(key *rsa.PublicKey) string {
	switch {
	case key == nil || key.N == nil || key.N.Sign() <= 0:
		return "an RSA key without a modulus"
	case key.N.BitLen() < rsaBits || key.N.BitLen() > rsaMaxBits || key.E != rsaE:
		return fmt.Sprintf("RSA keys have %d to %d bit and the exponent %d", rsaBits, rsaMaxBits, rsaE)
	case key.N.Bit(0) == 0:
		return "an RSA modulus that is even"
	}
	rest := new(big.Int).Mod(key.N, smallPrimes)
	if rest.GCD(nil, nil, rest, smallPrimes).Cmp(big.NewInt(1)) != 0 {
		return "an RSA modulus with a small factor"
	}
	return ""
}

// smallPrimes is the product of the odd primes below 752.
var smallPrimes = func() *big.Int {
	product := big.NewInt(1)
	for n := int64(3); n < 752; n += 2 {
		if big.NewInt(n).ProbablyPrime(0) { // exact below 2^64
			product.Mul(product, big.NewInt(n))
		}
	}
	return product
}()
