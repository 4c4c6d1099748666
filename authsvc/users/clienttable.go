package users

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
)

// clientTable is the content of a client file: immutable, indexed by id.
type clientTable struct {
	records []clientRecord // in the order of the file
	byID    map[string]int
}

// clientRecord is one client as written.
type clientRecord struct {
	ID      string    `json:"id"`
	Sum     sum256    `json:"secret_sha256"`
	Scopes  []string  `json:"scopes,omitempty"`
	Created time.Time `json:"created"`
}

// sum256 is a SHA-256, 64 digits of hexadecimal in the file.
type sum256 [sha256.Size]byte

// MarshalText writes the sum in lower case hexadecimal.
func (s sum256) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText reads exactly 64 hexadecimal digits.
func (s *sum256) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(s)) {
		return fmt.Errorf("a SHA-256 is %d hexadecimal digits", hex.EncodedLen(len(s)))
	}
	_, err := hex.Decode(s[:], text)
	return err
}

type clientDocument struct {
	Version int            `json:"version"`
	Clients []clientRecord `json:"clients"`
}

func parseClients(raw []byte) (clientTable, error) {
	var doc clientDocument
	if err := decodeStrict(raw, &doc); err != nil {
		return clientTable{}, err
	}
	if doc.Version != fileVersion {
		return clientTable{}, fmt.Errorf("%w: version %d, this program knows %d", ErrDamaged, doc.Version, fileVersion)
	}
	for i := range doc.Clients {
		err := doc.Clients[i].check()
		if err == nil && doc.Clients[i].Sum == (sum256{}) {
			err = fmt.Errorf("%w: no secret_sha256", ErrHash)
		}
		if err != nil {
			return clientTable{}, fmt.Errorf("%w: client %d: %w", ErrDamaged, i+1, err)
		}
	}
	t, err := newClientTable(doc.Clients)
	if err != nil {
		return clientTable{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return t, nil
}

func showClients(t clientTable) any {
	return clientDocument{fileVersion, append([]clientRecord{}, t.records...)}
}

func newClientTable(records []clientRecord) (clientTable, error) {
	t := clientTable{records, make(map[string]int, len(records))}
	for i, rec := range records {
		if _, twice := t.byID[rec.ID]; twice {
			return clientTable{}, fmt.Errorf("client %q: %w", rec.ID, ErrExists)
		}
		t.byID[rec.ID] = i
	}
	return t, nil
}

func (t clientTable) index(id string) (int, error) {
	i, ok := t.byID[id]
	if !ok {
		return 0, notFound(id)
	}
	return i, nil
}

func (r *clientRecord) check() error {
	if err := checkID("client id", r.ID); err != nil {
		return err
	}
	return checkTokens("scope", r.Scopes)
}

func (r *clientRecord) account() ClientAccount {
	return ClientAccount{
		Client:  authsvc.Client{ID: r.ID, Scopes: slices.Clone(r.Scopes)},
		Created: r.Created,
	}
}
