package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestASecretOfTheDataFolderIsItsOwnersAlone(t *testing.T) {
	for name, c := range map[string]struct {
		put  func(path string) error
		want string // of the error; empty: it is read
	}{
		"as we write it":            {func(p string) error { return newFile(p, "secret") }, ""},
		"readable by the group":     {secretOfMode(0o640), "chmod 600"},
		"writable by others":        {secretOfMode(0o602), "chmod 600"},
		"a link to one":             {func(p string) error { return errors.Join(newFile(p+".real", "secret"), os.Symlink(p+".real", p)) }, "symbolic link"},
		"a folder":                  {func(p string) error { return os.Mkdir(p, 0o700) }, "regular"},
		"a pipe that nobody writes": {func(p string) error { return syscall.Mkfifo(p, 0o600) }, "regular"},
		"empty":                     {func(p string) error { return os.WriteFile(p, []byte("\n"), 0o600) }, "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), masterFile)
			if err := c.put(path); err != nil {
				t.Fatal(err)
			}
			got, err := readOrWait(t, path)
			if c.want == "" && (err != nil || got != "secret") {
				t.Errorf("read %q, %v", got, err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path)) {
				t.Errorf("%v, which does not say %q", err, c.want)
			}
		})
	}
}

func TestASecretOfAnotherUserIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), masterFile)
	if err := newFile(path, "secret"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkPrivate(path, info, os.Geteuid()); err != nil {
		t.Errorf("of this user: %v", err)
	}
	if err := checkPrivate(path, info, os.Geteuid()+1); err == nil || !strings.Contains(err.Error(), "belongs to user") {
		t.Errorf("of another user: %v", err)
	}
}

func secretOfMode(mode os.FileMode) func(string) error {
	return func(p string) error { return errors.Join(newFile(p, "secret"), os.Chmod(p, mode)) }
}

// readOrWait is privateFile, which must never wait for a file.
func readOrWait(t *testing.T, path string) (text string, err error) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		text, err = privateFile(path)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("still waiting for the file")
	}
	return text, err
}
