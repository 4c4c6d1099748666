package users

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
)

// ClientFile is a file of service clients. It implements authsvc.Clients, and
// is safe for use by several goroutines and, for its changes, by several
// processes.
type ClientFile struct {
	cfg  Config
	file *file[clientTable]
}

// ClientAccount is a service client as the file has it, without the secret.
type ClientAccount struct {
	authsvc.Client
	Created time.Time // whole seconds, UTC
}

// OpenClients opens the client file at path. It is an error if the file is
// damaged (ErrDamaged), or open to group or others (ErrPermissions); a file
// that does not exist holds no clients yet.
func (c Config) OpenClients(path string) (*ClientFile, error) {
	c = c.withDefaults()
	f, err := openFile(path, c.Log, parseClients, showClients)
	if err != nil {
		return nil, err
	}
	return &ClientFile{c, f}, nil
}

// Authenticate returns the client of that id if the secret is its own, else
// authsvc.ErrBadCredentials: the same for an unknown id and a wrong secret.
func (f *ClientFile) Authenticate(_ context.Context, id, secret string) (authsvc.Client, error) {
	t := f.file.get()
	var rec clientRecord // of an unknown id: its sum is all zeros, which no secret is known to have
	if i, err := t.index(id); err == nil {
		rec = t.records[i]
	}
	sum := sha256.Sum256([]byte(secret))
	if rec.ID == "" || subtle.ConstantTimeCompare(sum[:], rec.Sum[:]) != 1 {
		return authsvc.Client{}, authsvc.ErrBadCredentials
	}
	return rec.account().Client, nil
}

// List returns every client, sorted by id.
func (f *ClientFile) List() []ClientAccount {
	var all []ClientAccount
	for _, rec := range f.file.get().records {
		all = append(all, rec.account())
	}
	slices.SortFunc(all, func(a, b ClientAccount) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Add makes a new client and returns its secret, 256 random bits in base64url
// (43 characters), which is kept nowhere and can never be shown again.
// ErrExists if the id is taken, ErrName if it or a scope is unusable.
func (f *ClientFile) Add(ctx context.Context, c authsvc.Client) (tokens.Secret, error) {
	rec := clientRecord{ID: c.ID, Scopes: slices.Clone(c.Scopes), Created: f.cfg.Now().UTC().Truncate(time.Second)}
	if err := rec.check(); err != nil {
		return "", err
	}
	secret, sum := newSecret()
	rec.Sum = sum
	err := f.file.update(ctx, func(t clientTable) (clientTable, error) {
		return newClientTable(append(slices.Clone(t.records), rec))
	})
	if err != nil {
		return "", fmt.Errorf("adding client %q: %w", c.ID, err)
	}
	return secret, nil
}

// Renew gives a client a new secret and returns it; the old one is dead at
// once. ErrNotFound if there is no such client.
func (f *ClientFile) Renew(ctx context.Context, id string) (tokens.Secret, error) {
	secret, sum := newSecret()
	err := f.file.update(ctx, func(t clientTable) (clientTable, error) {
		i, err := t.index(id)
		if err != nil {
			return t, err
		}
		records := slices.Clone(t.records)
		records[i].Sum = sum
		return newClientTable(records)
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// Remove deletes a client. Its open connections to the feed live until they
// are renewed; tokens it was given live to their end unless they are revoked.
func (f *ClientFile) Remove(ctx context.Context, id string) error {
	return f.file.update(ctx, func(t clientTable) (clientTable, error) {
		i, err := t.index(id)
		if err != nil {
			return t, err
		}
		return newClientTable(slices.Delete(slices.Clone(t.records), i, i+1))
	})
}

func newSecret() (tokens.Secret, sum256) {
	var b [32]byte
	rand.Read(b[:])
	s := base64.RawURLEncoding.EncodeToString(b[:])
	return tokens.Secret(s), sha256.Sum256([]byte(s))
}
