package main

import (
	"encoding/json"
	"fmt"
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
	generation := changed(t, "rotate", "--use", "sig", "--data", base.data, "--redis", redis.URL())
	for _, r := range both {
		r.follows(t, generation)
		next := mustLogIn(t, r.direct, sitePassword, "token")
		if signedWith(t, next) == before {
			t.Errorf("%s still signs with the old key", r.direct)
		}
		for _, other := range both {
			wantCall(t, http.StatusOK, http.MethodGet, other.direct+"/v1/session", next)
			wantCall(t, http.StatusOK, http.MethodGet, other.direct+"/v1/session", old)
		}
	}

	t.Log("a key of each purpose is burnt: both replicas have it from the ring")
	for _, c := range []struct {
		purpose string
		made    func() func(*site) bool // makes something with it, and tells whether that is accepted
	}{
		{"at", a.session(t, "token")},
		{"cookie", a.session(t, "cookie")},
		{"rt", func() func(*site) bool {
			token := refreshToken(t, a.direct)
			return func(r *site) bool { return refreshes(t, r.direct, token) }
		}},
		{"feed", func() func(*site) bool {
			kid := base.signing(t, redis, "feed")
			return func(r *site) bool {
				return strings.Contains(wantCall(t, http.StatusOK, http.MethodGet, r.direct+"/.well-known/jwks.json", credential{}), kid)
			}
		}},
	} {
		accepted := c.made()
		for _, r := range both {
			if !accepted(r) {
				t.Fatalf("%s refuses what a good %s key made", r.direct, c.purpose)
			}
		}
		generation := changed(t, "revoke", "--yes", "--data", base.data, "--redis", redis.URL(), "--", base.signing(t, redis, c.purpose))
		for _, r := range both {
			if r.follows(t, generation); accepted(r) {
				t.Errorf("%s accepts what a burnt %s key made", r.direct, c.purpose)
			}
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
	generation = changed(t, "rotate", "--use", "enc", "--data", base.data, "--redis", redis.URL())
	for _, r := range both {
		r.follows(t, generation)
	}
	if said := a.auth.stderr.String() + b.auth.stderr.String(); !strings.Contains(said, "that is mended") || !strings.Contains(said, "the ring was gone from Redis") {
		t.Error("nobody says that Redis had lost the ring")
	}
	if pids[1] != b.auth.Process.Pid {
		t.Error("it is another process")
	}
}

// changed runs a command that changes the ring and returns the generation that
// it made.
func changed(t *testing.T, args ...string) uint64 {
	t.Helper()
	var said struct {
		Generation uint64 `json:"generation"`
	}
	must(t, json.Unmarshal([]byte(command(t, "", append([]string{"keys", args[0], "-o", "json"}, args[1:]...)...)), &said))
	return said.Generation
}

// follows waits until the replica has a generation of the ring, or a later one,
// such as its own of taking seals of a new key.
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
		if keys.Generation >= generation {
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

// session makes a session and tells whether it is accepted.
func (s *site) session(t *testing.T, mode string) func() func(*site) bool {
	return func() func(*site) bool {
		made := mustLogIn(t, s.direct, sitePassword, mode)
		return func(r *site) bool {
			status, _ := call(http.MethodGet, r.direct+"/v1/session", made)
			return status == http.StatusOK
		}
	}
}

// post sends JSON and reads what comes back.
func post(t *testing.T, url, body string, into any) int {
	t.Helper()
	resp, err := client.Post(url, "application/json", strings.NewReader(body))
	must(t, err)
	defer resp.Body.Close()
	must(t, json.NewDecoder(resp.Body).Decode(into))
	return resp.StatusCode
}

func refreshToken(t *testing.T, base string) string {
	t.Helper()
	var made struct {
		Token string `json:"refresh_token"`
	}
	post(t, base+"/v1/login", fmt.Sprintf(`{"username":"ann","password":%q,"mode":"token"}`, sitePassword), &made)
	return made.Token
}

func refreshes(t *testing.T, base, token string) bool {
	t.Helper()
	var answer map[string]any
	switch status := post(t, base+"/v1/refresh", fmt.Sprintf(`{"refresh_token":%q}`, token), &answer); status {
	case http.StatusOK:
		return true
	case http.StatusUnauthorized:
		return false
	default:
		t.Fatalf("a refresh is answered %d: %v", status, answer)
		return false
	}
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
