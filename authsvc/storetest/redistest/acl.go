package redistest

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Whoever connects without a name may do what deploy/redis/users.acl lets Sealring do,
// and nothing else, so that each test with a server is one of that file. Do has a user
// of its own who may do everything.
const (
	// User is the user of that file, and Password the password of the tests.
	User     = "sealring"
	Password = "a-password-of-the-tests"

	admin         = "admin"
	adminPassword = "of the tests"
)

// users are the users of a server, for its command line.
func users(t testing.TB) []string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(file), "../../../deploy/redis/users.acl"))
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for line := range strings.Lines(string(raw)) {
		if words := strings.Fields(line); len(words) > 4 && words[0] == "user" {
			rules = words[4:] // after: user NAME on >PASSWORD
		}
	}
	if len(rules) == 0 {
		t.Fatal("users.acl names no user")
	}
	args := append([]string{"--user", "default", "on", "nopass"}, rules...)
	args = append(args, append([]string{"--user", User, "on", ">" + Password}, rules...)...)
	args = append(args, "--user", admin, "on", "nopass", "~*", "&*", "+@all")
	return append(args, "--masteruser", admin, "--masterauth", adminPassword)
}
