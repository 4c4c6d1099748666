package ringfile

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sealring-dev/sealring/keys"
)

// ErrMasterKeyFormat says that a text is not a master key.
var ErrMasterKeyFormat = errors.New("a master key is 43 characters of base64url (32 bytes)")

// MasterKey seals rings. It prints as its name under every verb. The zero
// value seals and opens nothing.
type MasterKey struct {
	id     string
	hidden **[]byte // two pointers: fmt follows these under no verb
}

// NewMasterKey makes one of 32 random bytes.
func NewMasterKey() MasterKey {
	secret := make([]byte, keys.SecretSize)
	rand.Read(secret) // never fails (crypto/rand)
	m, err := newMasterKey(secret)
	if err != nil {
		panic("ringfile: " + err.Error()) // only for another length
	}
	return m
}

// ParseMasterKey reads what Reveal wrote: 32 bytes as base64url without
// padding, one line end allowed after it. Anything else is
// ErrMasterKeyFormat, which never quotes the text.
func ParseMasterKey(text []byte) (MasterKey, error) {
	s := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	secret, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(secret) != keys.SecretSize || base64.RawURLEncoding.EncodeToString(secret) != s {
		return MasterKey{}, ErrMasterKeyFormat
	}
	return newMasterKey(secret)
}

func newMasterKey(secret []byte) (MasterKey, error) {
	// The name is a sealing key's: the RFC 7638 thumbprint (package keys says
	// why it may be published).
	named, err := keys.NewSealingKey(keys.RefreshToken, secret)
	if err != nil {
		return MasterKey{}, err
	}
	p := &secret
	return MasterKey{id: named.ID, hidden: &p}, nil
}

// ID is the key's RFC 7638 thumbprint: the kid of what it seals. Empty for
// the zero MasterKey.
func (m MasterKey) ID() string { return m.id }

// Reveal returns the key as text, to be written to a file that only its owner
// reads. It is the one way to see it.
func (m MasterKey) Reveal() string { return base64.RawURLEncoding.EncodeToString(m.secret()) }

func (m MasterKey) secret() []byte {
	if m.hidden == nil {
		return nil
	}
	return **m.hidden
}

// Format prints the key's name for every verb.
func (m MasterKey) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "master key "+m.id)
}
