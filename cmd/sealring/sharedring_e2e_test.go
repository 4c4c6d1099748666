package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

// Two replicas with data folders of their own have one ring, in Redis.
func TestReplicasShareTheirKeys(t *testing.T) {
	redis := redistest.Start(t)
	base := newSite(t)
	base.moveRing(t, redis)
	a, b := base.replica(t, "--redis", redis.URL()), base.replica(t, "--redis", redis.URL())
	both := []*site{a, b}
	a.startAuth(t)
	b.startAuth(t)
	pids := []int{a.auth.Process.Pid, b.auth.Process.Pid}

	t.Log("what one signs the other takes; both follow a rotation through Redis, without a restart")
	old := mustLogIn(t, a.direct, sitePassword, "token")
	wantCall(t, http.StatusOK, http.MethodGet, b.direct+"/v1/session", old)
	before := signedWith(t, old)
	command(t, "", "keys", "rotate", "--use", "sig", "--data", base.data, "--redis", redis.URL())
	for _, r := range both {
		r.follows(t, 3)
		next := mustLogIn(t, r.direct, sitePassword, "token")
		if signedWith(t, next) == before {
			t.Errorf("%s still signs with the old key", r.direct)
		}
		for _, other := range both {
			wantCall(t, http.StatusOK, http.MethodGet, other.direct+"/v1/session", next)
			wantCall(t, http.StatusOK, http.MethodGet, other.direct+"/v1/session", old)
		}
	}

	t.Log("a key is burnt: both replicas refuse what it made")
	for purpose, mode := range map[string]string{"at": "token", "cookie": "cookie"} {
		made := mustLogIn(t, a.direct, sitePassword, mode)
		for _, r := range both {
			wantCall(t, http.StatusOK, http.MethodGet, r.direct+"/v1/session", made)
		}
		command(t, "", "keys", "revoke", "--data", base.data, "--redis", redis.URL(), "--", base.signing(t, redis, purpose))
		for _, r := range both {
			within(t, patience, http.StatusUnauthorized, r.direct+"/v1/session", made)
		}
	}

	t.Log("Redis is frozen, then killed: both go on at their pace with the copy they have")
	good := mustLogIn(t, a.direct, sitePassword, "token")
	for _, harm := range []func(){redis.Stop, func() { redis.Cont(); redis.Kill9() }} {
		harm()
		for _, r := range both {
			saysSoon(t, r.admin+"/readyz", func(body string) bool { return strings.Contains(body, "ring-stale") })
			started := time.Now()
			wantCall(t, http.StatusOK, http.MethodGet, r.direct+"/v1/session", good)
			mustLogIn(t, r.direct, sitePassword, "token")
			if took := time.Since(started); took > 5*time.Second { // a login is a slow hash
				t.Errorf("a login took %v", took)
			}
		}
	}

	t.Log("one is started again meanwhile, and begins with its copy")
	a.auth.kill()
	a.startAuth(t)
	wantCall(t, http.StatusOK, http.MethodGet, a.direct+"/v1/session", good)
	wantCall(t, http.StatusOK, http.MethodGet, b.direct+"/v1/session", mustLogIn(t, a.direct, sitePassword, "token"))

	t.Log("Redis is back, empty: the ring is in it again, and can be changed")
	redis.Restart()
	for _, r := range both {
		saysSoon(t, r.admin+"/readyz", func(body string) bool { return strings.TrimSpace(body) == `{"status":"ok"}` })
	}
	command(t, "", "keys", "rotate", "--use", "enc", "--data", base.data, "--redis", redis.URL())
	for _, r := range both {
		r.follows(t, 7)
	}
	if pids[1] != b.auth.Process.Pid {
		t.Error("it is another process")
	}
}

// follows waits until the replica has a generation of the ring.
func (s *site) follows(t *testing.T, generation uint64) {
	t.Helper()
	token, err := os.ReadFile(s.data + "/" + adminFile)
	must(t, err)
	bearer := credential{"Authorization", "Bearer " + strings.TrimSpace(string(token))}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		var keys struct {
			Generation uint64 `json:"generation"`
		}
		must(t, json.Unmarshal([]byte(wantCall(t, http.StatusOK, http.MethodGet, s.admin+"/admin/v1/keys", bearer)), &keys))
		if keys.Generation == generation {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s has generation %d, want %d", s.direct, keys.Generation, generation)
		}
	}
}

// signing is the key of a purpose that signs or seals now, by the ring in Redis.
func (s *site) signing(t *testing.T, redis *redistest.Server, purpose string) string {
	t.Helper()
	var list []keyView
	must(t, json.Unmarshal([]byte(command(t, "", "keys", "list", "--data", s.data, "--redis", redis.URL(), "-o", "json")), &list))
	for _, k := range list {
		if string(k.Purpose) == purpose && k.State == "signing" {
			return k.ID
		}
	}
	t.Fatalf("no %s key signs", purpose)
	return ""
}

// signedWith is the kid of a token.
func signedWith(t *testing.T, token credential) string {
	t.Helper()
	out := command(t, strings.TrimPrefix(token.value, "Bearer "), "token", "inspect", "-", "-o", "json")
	var shown struct {
		Header struct {
			KID string `json:"kid"`
		} `json:"header"`
	}
	must(t, json.Unmarshal([]byte(out), &shown))
	if shown.Header.KID == "" {
		t.Fatalf("no kid in %s", out)
	}
	return shown.Header.KID
}
