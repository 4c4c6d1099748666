package users_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/users"
)

var (
	_ authsvc.Users   = (*users.UserFile)(nil)
	_ authsvc.Clients = (*users.ClientFile)(nil)

	cheap  = users.Params{Memory: 64, Time: 1, Lanes: 1}
	begin  = time.Date(2025, 1, 2, 3, 4, 5, 678, time.UTC)
	config = users.Config{Params: cheap, Now: func() time.Time { return begin }}
)

const password = "correct horse"

func newUsers(t *testing.T) (*users.UserFile, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.json")
	return openUsers(t, path), path
}

func openUsers(t *testing.T, path string) *users.UserFile {
	t.Helper()
	f, err := config.OpenUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func addAnn(t *testing.T, f *users.UserFile) users.Account {
	t.Helper()
	ann, err := f.Add(t.Context(), authsvc.User{Username: "Ann", Roles: []string{"admin"}, Scopes: []string{"orders:read"}}, password)
	if err != nil {
		t.Fatal(err)
	}
	return ann
}

func TestAUserLogsInWithTheirPasswordAndNothingElse(t *testing.T) {
	f, _ := newUsers(t)
	ann := addAnn(t, f)
	if _, err := f.Add(t.Context(), authsvc.User{Username: "bob", Disabled: true}, password); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, username, password string
		ok                       bool
	}{
		{"the right password", "ann", password, true},
		{"the name in capitals", "ANN", password, true},
		{"a wrong password", "ann", "wrong horse", false},
		{"no password", "ann", "", false},
		{"a password with something after it", "ann", password + "\x00", false},
		{"1024 bytes", "ann", strings.Repeat("x", 1024), false},
		{"1025 bytes", "ann", strings.Repeat("x", 1025), false},
		{"an unknown user", "eve", password, false},
		{"no name", "", password, false},
		{"an impossible name", "ann\n", password, false},
		{"a disabled user", "bob", password, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, err := f.Authenticate(t.Context(), c.username, c.password)
			if c.ok {
				if err != nil || u.Subject != ann.Subject || u.Username != "ann" || len(u.Roles) != 1 || len(u.Scopes) != 1 {
					t.Fatalf("got %+v, %v", u, err)
				}
				return
			}
			if err != authsvc.ErrBadCredentials { // the very same, so that nothing differs
				t.Fatalf("got %v, want exactly ErrBadCredentials", err)
			}
		})
	}
}

// An unknown name must cost what a known one costs. The hash here is dear
// enough (about 30 ms) to stand out. A busy machine only ever makes a login
// slower, so the fastest of each, taken in turns, comes down to the true cost:
// more rounds are run until the two agree.
func TestAnUnknownUserCostsTheSameHash(t *testing.T) {
	f, err := users.OpenUsers(filepath.Join(t.TempDir(), "users.json"))
	if err != nil {
		t.Fatal(err)
	}
	addAnn(t, f)
	for _, unknown := range []string{"eve", "", "not\na name"} {
		best := map[string]time.Duration{"ann": time.Hour, unknown: time.Hour}
		agree := func() bool { return best[unknown] < time.Hour && best[unknown] > best["ann"]/2 }
		for round := 0; round < 20 && !agree(); round++ {
			for name := range best {
				start := time.Now()
				if _, err := f.Authenticate(t.Context(), name, "wrong horse"); err != authsvc.ErrBadCredentials {
					t.Fatal(err)
				}
				best[name] = min(best[name], time.Since(start))
			}
		}
		if !agree() {
			t.Errorf("unknown %q answers after %v, a known user after %v", unknown, best[unknown], best["ann"])
		}
	}
}

func TestAccountsAreFoundBySubjectDisabledOrNot(t *testing.T) {
	f, _ := newUsers(t)
	ann := addAnn(t, f)
	if err := f.Disable(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	u, err := f.Lookup(t.Context(), ann.Subject)
	if err != nil || !u.Disabled || u.Username != "ann" {
		t.Fatalf("Lookup = %+v, %v", u, err)
	}
	if err := f.Enable(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), "ann", password); err != nil {
		t.Fatalf("after Enable: %v", err)
	}
	if _, err := f.Lookup(t.Context(), "nobody"); err != authsvc.ErrNoUser {
		t.Fatalf("Lookup of nobody: %v", err)
	}
}

func TestWhatIsAddedSurvivesAndIsPrivate(t *testing.T) {
	f, path := newUsers(t)
	ann := addAnn(t, f)
	if len(ann.Subject) != 22 || !ann.Created.Equal(begin.Truncate(time.Second)) {
		t.Errorf("added %+v", ann)
	}
	if _, err := f.Add(t.Context(), authsvc.User{Username: "al", Subject: "auth0|7"}, password); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	again := openUsers(t, path)
	list := again.List()
	if len(list) != 2 || list[0].Subject != "auth0|7" || list[1].Subject != ann.Subject {
		t.Fatalf("read back %+v", list)
	}
	if _, err := again.Authenticate(t.Context(), "ann", password); err != nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(path)
	if strings.Contains(string(raw), password) {
		t.Error("the file holds the password")
	}
}

func TestChangesThatAreRefusedChangeNothing(t *testing.T) {
	f, path := newUsers(t)
	ann := addAnn(t, f)
	before, _ := os.ReadFile(path)
	ctx := t.Context()
	add := func(u authsvc.User, pw string) error { _, err := f.Add(ctx, u, pw); return err }
	for name, c := range map[string]struct{ got, want error }{
		"a name that is taken":        {add(authsvc.User{Username: "ANN"}, password), users.ErrExists},
		"a subject that is taken":     {add(authsvc.User{Username: "bob", Subject: ann.Subject}, password), users.ErrExists},
		"a name that is unusable":     {add(authsvc.User{Username: "a\tb"}, password), users.ErrName},
		"a subject that is unusable":  {add(authsvc.User{Username: "bob", Subject: "a b"}, password), users.ErrName},
		"a subject of 256 characters": {add(authsvc.User{Username: "bob", Subject: strings.Repeat("x", 256)}, password), users.ErrName},
		"a scope with a space":        {add(authsvc.User{Username: "bob", Scopes: []string{"a b"}}, password), users.ErrName},
		"a scope of 129 characters":   {add(authsvc.User{Username: "bob", Scopes: []string{strings.Repeat("x", 129)}}, password), users.ErrName},
		"an empty role":               {add(authsvc.User{Username: "bob", Roles: []string{""}}, password), users.ErrName},
		"a password of 7 bytes":       {add(authsvc.User{Username: "bob"}, "seven77"), users.ErrPassword},
		"a new password of 7 bytes":   {f.SetPassword(ctx, "ann", "seven77"), users.ErrPassword},
		"a password for nobody":       {f.SetPassword(ctx, "bob", password), users.ErrNotFound},
		"disabling nobody":            {f.Disable(ctx, "bob"), users.ErrNotFound},
		"removing nobody":             {f.Remove(ctx, "bob"), users.ErrNotFound},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("the file has changed")
	}
}

func TestANewPasswordReplacesTheOld(t *testing.T) {
	f, _ := newUsers(t)
	addAnn(t, f)
	if err := f.SetPassword(t.Context(), "ann", "battery staple"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), "ann", password); err != authsvc.ErrBadCredentials {
		t.Errorf("the old one: %v", err)
	}
	if _, err := f.Authenticate(t.Context(), "ann", "battery staple"); err != nil {
		t.Errorf("the new one: %v", err)
	}
	if err := f.Remove(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), "ann", "battery staple"); err != authsvc.ErrBadCredentials {
		t.Errorf("after Remove: %v", err)
	}
}

func TestALoginRenewsAHashOfOtherParameters(t *testing.T) {
	f, path := newUsers(t)
	addAnn(t, f)
	dearer := config
	dearer.Params.Time = 3
	g, err := dearer.OpenUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	has := func(s string) bool {
		raw, _ := os.ReadFile(path)
		return strings.Contains(string(raw), s)
	}
	if _, err := g.Authenticate(t.Context(), "ann", "wrong horse"); err != authsvc.ErrBadCredentials || !has("t=1") {
		t.Fatalf("a wrong password renews the hash (%v)", err)
	}
	for range 2 { // the second time with the new hash, and without a write
		if _, err := g.Authenticate(t.Context(), "ann", password); err != nil || !has("t=3") {
			t.Fatalf("the hash is not renewed (%v)", err)
		}
	}
	before, _ := os.Stat(path)
	if _, err := g.Authenticate(t.Context(), "ann", password); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("a hash with the right parameters is written again")
	}
}

func TestConcurrentChangesAreAllKept(t *testing.T) {
	f, path := newUsers(t)
	g := openUsers(t, path) // as another process would
	var wg sync.WaitGroup
	for i, file := range []*users.UserFile{f, g, f, g, f, g} {
		wg.Go(func() {
			if _, err := file.Add(context.Background(), authsvc.User{Username: string(rune('a' + i))}, password); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(f.List()); n != 6 {
		t.Errorf("%d of 6 users are there", n)
	}
	if n := len(g.List()); n != 6 {
		t.Errorf("%d of 6 users are there for the other process", n)
	}
}

func TestAHeldLockIsWaitedForUntilTheContextEnds(t *testing.T) {
	f, path := newUsers(t)
	unlock := holdLock(t, path+".lock")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Add(ctx, authsvc.User{Username: "ann"}, password); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("with the lock held elsewhere: %v", err)
	}
	unlock()
	addAnn(t, f)
}
