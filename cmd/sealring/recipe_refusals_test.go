package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/sealring-dev/sealring/tokens"
)

func (f *front) refusesStrangers(t *testing.T) {
	f.untouched(t, func() {
		for name, headers := range map[string][]string{
			"no credential":  nil,
			"a name alone":   {"X-Auth-Subject: ann", "X-Auth-Session: " + tokens.NewID().String(), "X-Auth-Scope: orders:write"},
			"nonsense":       {"Authorization: Bearer x"},
			"a foreign key":  {"Authorization: Bearer " + foreignToken(t, f.issuer)},
			"another scheme": {"Authorization: Basic YW5uOnBhc3N3b3Jk"},
			"another cookie": {"Cookie: session=x; __Host-session=y"},
		} {
			a := f.get(t, "/", headers...)
			if challenges := a.Header.Values("WWW-Authenticate"); a.StatusCode != http.StatusUnauthorized || len(challenges) != 1 || !strings.HasPrefix(challenges[0], "Bearer") {
				t.Errorf("%s: %s, %v", name, a.Status, a.Header)
			}
			if kept := a.Header.Get("Cache-Control"); kept != "no-store" {
				t.Errorf("%s: the refusal may be kept: %q", name, kept)
			}
		}
		token := mustLogIn(t, f.direct, sitePassword, "token")
		cookie := mustLogIn(t, f.direct, sitePassword, "cookie")
		f.get(t, "/", token.line(), cookie.line()).want(t, http.StatusBadRequest)
		f.get(t, "/v1/verify", cookie.line()).want(t, http.StatusNotFound) // the token is not for a page's scripts
		f.get(t, "/v1//verify", cookie.line()).want(t, http.StatusNotFound)
		f.get(t, "/v1/%76erify", cookie.line()).want(t, http.StatusNotFound)
	})
}

// A browser sends the cookie with what other sites make it send: a link is no
// attack, a form is.
func (f *front) refusesForms(t *testing.T) {
	c := mustLogIn(t, f.direct, sitePassword, "cookie")
	from := []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site", c.line()}
	f.untouched(t, func() {
		a, _, _ := f.send(t, http.MethodPost, "/pay", "a=b", from...)
		a.want(t, http.StatusForbidden)
	})
	a, _, _ := f.send(t, http.MethodPost, "/pay", "a=b", "Origin: "+f.url, "Sec-Fetch-Site: same-origin", c.line())
	a.told(t)
	f.get(t, "/", from...).told(t)
}

// No time passes between the logout and the refusal: each request is asked about.
func (f *front) refusesTheRevoked(t *testing.T) {
	for _, mode := range []string{"token", "cookie"} {
		c := mustLogIn(t, f.url, sitePassword, mode)
		other := mustLogIn(t, f.url, sitePassword, mode)
		f.get(t, "/", c.line()).told(t)
		wantCall(t, http.StatusNoContent, http.MethodPost, f.url+"/v1/logout", c)
		f.untouched(t, func() { f.get(t, "/", c.line()).want(t, http.StatusUnauthorized) })
		f.get(t, "/", other.line()).told(t)
	}
}

func (f *front) refusesTheExpired(t *testing.T) {
	f.get(t, "/", "Authorization: Bearer "+f.signed(t, func(*tokens.Claims) {})).told(t)
	f.untouched(t, func() {
		f.get(t, "/", "Authorization: Bearer "+f.signed(t, longAgo)).want(t, http.StatusUnauthorized)
		f.get(t, "/", f.expiredCookie(t).line()).want(t, http.StatusUnauthorized)
	})
}

// closesWithoutAVerdict kills the auth service, and then stops it: it takes
// connections and says nothing.
func (f *front) closesWithoutAVerdict(t *testing.T) {
	c := mustLogIn(t, f.direct, sitePassword, "cookie")
	wantFault := func(headers ...string) {
		t.Helper()
		f.untouched(t, func() {
			a := f.get(t, "/", headers...).want(t, http.StatusServiceUnavailable)
			if a.Header.Get("Set-Cookie") != "" || a.Header.Get("Location") != "" {
				t.Errorf("a fault logs somebody out: %v", a.Header)
			}
		})
	}
	f.get(t, "/", c.line()).told(t)
	f.auth.kill()
	wantFault(c.line())
	wantFault(append(navigates, c.line())...)
	wantFault(navigates...)
	f.startAuth(t)
	f.get(t, "/", c.line()).told(t)

	must(t, f.auth.Process.Signal(syscall.SIGSTOP)) // it may still answer for a moment
	within(t, patience, http.StatusServiceUnavailable, f.url+"/", c)
	must(t, f.auth.Process.Signal(syscall.SIGCONT))
	within(t, patience, http.StatusOK, f.url+"/", c)
}
