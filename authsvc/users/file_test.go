package users_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofrs/flock"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/users"
)

const phc = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$pwTATtNmR9ODLv9vGMa57Fbxy3MxBUx0MI0Le8LkEgg"

func userDocument(records ...string) string {
	return `{"version":1,"users":[` + strings.Join(records, ",") + `]}`
}

func userRecord(subject, name, hash string) string {
	return `{"subject":"` + subject + `","username":"` + name + `","password":"` + hash + `","created":"2025-01-02T03:04:05Z"}`
}

func holdLock(t *testing.T, path string) (unlock func()) {
	t.Helper()
	l := flock.New(path)
	if err := l.Lock(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return func() { l.Close() }
}

// put replaces the file atomically, as an editor or a configuration tool does.
func put(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}

func TestUserFilesThatAreRefused(t *testing.T) {
	good := userRecord("s1", "ann", phc)
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		want    error
	}{
		"readable by the group":       {userDocument(good), 0o640, users.ErrPermissions},
		"readable by everybody":       {userDocument(good), 0o604, users.ErrPermissions},
		"writable by the group":       {userDocument(good), 0o620, users.ErrPermissions},
		"empty":                       {"", 0o600, users.ErrDamaged},
		"half a document":             {userDocument(good)[:60], 0o600, users.ErrDamaged},
		"two documents":               {userDocument(good) + userDocument(), 0o600, users.ErrDamaged},
		"another version":             {strings.Replace(userDocument(good), ":1", ":2", 1), 0o600, users.ErrDamaged},
		"no version":                  {`{"users":[]}`, 0o600, users.ErrDamaged},
		"an unknown member":           {strings.Replace(userDocument(good), `"subject"`, `"admin":true,"subject"`, 1), 0o600, users.ErrDamaged},
		"two users of one name":       {userDocument(good, userRecord("s2", "ann", phc)), 0o600, users.ErrExists},
		"two users of one subject":    {userDocument(good, userRecord("s1", "bob", phc)), 0o600, users.ErrExists},
		"a name in capitals":          {userDocument(userRecord("s1", "Ann", phc)), 0o600, users.ErrName},
		"a user without a subject":    {userDocument(userRecord("", "ann", phc)), 0o600, users.ErrName},
		"a user without a hash":       {userDocument(userRecord("s1", "ann", "")), 0o600, users.ErrHash},
		"a password in clear":         {userDocument(userRecord("s1", "ann", "hunter22")), 0o600, users.ErrHash},
		"a hash that costs gigabytes": {userDocument(userRecord("s1", "ann", strings.Replace(phc, "m=64", "m=4194304", 1))), 0o600, users.ErrHash},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "users.json")
			put(t, path, c.content, c.mode)
			_, err := config.OpenUsers(path)
			if !errors.Is(err, c.want) {
				t.Fatalf("opened with %v, want %v", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter22") {
				t.Errorf("the error quotes a password: %v", err)
			}
		})
	}
}

func TestAFolderIsNotAUserFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := config.OpenUsers(dir); !errors.Is(err, users.ErrDamaged) {
		t.Fatalf("opened with %v", err)
	}
}

func TestAChangedFileIsReadAgain(t *testing.T) {
	f, path := newUsers(t)
	put(t, path, userDocument(userRecord("s1", "ann", phc)), 0o600)
	if _, err := f.Lookup(t.Context(), "s1"); err != nil {
		t.Fatalf("the new user: %v", err)
	}
	other := openUsers(t, path)
	if err := other.SetPassword(t.Context(), "ann", "battery staple"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), "ann", "battery staple"); err != nil {
		t.Fatalf("the new password: %v", err)
	}
}

func TestAReplacedFileOfTheSameSizeAndTimeIsReadAgain(t *testing.T) {
	f, path := newUsers(t)
	put(t, path, userDocument(userRecord("s1", "ann", phc)), 0o600)
	if _, err := f.Lookup(t.Context(), "s1"); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(path)
	next := path + ".next"
	put(t, next, userDocument(userRecord("s2", "ann", phc)), 0o600)
	if err := os.Chtimes(next, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Lookup(t.Context(), "s2"); err != nil {
		t.Errorf("the new file: %v", err)
	}
}

func TestAFileWithoutEndIsNotReadToItsEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.json")
	put(t, path, "", 0o600)
	if err := os.Truncate(path, 64<<20+1); err != nil { // sparse
		t.Fatal(err)
	}
	if _, err := config.OpenUsers(path); !errors.Is(err, users.ErrDamaged) || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("opened with %v", err)
	}
}

func TestADamagedNewFileKeepsTheOldCopyAndSaysSoOnce(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, path string){
		"damaged":      func(t *testing.T, path string) { put(t, path, "{", 0o600) },
		"too readable": func(t *testing.T, path string) { os.Chmod(path, 0o644) },
		"gone":         func(t *testing.T, path string) { os.Remove(path) },
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			path := filepath.Join(t.TempDir(), "users.json")
			logging := config
			logging.Log = slog.New(slog.NewTextHandler(&log, nil))
			f, err := logging.OpenUsers(path)
			if err != nil {
				t.Fatal(err)
			}
			ann := addAnn(t, f)
			good, _ := os.ReadFile(path)
			spoil(t, path)
			for range 3 {
				if _, err := f.Authenticate(t.Context(), "ann", password); err != nil {
					t.Fatalf("ann is locked out: %v", err)
				}
			}
			if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
				t.Errorf("logged %d times, want once:\n%s", n, log.String())
			}
			if name != "gone" {
				if err := f.Disable(t.Context(), "ann"); err == nil {
					t.Error("a file that cannot be read is written over")
				}
			}
			put(t, path, strings.Replace(string(good), ann.Subject, "s2", 1), 0o600)
			if _, err := f.Lookup(t.Context(), "s2"); err != nil {
				t.Errorf("the repaired file is not taken over: %v", err)
			}
		})
	}
}

func FuzzUserFile(f *testing.F) {
	f.Add([]byte(userDocument(userRecord("s1", "ann", phc))))
	f.Add([]byte(`{"version":1,"clients":[{"id":"demo","secret_sha256":"00"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "file.json")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if u, err := config.OpenUsers(path); err == nil {
			for _, a := range u.List() {
				if a.Subject == "" || a.Username == "" {
					t.Errorf("a user without a name: %+v", a)
				}
			}
		}
		if c, err := config.OpenClients(path); err == nil {
			if _, err := c.Authenticate(t.Context(), "", ""); err != authsvc.ErrBadCredentials {
				t.Errorf("nobody authenticates: %v", err)
			}
		}
	})
}
