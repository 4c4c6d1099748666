package users_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/users"
)

func newClients(t *testing.T) (*users.ClientFile, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clients.json")
	f, err := config.OpenClients(path)
	if err != nil {
		t.Fatal(err)
	}
	return f, path
}

func TestAClientAuthenticatesWithItsSecretAndNothingElse(t *testing.T) {
	f, path := newClients(t)
	secret, err := f.Add(t.Context(), authsvc.Client{ID: "orders", Scopes: []string{"feed"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(secret.Reveal()) != 43 {
		t.Errorf("a secret of %d characters", len(secret.Reveal()))
	}
	c, err := f.Authenticate(t.Context(), "orders", secret.Reveal())
	if err != nil || c.ID != "orders" || len(c.Scopes) != 1 || c.Scopes[0] != "feed" {
		t.Fatalf("got %+v, %v", c, err)
	}
	raw, _ := os.ReadFile(path)
	sum := string(raw[strings.Index(string(raw), `"secret_sha256": "`)+18:][:64])
	for name, try := range map[string][2]string{
		"no secret":          {"orders", ""},
		"another secret":     {"orders", strings.Repeat("A", 43)},
		"the stored sum":     {"orders", sum},
		"the secret, longer": {"orders", secret.Reveal() + "A"},
		"a very long secret": {"orders", strings.Repeat(secret.Reveal(), 100)},
		"an unknown client":  {"payments", secret.Reveal()},
		"an id in capitals":  {"Orders", secret.Reveal()},
		"nobody":             {"", ""},
	} {
		if _, err := f.Authenticate(t.Context(), try[0], try[1]); err != authsvc.ErrBadCredentials {
			t.Errorf("%s: %v, want exactly ErrBadCredentials", name, err)
		}
	}
	if strings.Contains(string(raw), secret.Reveal()) {
		t.Error("the file holds the secret")
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestANewSecretKillsTheOldOne(t *testing.T) {
	f, _ := newClients(t)
	old, _ := f.Add(t.Context(), authsvc.Client{ID: "orders"})
	fresh, err := f.Renew(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), "orders", old.Reveal()); err != authsvc.ErrBadCredentials {
		t.Errorf("the old secret: %v", err)
	}
	if _, err := f.Authenticate(t.Context(), "orders", fresh.Reveal()); err != nil {
		t.Errorf("the new secret: %v", err)
	}
	if err := f.Remove(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), "orders", fresh.Reveal()); err != authsvc.ErrBadCredentials {
		t.Errorf("after Remove: %v", err)
	}
}

func TestClientChangesThatAreRefused(t *testing.T) {
	f, _ := newClients(t)
	if _, err := f.Add(t.Context(), authsvc.Client{ID: "b"}); err != nil {
		t.Fatal(err)
	}
	add := func(c authsvc.Client) error { _, err := f.Add(t.Context(), c); return err }
	_, renewErr := f.Renew(t.Context(), "x")
	for name, c := range map[string]struct{ got, want error }{
		"an id that is taken":    {add(authsvc.Client{ID: "b"}), users.ErrExists},
		"no id":                  {add(authsvc.Client{}), users.ErrName},
		"an id with a colon":     {add(authsvc.Client{ID: "a:b"}), users.ErrName},
		"an id of 65 characters": {add(authsvc.Client{ID: strings.Repeat("x", 65)}), users.ErrName},
		"a scope with a quote":   {add(authsvc.Client{ID: "c", Scopes: []string{`a"b`}}), users.ErrName},
		"renewing nobody":        {renewErr, users.ErrNotFound},
		"removing nobody":        {f.Remove(t.Context(), "x"), users.ErrNotFound},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	if _, err := f.Add(t.Context(), authsvc.Client{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if list := f.List(); len(list) != 2 || list[0].ID != "a" || list[1].ID != "b" {
		t.Errorf("listed %+v", list)
	}
}

func TestClientFilesThatAreRefused(t *testing.T) {
	record := func(id, sum string) string {
		return fmt.Sprintf(`{"id":%q,"secret_sha256":%q,"created":"2025-01-02T03:04:05Z"}`, id, sum)
	}
	sum := strings.Repeat("ab", 32)
	for name, records := range map[string]string{
		"no sum":                 record("a", ""),
		"a sum of zeros":         record("a", strings.Repeat("0", 64)),
		"a short sum":            record("a", sum[:62]),
		"a sum that is not hex":  record("a", strings.Repeat("xy", 32)),
		"no id":                  record("", sum),
		"two of one id":          record("a", sum) + "," + record("a", sum),
		"an unknown member":      `{"secret":"s",` + record("a", sum)[1:],
		"something else in line": `7`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "clients.json")
			put(t, path, `{"version":1,"clients":[`+records+`]}`, 0o600)
			if _, err := config.OpenClients(path); !errors.Is(err, users.ErrDamaged) {
				t.Fatalf("opened with %v", err)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "clients.json")
	put(t, path, `{"version":2,"clients":[]}`, 0o600)
	if _, err := config.OpenClients(path); !errors.Is(err, users.ErrDamaged) {
		t.Errorf("another version: opened with %v", err)
	}
	put(t, path, `{"version":1,"clients":[`+record("a", sum)+`]}`, 0o600)
	if _, err := config.OpenClients(path); err != nil {
		t.Errorf("the good one: %v", err)
	}
}
