package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/tokens"
)

// The files of the data folder. All are 0600, the folder is 0700.
const (
	masterFile  = "master.key"
	ringFile    = "ring.jwe"
	seenFile    = "ring.jwe.seen"
	usersFile   = "users.json"
	clientsFile = "clients.json"
	storeFile   = "store.db"
	adminFile   = "admin.token"
)

// makeData makes sure that the data folder is there and that nobody but its
// owner can replace what is in it.
func makeData(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making data folder: %w", err)
	}
	return checkData(dir)
}

func checkData(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no data folder %s: name another with --data, or make this one with `sealring keys init`", dir)
	}
	if err != nil {
		return fmt.Errorf("opening data folder: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("data folder %s is not a folder", dir)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("data folder %s can be written by others than its owner: chmod 700 %s", dir, dir)
	}
	return nil
}

// newFile writes a file that must not be there yet.
func newFile(path, content string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}

// privateFile reads a secret of the data folder, and refuses one that others
// can read.
func privateFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others than its owner: chmod 600 %s", path, path)
	}
	return readSecretFile(path)
}

// masterKey is the configured one, or that of the data folder.
func (s *settings) masterKey() (ringfile.MasterKey, error) {
	text := s.MasterKey.Reveal()
	if text == "" {
		var err error
		if text, err = privateFile(s.path(masterFile)); err != nil {
			return ringfile.MasterKey{}, fmt.Errorf("reading master key: %w", err)
		}
	}
	key, err := ringfile.ParseMasterKey([]byte(text))
	if err != nil {
		return ringfile.MasterKey{}, fmt.Errorf("reading master key: %w", err)
	}
	return key, nil
}

// newMasterKey is masterKey, but makes a new one where none is.
func (s *settings) newMasterKey() (ringfile.MasterKey, error) {
	if s.MasterKey == "" {
		err := newFile(s.path(masterFile), ringfile.NewMasterKey().Reveal())
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return ringfile.MasterKey{}, fmt.Errorf("making master key: %w", err)
		}
	}
	return s.masterKey()
}

// openRing opens the key ring of the data folder.
func (s *settings) openRing() (ringStore, error) {
	if err := checkData(s.Data); err != nil {
		return nil, err
	}
	if _, err := os.Stat(s.path(ringFile)); errors.Is(err, fs.ErrNotExist) {
		if err := s.checkLost(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("no key ring in %s: make one with `sealring keys init --data %s`", s.Data, s.Data)
	}
	masters, err := s.masterKeys()
	if err != nil {
		return nil, err
	}
	f, err := ringfile.Open(s.path(ringFile), masters[0], masters[1:]...)
	if err != nil {
		return nil, fmt.Errorf("opening key ring: %w", err)
	}
	return f, nil
}

// checkLost refuses to take a lost ring for one that was never made: a new one
// ends every session, and nobody shall do that without being told.
func (s *settings) checkLost() error {
	if !exists(s.path(seenFile)) {
		return nil
	}
	return fmt.Errorf("the key ring %s is gone (%s says that there was one): restore it from a backup; or begin anew, which ends every session: remove %[2]s, then `sealring keys init --data %s`",
		s.path(ringFile), s.path(seenFile), s.Data)
}

// adminToken is the configured one, or that of the data folder.
func (s *settings) adminToken() (tokens.Secret, error) {
	if s.AdminToken != "" {
		return s.AdminToken, nil
	}
	text, err := privateFile(s.path(adminFile))
	if err != nil {
		return "", fmt.Errorf("reading admin token: %w; or set SEALRING_ADMIN_TOKEN", err)
	}
	return tokens.Secret(text), nil
}

// newAdminToken is adminToken, but makes a new one where none is.
func (s *settings) newAdminToken() (tokens.Secret, error) {
	if s.AdminToken == "" {
		err := newFile(s.path(adminFile), random(32))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("making admin token: %w", err)
		}
	}
	return s.adminToken()
}

// random is n random bytes in base64url.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b)
}
