// Package edtable verifies Ed25519 signatures (RFC 8032 §5.1.7) of keys that
// verify many: it accepts and refuses exactly what crypto/ed25519 does, in about a
// third of the time.
//
// A verification asks whether S·B - k·A is R, for the base point B and the public
// key A. The standard library, which sees A for the first time, spends most of it
// on some 250 doublings. Of a key that is met again and again the multiples can be
// kept: with those of 256^i·A for each i, signed digits of a byte each need an
// addition and nothing else. The field and the scalars are those of
// filippo.io/edwards25519, which is the standard library's own source; the additions
// are those of a point in extended coordinates with one kept as y+x, y-x and 2dxy
// (Hisil, Wong, Carter, Dawson, "Twisted Edwards Curves Revisited", 2008, §3.1). They
// are complete: there is no point for which they are wrong, of small order or not.
// Everything here is public, so nothing takes constant time.
package edtable

import (
	"bytes"
	"crypto/ed25519"
	"crypto/fips140"
	"crypto/sha512"
	"sync"
	"sync/atomic"

	"filippo.io/edwards25519"
)

// worth is how many signatures a key verifies before its multiples are
// computed: that takes the time of some 100 verifications, and half a megabyte.
const worth = 100

// Key verifies the signatures of one public key. It is safe for concurrent use.
type Key struct {
	public ed25519.PublicKey
	plain  bool // it never gets a table
	uses   atomic.Int32
	once   sync.Once
	table  atomic.Pointer[table] // of -A; nil: not computed, or A is no point
}

// New returns the key. What is no public key verifies nothing. In FIPS 140-3 mode
// all is left to the standard library, whose module alone is the validated one.
func New(public ed25519.PublicKey) *Key { return &Key{public: public, plain: fips140.Enabled()} }

// Verify reports whether sig is a signature of the message: exactly when
// ed25519.Verify does, but for a public key of another length than 32 bytes, of
// which nothing verifies.
func (k *Key) Verify(message, sig []byte) bool {
	if len(k.public) != ed25519.PublicKeySize {
		return false
	}
	t := k.table.Load()
	if t == nil {
		if k.plain || k.uses.Add(1) != worth {
			return ed25519.Verify(k.public, message, sig)
		}
		k.once.Do(k.compute)
		if t = k.table.Load(); t == nil {
			return ed25519.Verify(k.public, message, sig)
		}
	}
	return t.verify(k.public, message, sig)
}

// compute keeps the multiples of -A.
func (k *Key) compute() {
	a, err := new(edwards25519.Point).SetBytes(k.public)
	if err != nil {
		return
	}
	k.table.Store(newTable(a.Negate(a)))
}

// base are the multiples of B, for all keys.
var base = sync.OnceValue(func() *table { return newTable(edwards25519.NewGeneratorPoint()) })

// verify is ed25519.Verify, step by step, with the table of -A.
func (t *table) verify(public ed25519.PublicKey, message, sig []byte) bool {
	if len(sig) != ed25519.SignatureSize {
		return false
	}
	var s edwards25519.Scalar
	if _, err := s.SetCanonicalBytes(sig[32:]); err != nil {
		return false
	}
	h := sha512.New()
	h.Write(sig[:32])
	h.Write(public)
	h.Write(message)
	var digest [sha512.Size]byte
	var k edwards25519.Scalar
	if _, err := k.SetUniformBytes(h.Sum(digest[:0])); err != nil {
		return false // of another length: can not be
	}
	var sum point
	sum.zero()
	base().add(&sum, &s)
	t.add(&sum, &k)
	r := sum.bytes()
	return bytes.Equal(sig[:32], r[:])
}
