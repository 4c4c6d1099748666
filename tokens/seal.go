package tokens

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sealring-dev/sealring/keys"
)

const secretLen = 32

// sealed is the check of a JWE after the gate.
var sealed = []check{
	{"seal", (*artefact).checkSeal, nil},
}

// Seal makes a JWE in compact form (RFC 7516 §7.1) of a payload of at least
// one byte. typ decides the key: TypSession takes a session-cookie key (dir +
// A256GCM), TypRefresh and TypData a refresh-token key (A256KW + A256GCM: a
// content key of its own for each value, so that nonces of one key never run
// out).
//
// It fails with ErrType, with ErrKey for a key of another purpose, algorithm
// or length, and with ErrTooLong over MaxTokenLen, of TypData over MaxDataLen.
func Seal(typ string, payload []byte, k keys.Key) (string, error) {
	kind, ok := kindOf(typ)
	if !ok || kind.form != jwe {
		return "", ErrType
	}
	if len(payload) == 0 {
		return "", errors.New("tokens: no payload")
	}
	if err := usable(k, kind); err != nil {
		return "", err
	}
	if len(payload) > kind.max {
		return "", ErrTooLong
	}
	out, err := encrypt(kind, payload, k)
	if err != nil {
		return "", fmt.Errorf("sealing: %w", err)
	}
	if len(out) > kind.max {
		return "", ErrTooLong
	}
	return out, nil
}

func encrypt(kind kind, payload []byte, k keys.Key) (string, error) {
	to := jose.Recipient{Algorithm: jose.KeyAlgorithm(kind.alg), Key: k.Secret(), KeyID: k.ID}
	opts := (&jose.EncrypterOptions{}).WithType(jose.ContentType(kind.typ))
	enc, err := jose.NewEncrypter(jose.ContentEncryption(kind.enc), to, opts)
	if err != nil {
		return "", err
	}
	obj, err := enc.Encrypt(payload)
	if err != nil {
		return "", err
	}
	return obj.CompactSerialize()
}

// Open opens what Seal made with this typ and returns the payload. now is the
// moment at which the key must be good; the payload is not judged. Its errors
// are those of Verify, with the Reason BadSeal, and ErrType.
func Open(typ, sealed string, src keys.Source, now time.Time) ([]byte, error) {
	a, err := open(typ, sealed, src, now)
	if err != nil {
		return nil, err
	}
	return a.payload, nil
}

func open(typ, raw string, src keys.Source, now time.Time, more ...[]check) (*artefact, error) {
	kind, ok := kindOf(typ)
	if !ok || kind.form != jwe {
		return nil, ErrType
	}
	a := &artefact{raw: raw, kind: kind, src: src, now: now}
	if err := a.run(gate, sealed); err != nil {
		return nil, err
	}
	return a, a.run(more...)
}

// checkSeal opens an artefact that has exactly the one algorithm pair, no member
// of the header but alg, enc, kid and typ, and parts of the one right length. A
// cookie, which comes with every request, has no content key of its own (dir): to
// open it is AES-GCM and nothing else. For the others go-jose unwraps the key; in all
// cases it is what has sealed.
func (a *artefact) checkSeal() error {
	if len(a.key.Secret()) != secretLen {
		return refuse(BadSeal, "key has no secret")
	}
	if a.kind.ekLen == 0 {
		return a.openDirectly()
	}
	obj, err := jose.ParseEncryptedCompact(a.raw,
		[]jose.KeyAlgorithm{jose.KeyAlgorithm(a.kind.alg)},
		[]jose.ContentEncryption{jose.ContentEncryption(a.kind.enc)})
	if err != nil {
		return refuse(BadSeal, "")
	}
	if a.payload, err = obj.Decrypt(a.key.Secret()); err != nil {
		return refuse(BadSeal, "")
	}
	return nil
}

// openDirectly opens a JWE whose content key is the key itself (RFC 7516 §5.2, RFC
// 7518 §4.5 and §5.3): the encoded header is the additional data.
func (a *artefact) openDirectly() error {
	block, err := aes.NewCipher(a.key.Secret())
	if err != nil {
		return refuse(BadSeal, "")
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return refuse(BadSeal, "")
	}
	var iv [ivLen]byte
	_, err1 := strict64.Decode(iv[:], []byte(a.parts[2]))
	text := make([]byte, 0, encodedLen(tagLen)+len(a.parts[3]))
	text, err2 := strict64.AppendDecode(text, []byte(a.parts[3]))
	text, err3 := strict64.AppendDecode(text, []byte(a.parts[4]))
	if err := errors.Join(err1, err2, err3); err != nil {
		return refuse(BadForm, "not base64url")
	}
	if a.payload, err = gcm.Open(text[:0], iv[:], text, []byte(a.parts[0])); err != nil {
		return refuse(BadSeal, "")
	}
	return nil
}
