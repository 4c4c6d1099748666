package tokens

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
)

// ErrID is returned for text that is not the one spelling of an ID.
var ErrID = errors.New("tokens: not a 22-character id")

const idLen = 22 // of 16 bytes in base64url without padding

// ID is 128 random bits that name a session (sid) or one token (jti). Its text
// is 22 characters of base64url without padding (RFC 4648 §5), and an ID has
// exactly one spelling. The zero ID names nothing.
type ID [16]byte

// NewID returns a new random ID.
func NewID() ID {
	var id ID
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return id
}

// ParseID reads the text of an ID. It refuses everything but the spelling that
// String gives (ErrID), also the zero ID, which names nothing.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != idLen || !canonical(s) {
		return ID{}, ErrID
	}
	if _, err := base64.RawURLEncoding.Decode(id[:], []byte(s)); err != nil || id.IsZero() {
		return ID{}, ErrID
	}
	return id, nil
}

// String returns the 22 characters.
func (id ID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// IsZero reports whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText returns what String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseID.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
