package main

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/sealring-dev/sealring/keys/ringfile"
)

// newSettings are the defaults, for an empty data folder.
func newSettings(t *testing.T) *settings {
	t.Helper()
	s := &settings{}
	for _, d := range s.declared() {
		if d.def != "" {
			must(t, d.parse(d.def))
		}
	}
	s.Data = t.TempDir()
	return s
}

// newDataFolder has a ring in it.
func newDataFolder(t *testing.T) *settings {
	t.Helper()
	s := newSettings(t)
	_, _, err := s.newRing(t.Context(), s.ringIn(nil))
	must(t, err)
	return s
}

// cutOff is a rewrap that ends after the new master key was written and before
// the ring is.
func cutOff(t *testing.T, s *settings, next ringfile.MasterKey) {
	t.Helper()
	lock := flock.New(s.path(ringFile) + ".lock")
	must(t, lock.Lock())
	defer lock.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := s.rewrap(ctx, s.ringIn(nil), next); err == nil {
		t.Fatal("the lock was passed by")
	}
}

func opens(t *testing.T, s *settings, when string) {
	t.Helper()
	if _, err := s.openRing(t.Context(), s.ringIn(nil)); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
}

func TestARewrapThatIsCutOffLosesNoMasterKey(t *testing.T) {
	s := newDataFolder(t)
	cutOff(t, s, ringfile.NewMasterKey())
	opens(t, s, "cut off before the ring is written")

	next := ringfile.NewMasterKey()
	must(t, s.rewrap(t.Context(), s.ringIn(nil), next))
	opens(t, s, "after a second try")

	old, err := os.ReadFile(s.path(masterFile))
	must(t, err)
	after := ringfile.NewMasterKey()
	must(t, s.rewrap(t.Context(), s.ringIn(nil), after))
	must(t, os.Rename(s.path(masterFile), s.path(nextMasterFile))) // as if cut off before the last step
	must(t, os.WriteFile(s.path(masterFile), old, 0o600))
	opens(t, s, "cut off before the new key is in its place")
	cutOff(t, s, ringfile.NewMasterKey())
	opens(t, s, "and cut off once more, with yet another key")
}
