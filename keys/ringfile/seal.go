package ringfile

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/sealring-dev/sealring/keys"
)

// MaxBytes is how large a sealed ring may be.
const MaxBytes = 1 << 20

// typ keeps a sealed ring and every other JWE of ours apart (RFC 8725 §3.11).
const typ = "sealring-ring+jwe"

// Errors of opening a sealed ring.
var (
	ErrDamaged   = errors.New("not a sealed ring, or damaged")
	ErrMasterKey = errors.New("sealed under another master key")
)

// Seal encrypts the ring under the master key: the very content of a ring
// file. Two seals of one ring differ.
func Seal(ring *keys.Ring, master MasterKey) ([]byte, error) {
	if master.hidden == nil {
		return nil, fmt.Errorf("sealing the ring: %w: none is given", ErrMasterKey)
	}
	plain, err := ring.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("sealing the ring: %w", err)
	}
	to := jose.Recipient{Algorithm: jose.A256KW, Key: master.secret(), KeyID: master.ID()}
	e, err := jose.NewEncrypter(jose.A256GCM, to, (&jose.EncrypterOptions{}).WithType(typ))
	if err != nil {
		return nil, fmt.Errorf("sealing the ring: %w", err)
	}
	sealed, err := e.Encrypt(plain)
	if err != nil {
		return nil, fmt.Errorf("sealing the ring: %w", err)
	}
	text, err := sealed.CompactSerialize()
	if err != nil {
		return nil, fmt.Errorf("sealing the ring: %w", err)
	}
	return []byte(text), nil
}

// Unseal opens what Seal made, with whichever of the master keys it names.
// Every other byte sequence is refused: ErrDamaged, or ErrMasterKey if it is a
// sealed ring of another master key; a ring that opens but is no valid one
// fails with the errors of keys.ParseRing. No error holds key bytes.
func Unseal(sealed []byte, masters ...MasterKey) (*keys.Ring, error) {
	if len(sealed) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrDamaged, len(sealed), MaxBytes)
	}
	master, err := masterOf(string(sealed), masters)
	if err != nil {
		return nil, err
	}
	box, err := jose.ParseEncryptedCompact(string(sealed),
		[]jose.KeyAlgorithm{jose.A256KW}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return nil, fmt.Errorf("%w: no compact JWE", ErrDamaged)
	}
	plain, err := box.Decrypt(master.secret())
	if err != nil {
		return nil, fmt.Errorf("%w: it does not open, so it was changed or cut off", ErrDamaged)
	}
	return keys.ParseRing(plain)
}

// masterOf is the gate before the library, which skips line breaks and spare
// bits and understands headers that we never write: five parts, each exactly
// as an encoder writes it, and the one header that Seal makes.
func masterOf(sealed string, masters []MasterKey) (MasterKey, error) {
	parts := strings.Split(sealed, ".")
	if len(parts) != 5 {
		return MasterKey{}, fmt.Errorf("%w: %d parts instead of five", ErrDamaged, len(parts))
	}
	var header []byte
	for i, part := range parts {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || base64.RawURLEncoding.EncodeToString(raw) != part {
			return MasterKey{}, fmt.Errorf("%w: part %d is not base64url", ErrDamaged, i+1)
		}
		if i == 0 {
			header = raw
		}
	}
	for _, m := range masters {
		if m.hidden != nil && string(header) == headerOf(m.ID()) {
			return m, nil
		}
	}
	return MasterKey{}, stranger(string(header))
}

// headerOf is the protected header of what a master key seals. The library
// writes the members in this order, and a test pins it.
func headerOf(id string) string {
	return `{"alg":"A256KW","enc":"A256GCM","kid":"` + id + `","typ":"` + typ + `"}`
}

// stranger tells a ring under another master key from no ring at all.
func stranger(header string) error {
	before, after, _ := strings.Cut(headerOf("\x00"), "\x00")
	id, ok := strings.CutPrefix(header, before)
	id, ok2 := strings.CutSuffix(id, after)
	if raw, err := base64.RawURLEncoding.DecodeString(id); ok && ok2 && err == nil && len(raw) == 32 {
		return fmt.Errorf("%w: %s", ErrMasterKey, id)
	}
	return fmt.Errorf("%w: the header is not that of a sealed ring", ErrDamaged)
}
