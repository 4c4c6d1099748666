package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

// replica is one more auth service of the same site, whose ring is in Redis:
// with a data folder and addresses of its own, the same master key and users.
func (s *site) replica(t *testing.T, args ...string) *site {
	t.Helper()
	r := *s
	r.data = filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(r.data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{masterFile, usersFile, clientsFile} {
		raw, err := os.ReadFile(filepath.Join(s.data, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(r.data, name), raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	public, admin := freePort(t), freePort(t)
	r.direct, r.admin = "http://localhost:"+public, "http://127.0.0.1:"+admin
	r.args = append([]string{"--data", r.data, "--listen", "127.0.0.1:" + public, "--admin-listen", "127.0.0.1:" + admin}, args...)
	return &r
}

// moveRing moves the site's ring to Redis.
func (s *site) moveRing(t *testing.T, server *redistest.Server) {
	t.Helper()
	command(t, "", "keys", "init", "--data", s.data, "--redis", server.URL())
}

// addr is where the replica's public listener is.
func (s *site) addr() string { return strings.Replace(s.direct, "http://localhost", "127.0.0.1", 1) }

// Two replicas share a Redis, and each has a service that follows it. Whatever
// becomes of Redis, what was revoked stays revoked and nobody else is refused.
func TestReplicasShareWhatWasRevoked(t *testing.T) {
	redis := redistest.Start(t)
	base := newSite(t)
	base.moveRing(t, redis)
	a, b := base.replica(t, "--redis", redis.URL(), "--redis-sessions", "64000"), base.replica(t, "--redis", redis.URL())
	a.startAuth(t)
	b.startAuth(t)
	if epoch := redis.Do("GET", "sr:{sealring}:re").(string); !strings.HasSuffix(epoch, ":1000") {
		t.Errorf("%s is not made for 64,000 sessions", epoch)
	}
	for _, r := range []*site{a, b} {
		base.proxy.target.Store(r.addr())
		r.startDemo(t)
		r.demoReady(t)
	}
	everywhere := []string{a.demoURL + "/", b.demoURL + "/", a.direct + "/v1/session", b.direct + "/v1/session"}
	good := mustLogIn(t, a.direct, sitePassword, "token")
	accepted := func() {
		t.Helper()
		for _, url := range everywhere {
			wantCall(t, http.StatusOK, http.MethodGet, url, good)
		}
	}
	refused := func(c credential) {
		t.Helper()
		for _, url := range everywhere {
			within(t, patience, http.StatusUnauthorized, url, c)
		}
	}

	c := mustLogIn(t, a.direct, sitePassword, "cookie")
	wantCall(t, http.StatusOK, http.MethodGet, everywhere[0], c)
	wantCall(t, http.StatusNoContent, http.MethodPost, b.direct+"/v1/logout", c)
	for _, url := range everywhere {
		within(t, time.Second, http.StatusUnauthorized, url, c)
	}

	t.Log("Redis is killed: a logout is in force at its own replica and that one's services")
	redis.Kill9()
	c = mustLogIn(t, a.direct, sitePassword, "token")
	wantCall(t, http.StatusAccepted, http.MethodPost, a.direct+"/v1/logout", c)
	within(t, time.Second, http.StatusUnauthorized, a.demoURL+"/", c)
	wantCall(t, http.StatusUnauthorized, http.MethodGet, a.direct+"/v1/session", c)
	wantCall(t, http.StatusOK, http.MethodGet, b.demoURL+"/", c) // which can not know
	accepted()

	t.Log("Redis is back, empty: everybody knows everything")
	redis.Restart()
	refused(c)
	accepted()

	t.Log("Redis and both replicas are killed at once: their journals remember")
	last := mustLogIn(t, a.direct, sitePassword, "token")
	wantCall(t, http.StatusNoContent, http.MethodPost, a.direct+"/v1/logout", last)
	redis.Kill9()
	a.auth.kill()
	b.auth.kill()
	redis.Restart()
	b.startAuth(t)
	a.startAuth(t)
	refused(last)
	refused(c)
	accepted()
}

// While Redis is away replicas tell each other, and a new one hears of what was
// revoked before it came.
func TestPeersTellEachOtherWhileRedisIsAway(t *testing.T) {
	redis := redistest.Start(t)
	base := newSite(t)
	base.moveRing(t, redis)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(base.secret), 0o600); err != nil {
		t.Fatal(err)
	}
	as := []string{"--redis", redis.URL(), "--client-id", "demo", "--client-secret-file", secret, "--peers"}
	a := base.replica(t)
	b := base.replica(t, append(as, a.direct)...)
	a.args = append(a.args, append(as, b.direct)...)
	a.startAuth(t)
	b.startAuth(t)
	base.proxy.target.Store(b.addr())
	b.startDemo(t)
	b.demoReady(t)

	redis.Kill9()
	for range 3 {
		c := mustLogIn(t, a.direct, sitePassword, "token")
		wantCall(t, http.StatusOK, http.MethodGet, b.demoURL+"/", c)
		wantCall(t, http.StatusAccepted, http.MethodPost, a.direct+"/v1/logout", c)
		within(t, patience, http.StatusUnauthorized, b.demoURL+"/", c) // the first also waits for b to notice that Redis is gone
		wantCall(t, http.StatusUnauthorized, http.MethodGet, b.direct+"/v1/session", c)
	}
	c := mustLogIn(t, b.direct, sitePassword, "token")
	wantCall(t, http.StatusAccepted, http.MethodPost, b.direct+"/v1/logout/all", c)
	within(t, patience, http.StatusUnauthorized, a.direct+"/v1/session", c)
}
