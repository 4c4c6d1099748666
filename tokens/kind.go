package tokens

import (
	"github.com/sealring-dev/sealring/keys"
)

// The kinds of artefact, by the typ of their header (RFC 7515 §4.1.9, RFC 8725
// §3.11). Each has its own door, and only its own door lets it in.
const (
	TypAccess  = "at+jwt"            // access token: JWS of the claims (RFC 9068 §2.1)
	TypSession = "session+jwe"       // session cookie: JWE, dir + A256GCM, of the access token and private data
	TypRefresh = "rt+jwe"            // refresh token: JWE, A256KW + A256GCM, of a place in a session's sequence
	TypData    = "data+jwe"          // kept data: JWE, A256KW + A256GCM, of whatever its maker seals for itself
	TypFeed    = "sealring-feed+jws" // frame of the trust feed: JWS, EdDSA, binary payload
	TypKeys    = "sealring-keys+jws" // key set on the trust feed: JWS, EdDSA
)

// The length caps, in bytes of the compact form.
const (
	// MaxTokenLen is the cap of tokens and cookies. A browser keeps 4 KiB of a
	// cookie and servers take about 8 KiB of a header line, so nothing longer
	// could arrive in honest use.
	MaxTokenLen = 8 << 10
	// MaxDataLen is the cap of kept data, which no header ever carries.
	MaxDataLen = 256 << 10
	// MaxBytesLen is the cap of what SignBytes makes: a snapshot of the feed
	// with two million entries.
	MaxBytesLen = 64 << 20
)

const (
	maxHeaderLen = 512  // of the encoded header; ours have about 120
	maxKidLen    = 64   // a thumbprint has 43
	maxSigLen    = 1024 // of the decoded signature: RSA with 8192 bits
)

// form is one of the two compact serializations.
type form int

const (
	jws form = 3 // its parts: header, payload, signature (RFC 7515 §7.1)
	jwe form = 5 // header, encrypted key, iv, ciphertext, tag (RFC 7516 §7.1)
)

// kind is all that the gate must know of a typ before it looks at a key.
type kind struct {
	typ     string
	form    form
	purpose keys.Purpose
	max     int    // bytes of the compact form
	alg     string // the header's alg; empty: the configured ones (access tokens)
	enc     string // the header's enc; empty: a JWS has none
	keyAlg  keys.Alg
	ekLen   int // bytes of the encrypted content key
}

const (
	gcm    = "A256GCM"
	ivLen  = 12 // RFC 7518 §5.3
	tagLen = 16
)

func kindOf(typ string) (kind, bool) {
	switch typ {
	case TypAccess:
		return kind{typ: typ, form: jws, purpose: keys.AccessToken, max: MaxTokenLen}, true
	case TypSession:
		return kind{typ: typ, form: jwe, purpose: keys.SessionCookie, max: MaxTokenLen,
			alg: "dir", enc: gcm, keyAlg: keys.A256GCM}, true
	case TypRefresh:
		return kind{typ: typ, form: jwe, purpose: keys.RefreshToken, max: MaxTokenLen,
			alg: "A256KW", enc: gcm, keyAlg: keys.A256KW, ekLen: 40}, true
	case TypData:
		return kind{typ: typ, form: jwe, purpose: keys.RefreshToken, max: MaxDataLen,
			alg: "A256KW", enc: gcm, keyAlg: keys.A256KW, ekLen: 40}, true
	case TypFeed, TypKeys:
		return kind{typ: typ, form: jws, purpose: keys.Feed, max: MaxBytesLen,
			alg: string(keys.EdDSA), keyAlg: keys.EdDSA}, true
	}
	return kind{}, false
}
