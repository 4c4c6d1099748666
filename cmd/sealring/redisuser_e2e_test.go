package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

// The service, and the commands that change keys, on a Redis under TLS with the user
// of deploy/redis/users.acl: no command is denied, and Redis is healed by that user too.
func TestRedisUnderTLSWithTheUserOfTheFile(t *testing.T) {
	redis, port, authority := redistest.StartTLS(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(redistest.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shared := []string{"--redis", "rediss://" + redistest.User + "@localhost:" + port, "--redis-password-file", password, "--redis-ca-file", authority}
	keys := func(args ...string) string {
		return command(t, "", append(append([]string{"keys"}, args...), shared...)...)
	}
	base := newSite(t)
	keys("init", "--data", base.data)
	a, b := base.replica(t, shared...), base.replica(t, shared...)
	a.startAuth(t)
	b.startAuth(t)
	for _, harm := range []func(){func() {}, func() { redis.Do("FLUSHALL") }} {
		harm()
		in := mustLogIn(t, a.direct, sitePassword, "token")
		wantCall(t, http.StatusOK, http.MethodGet, b.direct+"/v1/session", in)
		token := refreshToken(t, a.direct)
		if !refreshes(t, b.direct, token) || !refreshes(t, a.direct, token) {
			t.Error("a refresh is refused")
		}
		if status, body := call(http.MethodPost, a.direct+"/v1/logout", in); status != http.StatusNoContent && status != http.StatusAccepted { // while it is healed
			t.Errorf("logout: %d %s", status, body)
		}
		within(t, patience, http.StatusUnauthorized, b.direct+"/v1/session", in)
	}
	generation := changed(t, append([]string{"rotate", "--use", "sig", "--data", base.data}, shared...)...)
	a.follows(t, generation)
	b.follows(t, generation)
	if denied := redis.Do("ACL", "LOG").([]any); len(denied) > 0 {
		t.Errorf("denied: %v", denied)
	}
}
