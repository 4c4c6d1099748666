package keys

import (
	"crypto"
	"errors"
	"time"
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

// Alg is the one algorithm a key is used with, as named in RFC 7518 and RFC
// 8037. It belongs to the key: a token's header must agree with it and never
// chooses it.
type Alg string

// The algorithms that exist here. There are no others.
const (
	ES256   Alg = "ES256"   // ECDSA on P-256 with SHA-256, low-s (RFC 7518 §3.4)
	EdDSA   Alg = "EdDSA"   // Ed25519 (RFC 8037 §3.1); the only one of feed keys
	RS256   Alg = "RS256"   // RSASSA-PKCS1-v1_5 with SHA-256, at least 3072 bit
	A256GCM Alg = "A256GCM" // session cookies: alg "dir", enc "A256GCM" (RFC 7518 §4.5, §5.3)
	A256KW  Alg = "A256KW"  // refresh tokens: a fresh content key each, enc "A256GCM" (RFC 7518 §4.4)
)

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
// times that decide its state. A Key is a value and never changes.
type Key struct {
	ID      string  // RFC 7638 thumbprint, 43 characters; never reused
	Purpose Purpose // the one thing it may be used for
	Alg     Alg     // the one algorithm it may be used with

	PublishAt   time.Time // in the key set from here on
	SignFrom    time.Time // may sign or seal from here on; zero: no successor is scheduled yet (a standby)
	SignUntil   time.Time // last moment of signing; zero: until a successor is scheduled
	VerifyUntil time.Time // last moment of verifying; zero: until a successor is scheduled
	RevokedAt   time.Time // zero: not revoked
	Reason      string    // why it was revoked

	signer crypto.Signer    // nil in a verifier's copy, and after signing ended
	public crypto.PublicKey // nil for a sealing key
	secret []byte           // nil for a signing key; 32 bytes
}

// Public returns the verification key (*ecdsa.PublicKey, ed25519.PublicKey or
// *rsa.PublicKey), nil for a sealing key.
func (k Key) Public() crypto.PublicKey { return k.public }

// Signer returns the private half, or nil where it is not held. It may be a
// KMS or PKCS#11 key.
func (k Key) Signer() crypto.Signer { return k.signer }

// Secret returns the 32 bytes of a sealing key, nil for a signing key. The
// caller must not change or keep them.
func (k Key) Secret() []byte { return k.secret }
