package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// A real HAProxy with the exported keys and rules lets through what the service
// has signed, by the key of before a rotation and of after it, and nothing else.
func TestHAProxyVerifiesWithWhatExportWrites(t *testing.T) {
	s := newSite(t)
	s.startAuth(t)
	dir := filepath.Join(t.TempDir(), "pem")
	command(t, "", "keys", "export", "--data", s.data, "--format", "pem", "--dir", dir, "--issuer", s.issuer)
	front := haproxy(t, filepath.Join(dir, "haproxy.cfg"))

	good := mustLogIn(t, s.direct, sitePassword, "token")
	within(t, patience, http.StatusOK, front, good)
	head, rest, _ := strings.Cut(strings.TrimPrefix(good.value, "Bearer "), ".")
	payload, _, _ := strings.Cut(rest, ".")
	for name, token := range map[string]string{
		"no signature":           head + "." + payload + ".",
		"a signature of nothing": head + "." + payload + "." + strings.Repeat("A", 86),
		"no token":               "x",
		"a foreign key":          foreignToken(t, s.issuer),
	} {
		if status, body := call(http.MethodGet, front, credential{"Authorization", "Bearer " + token}); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	wantCall(t, http.StatusUnauthorized, http.MethodGet, front, credential{})

	// The standby is in the files already: no reload is needed for a rotation.
	before := currentKeys(t, s.data)["at"]
	command(t, "", "keys", "rotate", "--use", "sig", "--data", s.data)
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		c := mustLogIn(t, s.direct, sitePassword, "token")
		wantCall(t, http.StatusOK, http.MethodGet, front, c)
		if currentKeys(t, s.data)["at"] != before {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the new key does not sign")
		}
	}
	wantCall(t, http.StatusOK, http.MethodGet, front, good)
}

// foreignToken is like ours but for who has signed it.
func foreignToken(t *testing.T, iss string) string {
	t.Helper()
	now := time.Now()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, now.Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ring.Current(keys.AccessToken, now)
	if err != nil {
		t.Fatal(err)
	}
	return tokenBy(t, key, iss, func(*tokens.Claims) {})
}

// tokenBy is a token like those of a login, but for what change does to it.
func tokenBy(t *testing.T, key keys.Key, iss string, change func(*tokens.Claims)) string {
	t.Helper()
	now := time.Now()
	c := &tokens.Claims{
		Issuer: iss, Subject: "ann", Audience: []string{"demo"}, ID: tokens.NewID(), SessionID: tokens.NewID(), ClientID: "login",
		IssuedAt: now.Truncate(time.Second), AuthTime: now.Truncate(time.Second), ExpiresAt: now.Add(time.Minute).Truncate(time.Second),
	}
	change(c)
	raw, err := tokens.Sign(c, key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// haproxy starts one with the rules in a frontend, before a service that takes
// everybody, and returns its URL.
func haproxy(t *testing.T, rules string) string {
	t.Helper()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	t.Cleanup(backend.Close)
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	config := mustWrite(t, filepath.Join(t.TempDir(), "haproxy.cfg"), fmt.Sprintf(`global
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend front
    bind 127.0.0.1:%s
%s
    default_backend back
backend back
    server one %s
`, port, text, strings.TrimPrefix(backend.URL, "http://")))
	startProxy(t, port, "haproxy", "-db", "-f", config)
	return "http://127.0.0.1:" + port + "/"
}
