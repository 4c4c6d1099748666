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

// maxHeader is how many characters its header may have: with the longest
// namespace, ours has fewer than 260.
const maxHeader = 512

// maxNamespace is how long a namespace may be.
const maxNamespace = 64

// typ keeps a sealed ring and every other JWE of ours apart (RFC 8725 §3.11).
const typ = "sealring-ring+jwe"

// Errors of opening a sealed ring.
var (
	ErrDamaged   = errors.New("not a sealed ring, or damaged")
	ErrMasterKey = errors.New("sealed under another master key")
	ErrNamespace = errors.New("sealed for another namespace")
)

// Seal encrypts the ring under the master key: the very content of a ring
// file. Two seals of one ring differ.
func Seal(ring *keys.Ring, master MasterKey) ([]byte, error) { return SealFor("", ring, master) }

// SealFor seals a ring for one place among others that may share the master
// key: the namespace of a common store. It stands in the protected header, as
// ns, and so can be read by all and changed by nobody; a seal opens for its own
// namespace alone. It must pass CheckNamespace; the empty one is that of files,
// and its seals have no ns.
func SealFor(namespace string, ring *keys.Ring, master MasterKey) ([]byte, error) {
	if err := CheckNamespace(namespace); err != nil {
		return nil, fmt.Errorf("sealing the ring: %w", err)
	}
	if master.hidden == nil {
		return nil, fmt.Errorf("sealing the ring: %w: none is given", ErrMasterKey)
	}
	plain, err := ring.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("sealing the ring: %w", err)
	}
	to := jose.Recipient{Algorithm: jose.A256KW, Key: master.secret(), KeyID: master.ID()}
	e, err := jose.NewEncrypter(jose.A256GCM, to, options(namespace))
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

func options(namespace string) *jose.EncrypterOptions {
	o := (&jose.EncrypterOptions{}).WithType(typ)
	if namespace != "" {
		o = o.WithHeader(jose.HeaderKey("ns"), namespace)
	}
	return o
}

// CheckNamespace allows what needs no escaping, neither in a header nor in a
// store's key: at most 64 letters, digits, dots, hyphens and underscores. Else
// it fails with ErrNamespace.
func CheckNamespace(name string) error {
	odd := func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c))
	}
	if len(name) > maxNamespace || strings.ContainsFunc(name, odd) {
		return fmt.Errorf("%w: a name is at most %d letters, digits and . _ -", ErrNamespace, maxNamespace)
	}
	return nil
}

// Unseal opens what Seal made, with whichever of the master keys it names.
// Every other byte sequence is refused: ErrDamaged, or ErrMasterKey if it is a
// sealed ring of another master key; a ring that opens but is no valid one
// fails with the errors of keys.ParseRing. No error holds key bytes.
func Unseal(sealed []byte, masters ...MasterKey) (*keys.Ring, error) {
	return UnsealFor("", sealed, masters...)
}

// UnsealFor opens what SealFor made for this namespace, as Unseal does. What
// was sealed for another one, or for a file, is ErrNamespace.
func UnsealFor(namespace string, sealed []byte, masters ...MasterKey) (*keys.Ring, error) {
	if err := CheckNamespace(namespace); err != nil {
		return nil, fmt.Errorf("opening the ring: %w", err)
	}
	if len(sealed) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrDamaged, len(sealed), MaxBytes)
	}
	text := string(sealed)
	master, err := masterOf(namespace, text, masters)
	if err != nil {
		return nil, err
	}
	box, err := jose.ParseEncryptedCompact(text,
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
func masterOf(namespace, sealed string, masters []MasterKey) (MasterKey, error) {
	if n := strings.Count(sealed, ".") + 1; n != 5 {
		return MasterKey{}, fmt.Errorf("%w: %d parts instead of five", ErrDamaged, n)
	}
	parts := strings.Split(sealed, ".")
	for i, part := range parts {
		if !canonical(part) {
			return MasterKey{}, fmt.Errorf("%w: part %d is not base64url", ErrDamaged, i+1)
		}
	}
	if len(parts[0]) > maxHeader {
		return MasterKey{}, fmt.Errorf("%w: a header of %d characters", ErrDamaged, len(parts[0]))
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return MasterKey{}, fmt.Errorf("%w: the header is not base64url", ErrDamaged)
	}
	for _, m := range masters {
		if m.hidden != nil && string(header) == headerOf(m.ID(), namespace) {
			return m, nil
		}
	}
	return MasterKey{}, stranger(string(header), namespace)
}

// canonical reports whether a text is just what encoding some bytes in
// base64url gives. It goes by pieces, so that a file of any size needs no
// memory for it.
func canonical(text string) bool {
	var raw [384]byte
	var again [512]byte
	for len(text) > 0 {
		piece := text[:min(len(text), len(again))]
		n, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(piece))
		if err != nil {
			return false
		}
		base64.RawURLEncoding.Encode(again[:], raw[:n])
		if string(again[:base64.RawURLEncoding.EncodedLen(n)]) != piece {
			return false
		}
		text = text[len(piece):]
	}
	return true
}

// headerOf is the protected header of what a master key seals. The library
// writes the members in this order, and a test pins it.
func headerOf(id, namespace string) string {
	ns := ""
	if namespace != "" {
		ns = `"ns":"` + namespace + `",`
	}
	return `{"alg":"A256KW","enc":"A256GCM","kid":"` + id + `",` + ns + `"typ":"` + typ + `"}`
}

// stranger tells a ring of another master key or another namespace from no
// ring at all.
func stranger(header, namespace string) error {
	id, after := valueOf(header, `"kid":"`)
	other, _ := valueOf(after, `"ns":"`)
	raw, err := base64.RawURLEncoding.DecodeString(id)
	switch {
	case err != nil || len(raw) != 32 || CheckNamespace(other) != nil || header != headerOf(id, other):
		return fmt.Errorf("%w: the header is not that of a sealed ring", ErrDamaged)
	case other != namespace:
		return fmt.Errorf("%w: %q, not %q", ErrNamespace, other, namespace)
	}
	return fmt.Errorf("%w: %s", ErrMasterKey, id)
}

// valueOf finds the text after a name, up to its quotation mark.
func valueOf(header, name string) (value, after string) {
	_, after, _ = strings.Cut(header, name)
	value, after, _ = strings.Cut(after, `"`)
	return value, after
}
