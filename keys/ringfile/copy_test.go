package ringfile_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/sealring-dev/sealring/keys/ringfile"
)

func always([]byte) bool { return true }

func TestACopyIsWhatWasWrittenLastAndWhenItWasGood(t *testing.T) {
	c := ringfile.Copy(filepath.Join(t.TempDir(), "copy"))
	if data, _, err := c.Read(); data != nil || err != nil {
		t.Errorf("before there is one: %q, %v", data, err)
	}
	for _, text := range []string{"one", "two"} {
		if err := c.Write(t.Context(), []byte(text), always); err != nil {
			t.Fatal(err)
		}
	}
	then := time.Now().Add(-time.Hour).Round(time.Second)
	if err := c.Touch(then); err != nil {
		t.Fatal(err)
	}
	if data, known, err := c.Read(); string(data) != "two" || !known.Equal(then) || err != nil {
		t.Errorf("%q, good at %v, %v", data, known, err)
	}
	if info, err := os.Lstat(string(c)); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestACopyGivesWayOnlyToWhatItIsAskedFor(t *testing.T) {
	c := ringfile.Copy(filepath.Join(t.TempDir(), "copy"))
	if err := c.Write(t.Context(), []byte("7"), always); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(t.Context(), []byte("6"), func(old []byte) bool { return string(old) < "6" }); err != nil {
		t.Fatal(err)
	}
	if data, _, _ := c.Read(); string(data) != "7" {
		t.Errorf("it is %q", data)
	}
}

func TestACopyIsWrittenByOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copy")
	lock := flock.New(path + ".lock")
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := ringfile.Copy(path).Write(ctx, []byte("x"), always); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another holds the lock: %v", err)
	}
}

func TestACopyThatOthersCouldReadOrReplaceIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"readable by others": func(path string) error { return os.Chmod(path, 0o644) },
		"a symbolic link": func(path string) error {
			return errors.Join(os.Rename(path, path+".to"), os.Symlink(path+".to", path))
		},
		"too long": func(path string) error {
			return os.WriteFile(path, []byte(strings.Repeat("x", ringfile.MaxBytes+100)), 0o600)
		},
	} {
		c := ringfile.Copy(filepath.Join(t.TempDir(), "copy"))
		if err := errors.Join(c.Write(t.Context(), []byte("x"), always), spoil(string(c))); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(); !errors.Is(err, ringfile.ErrUnsafe) && !errors.Is(err, ringfile.ErrDamaged) || !strings.Contains(err.Error(), string(c)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
