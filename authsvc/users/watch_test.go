package users_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/users"
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
		f.Watch(ctx, users.Watcher{Ended: func([]authsvc.Ending) error { return nil }, Restated: func(subjects []string) error {
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
		}})
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

// ending follows a user file by what ends sessions in it. Each is announced and
// then told when that is received; an error fails it.
func ending(t *testing.T, f *users.UserFile) (ends chan []authsvc.Ending, say chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	ends, say = make(chan []authsvc.Ending), make(chan error)
	go func() {
		defer close(done)
		f.Watch(ctx, users.Watcher{Restated: func([]string) error { return nil }, Ended: func(e []authsvc.Ending) error {
			select {
			case ends <- e:
			case <-ctx.Done():
				return nil
			}
			select {
			case err := <-say:
				return err
			case <-ctx.Done():
				return nil
			}
		}})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return ends, say
}

func (e endings) next(t *testing.T) authsvc.Ending {
	t.Helper()
	select {
	case got := <-e:
		if len(got) == 1 {
			return got[0]
		}
		t.Fatalf("ended %+v", got)
	case <-time.After(10 * time.Second):
		t.Fatal("no end was noticed")
	}
	return authsvc.Ending{}
}

type endings chan []authsvc.Ending

func TestWhatEndsSessionsIsNoticed(t *testing.T) {
	f, path := newUsers(t)
	ann := addAnn(t, f)
	told, say := ending(t, openUsers(t, path))
	ends := endings(told)
	for _, change := range []struct {
		name string
		do   func() error
		at   time.Time
	}{
		{"a new password", func() error { return f.SetPassword(t.Context(), "ann", "battery staple") }, begin.Truncate(time.Second)},
		{"another in that second", func() error { return f.SetPassword(t.Context(), "ann", "staple battery") }, begin.Truncate(time.Second).Add(2 * time.Second)},
		{"disabled", func() error { return f.Disable(t.Context(), "ann") }, time.Time{}},
		{"removed", func() error { return f.Remove(t.Context(), "ann") }, time.Time{}},
	} {
		if err := change.do(); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{errors.New("not now"), nil} { // what could not be told is told again
			if e := ends.next(t); e.Subject != ann.Subject || !e.At.Equal(change.at) {
				t.Errorf("%s: %+v, want the end of %s at %v", change.name, e, ann.Subject, change.at)
			}
			say <- err
		}
	}
}

// A session that begins with the new password is not to end with the others:
// the login waits until these have ended.
func TestALoginWaitsUntilTheSessionsBeforeHaveEnded(t *testing.T) {
	f, path := newUsers(t)
	addAnn(t, f)
	watched := openUsers(t, path)
	told, say := ending(t, watched)
	if err := f.SetPassword(t.Context(), "ann", "battery staple"); err != nil {
		t.Fatal(err)
	}
	ends := endings(told)
	ends.next(t) // it is being told
	in := make(chan error, 1)
	go func() { _, err := watched.Authenticate(t.Context(), "ann", "battery staple"); in <- err }()
	select {
	case err := <-in:
		t.Fatalf("logged in too early: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	say <- nil
	if err := <-in; err != nil {
		t.Error(err)
	}
}
