package users_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watch follows a user file; each change that was noticed comes on the channel.
// fail has the next one fail.
func watch(t *testing.T, path string) (changes chan string, fail func()) {
	t.Helper()
	f := openUsers(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	done, failing := make(chan struct{}), make(chan struct{}, 1)
	changes = make(chan string, 8)
	go func() {
		defer close(done)
		f.Watch(ctx, func(subjects []string) error {
			select {
			case <-failing:
				changes <- "failed"
				return errors.New("not now")
			default:
			}
			for _, sub := range subjects {
				u, err := f.Lookup(ctx, sub)
				if err != nil {
					t.Errorf("%s: %v", sub, err)
				}
				changes <- sub + " " + strings.Join(u.Roles, ",")
			}
			return nil
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return changes, func() { failing <- struct{}{} }
}

func next(t *testing.T, changes chan string) string {
	t.Helper()
	select {
	case c := <-changes:
		return c
	case <-time.After(10 * time.Second):
		t.Fatal("no change was noticed")
	}
	return ""
}

func TestAChangeOfRolesIsNoticed(t *testing.T) {
	user := func(roles string) string {
		return strings.Replace(userRecord("a", "ann", phc), `,"created"`, `,"roles":[`+roles+`],"created"`, 1)
	}
	path := filepath.Join(t.TempDir(), "users.json")
	put(t, path, userDocument(user(`"x","y"`)), 0o600)
	changes, fail := watch(t, path)
	put(t, path, userDocument(user(`"x"`)), 0o600)
	if got := next(t, changes); got != "a x" {
		t.Errorf("noticed %q", got)
	}
	put(t, path, "damaged", 0o600)
	fail()
	put(t, path, userDocument(user(`"v"`)), 0o600)
	for _, want := range []string{"failed", "a v"} { // what could not be told is told again
		if got := next(t, changes); got != want {
			t.Errorf("noticed %q, want %q", got, want)
		}
	}
}
