package tokens

import "errors"

var (
	// ErrInvalid is what every refusal of an artefact is (errors.Is). To the
	// outside there is only this one answer; the Reason is for the log.
	ErrInvalid = errors.New("invalid token")
	// ErrExpired is a token that is right in everything but exp. It is
	// ErrInvalid too.
	ErrExpired = errors.New("expired token")
)

// Reason says in one word of a closed set why an artefact was refused.
type Reason string

// The reasons, in the order in which they are looked for.
const (
	TooLong      Reason = "too-long"      // longer than its kind may be
	BadForm      Reason = "bad-form"      // not the compact form: parts, characters, lengths, spare bits
	BadHeader    Reason = "bad-header"    // header is not strict JSON, or has a member that is not allowed, or lacks one
	WrongType    Reason = "wrong-type"    // typ is that of another kind
	WrongAlg     Reason = "wrong-alg"     // alg (or enc) is not the kind's, the configuration's or the key's
	UnknownKey   Reason = "unknown-key"   // no such key of this purpose (keys.ErrUnknownKey)
	RetiredKey   Reason = "retired-key"   // key's time is over (keys.ErrRetiredKey)
	RevokedKey   Reason = "revoked-key"   // key was compromised (keys.ErrRevokedKey)
	BadSignature Reason = "bad-signature" // signature is not that key's over these bytes, or is a malleable form of it
	BadSeal      Reason = "bad-seal"      // seal does not open with that key
	BadPayload   Reason = "bad-payload"   // what was sealed is not in its one form
	BadClaims    Reason = "bad-claims"    // claims are not strict JSON, or one is missing, malformed or out of bounds
	WrongIssuer  Reason = "wrong-issuer"  // iss is another
	WrongAud     Reason = "wrong-aud"     // aud names nobody who is expected
	NotYet       Reason = "not-yet"       // iat, nbf or auth_time is in the future
	Expired      Reason = "expired"       // exp has passed
)

// Error is one refusal. Its text names the check and never quotes the
// artefact, so it is safe to log. errors.Is(err, ErrInvalid) holds for each,
// errors.Is(err, ErrExpired) for the Reason Expired, and the error of a key
// source (keys.ErrUnknownKey and its like) can be found in it.
type Error struct {
	Reason Reason
	Detail string // what exactly, in a few fixed words; may be empty
	err    error
}

// Error returns "invalid token: reason: detail".
func (e *Error) Error() string {
	s := "invalid token: " + string(e.Reason)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Is makes an Error ErrInvalid, and ErrExpired where that is the reason.
func (e *Error) Is(target error) bool {
	return target == ErrInvalid || target == ErrExpired && e.Reason == Expired
}

// Unwrap returns the key source's error, if that was the cause.
func (e *Error) Unwrap() error { return e.err }

func refuse(r Reason, detail string) error { return &Error{Reason: r, Detail: detail} }
