package tokens

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/sealring-dev/sealring/keys"
)

var (
	// ErrTooLong is returned by Sign, Seal and their like for content whose
	// artefact would be over its length cap.
	ErrTooLong = errors.New("tokens: over the length cap")
	// ErrType is returned where a typ is given that the function does not make
	// or take.
	ErrType = errors.New("tokens: no such type here")
)

// Sign makes an access token: a JWS in compact form (RFC 7515 §7.1) with typ
// at+jwt (RFC 9068), signed by k with k's own algorithm. Verify accepts what
// Sign makes and gives back the same claims.
//
// It fails for claims outside the bounds that Claims states, for a key that is
// not an access token's signing key (ErrKey), for a token over MaxTokenLen
// (ErrTooLong), and when the key's signer fails.
func Sign(c *Claims, k keys.Key) (string, error) {
	claims, err := encodeClaims(c)
	if err != nil {
		return "", err
	}
	return signJWS(TypAccess, claims, k)
}

// SignBytes makes a signed artefact of any payload of at least one byte, for
// the trust feed: typ is TypFeed or TypKeys, k a feed key (EdDSA). It fails
// with ErrType, ErrKey, ErrTooLong (over MaxBytesLen), or the signer's error.
func SignBytes(typ string, payload []byte, k keys.Key) (string, error) {
	if typ != TypFeed && typ != TypKeys {
		return "", ErrType
	}
	if len(payload) == 0 {
		return "", errors.New("tokens: no payload")
	}
	return signJWS(typ, payload, k)
}

func signJWS(typ string, payload []byte, k keys.Key) (string, error) {
	kind, _ := kindOf(typ)
	if err := usable(k, kind); err != nil {
		return "", err
	}
	head := headerJSON(string(k.Alg), k.ID, typ)
	size := encodedLen(len(head)) + 1 + encodedLen(len(payload)) + 1 + encodedLen(maxSigLen)
	out := make([]byte, 0, min(size, kind.max))
	out = base64.RawURLEncoding.AppendEncode(out, []byte(head))
	out = append(out, '.')
	out = base64.RawURLEncoding.AppendEncode(out, payload)
	if len(out) > kind.max {
		return "", ErrTooLong
	}
	sig, err := makeSignature(k, string(out))
	if err != nil {
		return "", err
	}
	out = append(out, '.')
	out = base64.RawURLEncoding.AppendEncode(out, sig)
	if len(out) > kind.max {
		return "", ErrTooLong
	}
	return string(out), nil
}

// usable checks that the key is made for this kind of signature.
func usable(k keys.Key, kind kind) error {
	switch {
	case k.Purpose != kind.purpose:
		return fmt.Errorf("%w: it is of purpose %q", ErrKey, k.Purpose)
	case !safeKid(k.ID):
		return fmt.Errorf("%w: it has no key id", ErrKey)
	case kind.keyAlg != "" && k.Alg != kind.keyAlg:
		return fmt.Errorf("%w: it is of algorithm %q", ErrKey, k.Alg)
	case kind.form == jws && k.Signer() == nil:
		return fmt.Errorf("%w: no private half", ErrKey)
	case kind.form == jwe && len(k.Secret()) != secretLen:
		return fmt.Errorf("%w: no secret of 32 bytes", ErrKey)
	}
	return nil
}
