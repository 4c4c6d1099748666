package issuer

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// The form of a snapshot file: snapshotMagic, a random salt, and the content
// under AES-256-GCM. The salt and the client's secret make a key that seals
// this one file (HKDF, RFC 5869); the magic, the issuer and the client's id are
// authenticated with it. The content is a line of JSON, then a frame.
const (
	snapshotMagic = "sealring snapshot 1\n"
	saltSize      = 32
	maxSnapshot   = 64 << 20 // a frame of two million revocations, two key sets, and room
)

// Key sets of a file that is older than this are not used: it is how long a
// replica of the auth service goes on with a copy of the key ring itself.
const maxKeysAge = 24 * time.Hour

// clockSlip is how far in the future a file may have been written.
const clockSlip = time.Minute

// Why a snapshot file is not used.
var (
	errSnapshot = errors.New("damaged, or of another issuer or client")
	errOldKeys  = errors.New("its keys are more than 24 hours old")
	errFuture   = errors.New("it is from the future")
)

// snapshot is what a file holds.
type snapshot struct {
	keysAt     time.Time // when the key set was last confirmed
	set        *keys.Set
	sessions   *keys.Set // nil: not held
	noSessions bool      // the issuer refuses them
	frame      *revocation.Frame
}

// head is the JSON line.
type head struct {
	KeysAt     time.Time       `json:"keys_at"`
	Keys       json.RawMessage `json:"keys"`
	Sessions   json.RawMessage `json:"session_keys,omitempty"`
	NoSessions bool            `json:"no_session_keys,omitempty"`
}

// seal writes a snapshot as the file of an issuer's client.
func (s *snapshot) seal(cfg Config) ([]byte, error) {
	h := head{KeysAt: s.keysAt, Keys: s.set.JWKS(), NoSessions: s.noSessions}
	if s.sessions != nil {
		h.Sessions = s.sessions.JWKS()
	}
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	frame, err := s.frame.MarshalBinary()
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	aead, beside, err := sealer(cfg, salt)
	if err != nil {
		return nil, err
	}
	content := append(append(line, '\n'), frame...)
	return aead.Seal(append([]byte(snapshotMagic), salt...), nil, content, beside), nil
}

// openSnapshot reads what seal wrote for the same issuer and client.
func openSnapshot(cfg Config, file []byte) (*snapshot, error) {
	sealed, ok := bytes.CutPrefix(file, []byte(snapshotMagic))
	if !ok || len(sealed) < saltSize {
		return nil, errSnapshot
	}
	aead, beside, err := sealer(cfg, sealed[:saltSize])
	if err != nil {
		return nil, err
	}
	content, err := aead.Open(nil, nil, sealed[saltSize:], beside)
	if err != nil {
		return nil, errSnapshot // err says no more
	}
	return parseSnapshot(content)
}

// sealer returns the cipher of one file, and what is authenticated beside its
// content.
func sealer(cfg Config, salt []byte) (cipher.AEAD, []byte, error) {
	key, err := hkdf.Key(sha256.New, []byte(cfg.Client.Secret.Reveal()), salt, snapshotMagic, 32)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return aead, fmt.Appendf(nil, "%s%q %q", snapshotMagic, cfg.Issuer, cfg.Client.ID), err
}

// parseSnapshot reads a file's content.
func parseSnapshot(content []byte) (*snapshot, error) {
	line, binary, _ := bytes.Cut(content, []byte("\n"))
	var h head
	if err := json.Unmarshal(line, &h); err != nil {
		return nil, fmt.Errorf("reading a snapshot: %w", err)
	}
	s := &snapshot{keysAt: h.KeysAt, noSessions: h.NoSessions}
	var err error
	if s.set, err = keys.ParseSet(h.Keys); err != nil {
		return nil, err
	}
	if h.Sessions != nil {
		if s.sessions, err = keys.ParseSet(h.Sessions); err != nil {
			return nil, err
		}
	}
	if s.frame, err = revocation.ParseFrame(binary); err != nil {
		return nil, err
	}
	if s.frame.Kind != revocation.Snapshot {
		return nil, errSnapshot
	}
	return s, nil
}

// fit refuses a snapshot by its age.
func (s *snapshot) fit(now time.Time) error {
	switch age := now.Sub(s.keysAt); {
	case age > maxKeysAge:
		return errOldKeys
	case age < -clockSlip, now.Sub(s.frame.AsOf) < -clockSlip:
		return errFuture
	}
	return nil
}
