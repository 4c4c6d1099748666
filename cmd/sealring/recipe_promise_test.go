package main

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/tokens"
)

// What every recipe keeps. The steps go from a site that works to one whose auth
// service is away.
func (f *front) keepsItsPromise(t *testing.T) {
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"nobody without a credential", f.refusesStrangers},
		{"who has a session, as who it is", f.lets},
		{"nobody by another name", f.stripsWhatIsSpoofed},
		{"a service by its own token", f.letsServices},
		{"long headers", f.carriesMuch},
		{"a body, once", f.carriesBodies},
		{"no form of another site", f.refusesForms},
		{"a WebSocket", f.upgrades},
		{"the application's own refusals", f.leavesTheApplicationItsOwn},
		{"a browser to the login and back", f.leadsToTheLogin},
		{"the feed to verifiers", f.streamsTheFeed},
		{"nobody who is logged out", f.refusesTheRevoked},
		{"nobody whose time is over", f.refusesTheExpired},
		{"nobody while there is no verdict", f.closesWithoutAVerdict},
	} {
		if !t.Run(step.name, step.run) {
			return
		}
	}
}

// identity is what the auth service itself says of a credential.
func (f *front) identity(t *testing.T, c credential) http.Header {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, f.direct+"/v1/verify", nil)
	must(t, err)
	req.Header.Set(c.header, c.value)
	resp, err := client.Do(req)
	must(t, err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the auth service answers %s", resp.Status)
	}
	return resp.Header
}

var identityHeaders = []string{"X-Auth-Subject", "X-Auth-Session", "X-Auth-Scope", "Authorization"}

// is fails unless the application was told just what the auth service says.
// What is empty need not be there.
func (s told) is(t *testing.T, who http.Header) {
	t.Helper()
	for _, name := range identityHeaders {
		got, want := s.values(name), who.Values(name)
		if strings.Join(want, "") == "" && strings.Join(got, "") == "" {
			continue
		}
		if !slices.Equal(got, want) {
			t.Errorf("the application is told %s: %q, want %q", name, got, want)
		}
	}
}

// untouched fails if the application is asked meanwhile.
func (f *front) untouched(t *testing.T, do func()) {
	t.Helper()
	before := f.app.asked.Load()
	do()
	if after := f.app.asked.Load(); after != before {
		t.Error("the application was asked")
	}
}

func longAgo(c *tokens.Claims) {
	c.IssuedAt = c.IssuedAt.Add(-time.Hour)
	c.AuthTime, c.ExpiresAt = c.IssuedAt, c.IssuedAt.Add(time.Minute)
}

// signed is a token of ann's by the site's own key.
func (f *front) signed(t *testing.T, change func(*tokens.Claims)) string {
	t.Helper()
	return tokenBy(t, f.key(t, keys.AccessToken), f.issuer, change)
}

func (f *front) expiredCookie(t *testing.T) credential {
	t.Helper()
	now := time.Now().Truncate(time.Second)
	sealed, err := tokens.SealSession(&tokens.Session{Token: f.signed(t, longAgo), SessionEnd: now.Add(time.Hour), IdleEnd: now.Add(time.Hour)}, f.key(t, keys.SessionCookie))
	must(t, err)
	return credential{"Cookie", "__Host-session=" + sealed}
}

func (f *front) key(t *testing.T, p keys.Purpose) keys.Key {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.data, masterFile))
	must(t, err)
	master, err := ringfile.ParseMasterKey(text)
	must(t, err)
	file, err := ringfile.Open(filepath.Join(f.data, ringFile), master)
	must(t, err)
	k, err := file.Ring().Current(p, time.Now())
	must(t, err)
	return k
}
