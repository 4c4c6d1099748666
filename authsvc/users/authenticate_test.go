package users

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/authsvc"
)

// annInside is a user file seen from inside the package, with one slot and no
// queue.
func annInside(t *testing.T) (*UserFile, record) {
	t.Helper()
	c := Config{Params: Params{Memory: 64, Time: 1, Lanes: 1}, Slots: 1, Queue: -1}
	f, err := c.OpenUsers(filepath.Join(t.TempDir(), "users.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Add(t.Context(), authsvc.User{Username: "ann"}, "correct horse"); err != nil {
		t.Fatal(err)
	}
	rec, _ := f.find("ann")
	return f, rec
}

func TestWithoutASlotNothingIsDecided(t *testing.T) {
	f, _ := annInside(t)
	f.slots.run <- struct{}{} // somebody else's hash
	for _, name := range []string{"ann", "eve", ""} {
		if _, err := f.Authenticate(t.Context(), name, "correct horse"); !errors.Is(err, ErrBusy) || errors.Is(err, authsvc.ErrBadCredentials) {
			t.Errorf("%q hears %v, want ErrBusy", name, err)
		}
	}
	// What is nobody's password needs no slot.
	if _, err := f.Authenticate(t.Context(), "ann", strings.Repeat("x", maxPassword+1)); err != authsvc.ErrBadCredentials {
		t.Errorf("a password of %d bytes is hashed: %v", maxPassword+1, err)
	}
}

func TestNobodyLogsInAsNobody(t *testing.T) {
	f, _ := annInside(t)
	f.dummy = newHash("lucky guess", f.cfg.Params)
	if u, err := f.Authenticate(t.Context(), "eve", "lucky guess"); err != authsvc.ErrBadCredentials {
		t.Errorf("an unknown user logs in as %+v, %v", u, err)
	}
}

func TestARenewedHashDoesNotUndoANewPassword(t *testing.T) {
	f, old := annInside(t)
	if err := f.SetPassword(t.Context(), "ann", "battery staple"); err != nil {
		t.Fatal(err)
	}
	f.cfg.Params.Time = 2
	f.renew(t.Context(), old, "correct horse") // a login that began before
	if _, err := f.Authenticate(t.Context(), "ann", "correct horse"); err != authsvc.ErrBadCredentials {
		t.Errorf("the old password is back: %v", err)
	}
	if _, err := f.Authenticate(t.Context(), "ann", "battery staple"); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestParametersOutOfBoundsAreRefusedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.json")
	for _, p := range []Params{{Memory: 1 << 20, Time: 1, Lanes: 1}, {Memory: 64, Time: 1}, {Memory: 64, Lanes: 1}} {
		if _, err := (Config{Params: p}).OpenUsers(path); !errors.Is(err, ErrHash) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
