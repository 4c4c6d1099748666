package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/tokens"
)

// The files of the data folder. All are 0600, the folder is 0700.
const (
	masterFile  = "master.key"
	ringFile    = "ring.jwe"
	seenFile    = "ring.jwe.seen"
	movedFile   = "ring.jwe.moved"
	redisCopy   = "ring.redis"
	usersFile   = "users.json"
	clientsFile = "clients.json"
	storeFile   = "store.db"
	adminFile   = "admin.token"
	sealsFile   = "seals.json"
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

// privateFile reads a secret of the data folder, and refuses one that its owner
// alone could not have written, or that others can read: the same as the key
// ring's file, for whoever has the master key has the ring. All is judged on
// the open file, so that nothing can be swapped in between. A secret that is
// kept elsewhere is named by its _file setting, not by a link.
func privateFile(path string) (string, error) {
	// O_NONBLOCK: opening a pipe must not wait for its other end.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return "", fmt.Errorf("%s is a symbolic link: put the file itself there", path)
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if err := checkPrivate(path, info, os.Geteuid()); err != nil {
		return "", err
	}
	return readSecret(f, path)
}

func checkPrivate(path string, info fs.FileInfo, uid int) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others than its owner: chmod 600 %s", path, path)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != uid {
		return fmt.Errorf("%s belongs to user %d, not to user %d, who runs this", path, stat.Uid, uid)
	}
	return nil
}

// masterKey is the configured one, or that of the data folder.
func (s *settings) masterKey() (ringfile.MasterKey, error) {
	text := s.MasterKey.Reveal()
	if text == "" {
		var err error
		text, err = privateFile(s.path(masterFile))
		if errors.Is(err, fs.ErrNotExist) && s.shared() {
			err = fmt.Errorf("%w; a ring in Redis opens with the %s of the folder in which it was made: copy it here, or name it as master_key_file", err, masterFile)
		}
		if err != nil {
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
