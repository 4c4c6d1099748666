package keys

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/keys/edtable"
)

// Purpose is the one thing a key may be used for. A key of one purpose is
// never accepted for another, whatever its bytes could do.
type Purpose string

// The four purposes.
const (
	AccessToken   Purpose = "at"     // signs access tokens
	Feed          Purpose = "feed"   // signs the frames of the trust feed
	SessionCookie Purpose = "cookie" // seals session cookies
	RefreshToken  Purpose = "rt"     // seals refresh tokens; never leaves the auth service
)

// Purposes lists the four, in the order in which keys are sorted.
func Purposes() []Purpose { return []Purpose{AccessToken, Feed, SessionCookie, RefreshToken} }

// Alg is the one algorithm a key is used with, as named in RFC 7518 and RFC
// 8037. It belongs to the key: a token's header must agree with it and never
// chooses it.
type Alg string

// The algorithms that exist here. There are no others.
const (
	ES256   Alg = "ES256"   // ECDSA on P-256 with SHA-256, low-s (RFC 7518 §3.4)
	EdDSA   Alg = "EdDSA"   // Ed25519 (RFC 8037 §3.1); the only one of feed keys
	RS256   Alg = "RS256"   // RSASSA-PKCS1-v1_5 with SHA-256, at least 3072 bit (RFC 7518 §3.3)
	A256GCM Alg = "A256GCM" // session cookies: alg "dir", enc "A256GCM" (RFC 7518 §4.5, §5.3)
	A256KW  Alg = "A256KW"  // refresh tokens: a fresh content key each, enc "A256GCM" (RFC 7518 §4.4)
)

// algs says what a purpose may be served with. A purpose that is absent does
// not exist.
func (p Purpose) algs() []Alg {
	switch p {
	case AccessToken:
		return []Alg{ES256, EdDSA, RS256}
	case Feed:
		return []Alg{EdDSA}
	case SessionCookie:
		return []Alg{A256GCM}
	case RefreshToken:
		return []Alg{A256KW}
	}
	return nil
}

func (p Purpose) allows(a Alg) bool { return slices.Contains(p.algs(), a) }

// seals tells sealing keys (symmetric) from signing keys.
func (p Purpose) seals() bool { return p == SessionCookie || p == RefreshToken }

// State is where a key stands in its life. It is a function of the clock and
// of the times written into the key, so that replicas need no coordination.
type State string

// The states, in the order of a life.
const (
	Created    State = "created"     // not yet published
	Standby    State = "standby"     // published, so that every verifier holds it before it signs
	Signing    State = "signing"     // the newest key that may sign or seal
	VerifyOnly State = "verify-only" // a successor signs; what it signed is still accepted
	Retired    State = "retired"     // nothing it signed can still be valid
	Revoked    State = "revoked"     // compromised: dead everywhere at once
)

// Errors that a Source answers with. Unknown, retired and revoked keys make a
// token invalid; ErrUnavailable is an infrastructure fault and never does.
var (
	ErrUnknownKey  = errors.New("unknown key")
	ErrRetiredKey  = errors.New("retired key")
	ErrRevokedKey  = errors.New("revoked key")
	ErrUnavailable = errors.New("no key set yet")
)

// Source finds the key to verify or open with. It is a *Ring at the issuer
// and a follower's key set at a verifier. Key never blocks and never does
// I/O. A key whose purpose is not p is unknown (ErrUnknownKey).
type Source interface {
	Key(kid string, p Purpose, now time.Time) (Key, error)
}

// Key is one key of a ring: its material, its purpose and algorithm, and the
// times that decide its state. A Key is a value and never changes. It prints
// as its name under every verb, never as its bytes.
type Key struct {
	ID      string  // RFC 7638 thumbprint, 43 characters; never reused
	Purpose Purpose // the one thing it may be used for
	Alg     Alg     // the one algorithm it may be used with

	PublishAt   time.Time // in the key set from here on
	ReadyAt     time.Time // may sign from here on although that is before PublishAt + Lead (see the package comment); zero: it may not
	ScheduledAt time.Time // when SignFrom was written; zero: no rotation to this key is scheduled
	SignFrom    time.Time // signs or seals from here on; zero: no rotation to this key is scheduled (a standby)
	SignUntil   time.Time // last moment of signing; zero: until a successor is scheduled
	VerifyUntil time.Time // last moment of verifying; zero: until a successor is scheduled
	RevokedAt   time.Time // zero: not revoked
	Reason      string    // why it was revoked

	Seals uint64 // of a sealing key: how many values it may have sealed, see Ring.Reserve; zero for signing keys

	// A pointer to a pointer, which fmt follows under no verb (one pointer it
	// does follow under %s and %q): no struct that holds a Key prints its bytes.
	hidden **material
}

// material is what a key is made of. It never changes once a Key holds it.
type material struct {
	signer   crypto.Signer    // nil in a verifier's copy, and after signing ended
	external bool             // the private half lives in a KMS or HSM and is never written
	public   crypto.PublicKey // nil for a sealing key
	secret   []byte           // nil for a signing key; 32 bytes
	table    *edtable.Key     // that verifies for public; nil unless it is an ed25519.PublicKey
	print    string           // the RFC 7638 thumbprint of public or secret, also once the latter is erased
	names    *Names           // of a sealing key
}

func hide(m material) **material {
	if public, ok := m.public.(ed25519.PublicKey); ok && m.table == nil {
		m.table = edtable.New(public)
	}
	p := &m
	return &p
}

// material is empty for the zero Key.
func (k Key) material() material {
	if k.hidden == nil {
		return material{}
	}
	return **k.hidden
}

// Public returns the verification key (*ecdsa.PublicKey, ed25519.PublicKey or
// *rsa.PublicKey), nil for a sealing key.
func (k Key) Public() crypto.PublicKey {
	return k.material().public
}

// Table returns what verifies EdDSA signatures in a third of the time once there
// are many, nil for a key of another algorithm.
func (k Key) Table() *edtable.Key { return k.material().table }

// Signer returns the private half, or nil where it is not held. It may be a
// KMS or PKCS#11 key.
func (k Key) Signer() crypto.Signer {
	return k.material().signer
}

// Secret returns the 32 bytes of a sealing key, nil for a signing key. The
// caller must not change or keep them.
func (k Key) Secret() []byte {
	return k.material().secret
}

// Names is the table of names that what this key seals has codes for; nil of a
// signing key, and where there are none.
func (k Key) Names() *Names { return k.material().names }

// named returns a sealing key with that table, instead of the one that it had
// when nothing was sealed yet; any other key as it is.
func (k Key) named(names *Names) Key {
	if k.Purpose.seals() {
		m := k.material()
		m.names = names
		k.hidden = hide(m)
	}
	return k
}

// External reports whether the private half is kept elsewhere (a KMS, an
// HSM), so that a ring which was read from a file needs Attach to sign.
func (k Key) External() bool { return k.material().external }

// Format prints the key's name for every verb, so that no log and no error
// can hold its bytes.
func (k Key) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, fmt.Sprintf("%s key %s (%s)", string(k.Purpose), k.ID, string(k.Alg)))
}

// armed reports whether the key could sign or seal: its private half is held
// here or elsewhere.
func (k Key) armed() bool {
	return k.Signer() != nil || k.Secret() != nil || k.External()
}

// disarmed returns the key without what signs: the public half stays, and so
// does a sealing key's secret unless it is to die altogether.
func (k Key) disarmed() Key {
	m := k.material()
	m.signer, m.external = nil, false
	k.hidden = hide(m)
	return k
}

// erased returns the key without anything secret.
func (k Key) erased() Key {
	k = k.disarmed()
	(*k.hidden).secret, (*k.hidden).names = nil, nil
	return k
}
