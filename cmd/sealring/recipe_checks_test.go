package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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

func (f *front) lets(t *testing.T) {
	for _, mode := range []string{"token", "cookie"} {
		c := mustLogIn(t, f.direct, sitePassword, mode)
		who := f.identity(t, c)
		s := f.get(t, "/a%2Fb/../c?d=e&f=%20", c.line()).told(t)
		s.is(t, who)
		if who.Get("X-Auth-Subject") == "" || who.Get("X-Auth-Session") == "" {
			t.Fatalf("the auth service says %v", who)
		}
	}
	c := mustLogIn(t, f.direct, sitePassword, "cookie")
	for _, around := range []string{"%s", "a=b; %s", "%s; a=b", "a=b;%s;c=d", "a=b; %s; c=d; e=f"} {
		s := f.get(t, "/", "Cookie: "+fmt.Sprintf(around, c.value)).told(t)
		got := strings.Join(s.values("Cookie"), ";")
		if strings.Contains(got, "__Host-session") {
			t.Errorf("the application gets the session's cookie: %.40q", got)
		}
		for _, other := range []string{"a=b", "c=d", "e=f"} {
			if strings.Contains(around, other) != strings.Contains(got, other) {
				t.Errorf("of %q the application gets %q", around, got)
			}
		}
	}
	if got := f.get(t, "/", mustLogIn(t, f.direct, sitePassword, "token").line(), "Cookie: a=b").told(t).values("Cookie"); !slices.Equal(got, []string{"a=b"}) {
		t.Errorf("the application gets the cookies %q", got)
	}
}

func (f *front) stripsWhatIsSpoofed(t *testing.T) {
	c := mustLogIn(t, f.direct, sitePassword, "cookie")
	who := f.identity(t, c)
	var all []string
	for _, name := range []string{"X-Auth-Subject", "X-Auth-Session", "X-Auth-Scope"} {
		spellings := []string{name, strings.ToLower(name), strings.ToUpper(name), strings.ReplaceAll(name, "-", "_"),
			strings.Replace(name, "-", "_", 1), name[:6] + "_" + name[7:], strings.ToLower(strings.ReplaceAll(name, "-", "_"))}
		for _, spelling := range spellings {
			line := spelling + ": root"
			t.Run(spelling, func(t *testing.T) { f.get(t, "/", c.line(), line).told(t).is(t, who) })
			all = append(all, line, line)
		}
	}
	f.get(t, "/", append(all, c.line())...).told(t).is(t, who)
	// A client may name headers that are for the next hop alone: the identity is not among them.
	a := f.get(t, "/", c.line(), "Connection: close, X-Auth-Subject, X-Auth-Session, X-Auth-Scope, Authorization", "X-Auth-Subject: root")
	a.told(t).is(t, who)
	// Nor does the application hear who else is before it.
	a = f.get(t, "/", c.line(), "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: gopher")
	for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": strings.TrimPrefix(f.url, "http://"), "X-Forwarded-Proto": "http"} {
		if got := a.told(t).values(name); !slices.Equal(got, []string{want}) {
			t.Errorf("the application is told %s: %q, want %q", name, got, want)
		}
	}
	// Nor does the verdict hang on what the client says that it has asked for.
	f.untouched(t, func() {
		f.get(t, "/", "X-Original-URL: "+f.url+"/login", "X-Forwarded-Uri: /login", "X-Rewrite-URL: /login").want(t, http.StatusUnauthorized)
	})
}

// A service's own token has no session, and gets none from the client.
func (f *front) letsServices(t *testing.T) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"demo"}, "client_secret": {f.secret}}
	resp, err := client.PostForm(f.url+"/v1/token", form)
	must(t, err)
	defer resp.Body.Close()
	var got struct {
		Token string `json:"access_token"`
	}
	must(t, json.NewDecoder(resp.Body).Decode(&got))
	c := credential{"Authorization", "Bearer " + got.Token}
	who := f.identity(t, c)
	if len(who.Values("X-Auth-Session")) != 0 {
		t.Fatalf("it has a session: %v", who)
	}
	f.get(t, "/", c.line()).told(t).is(t, who)
	f.get(t, "/", c.line(), "X-Auth-Session: "+tokens.NewID().String(), "X_Auth_Session: root").told(t).is(t, who)
}

// carriesMuch shows the longest token, which makes a verdict whose headers are
// longer than what proxies take of an answer by default.
func (f *front) carriesMuch(t *testing.T) {
	var token string
	for roles := 0; len(token) < tokens.MaxTokenLen-24; roles++ { // each role is 23 of it
		token = f.signed(t, func(c *tokens.Claims) {
			for i := range 200 {
				c.Scope = append(c.Scope, fmt.Sprintf("orders-%03d:write", i))
			}
			for i := range roles {
				c.Roles = append(c.Roles, fmt.Sprintf("the-buyer-%04d", i))
			}
		})
	}
	c := credential{"Authorization", "Bearer " + token}
	who := f.identity(t, c)
	if n := len(who.Get("X-Auth-Scope")) + len(who.Get("Authorization")); n < 11_000 {
		t.Fatalf("only %d bytes", n)
	}
	s := f.get(t, "/", c.line(), "X-Long: "+strings.Repeat("x", 1000)).told(t)
	s.is(t, who)
	if len(s.Header.Get("X-Long")) != 1000 {
		t.Errorf("X-Long has %d bytes", len(s.Header.Get("X-Long")))
	}
}

func (f *front) carriesBodies(t *testing.T) {
	c := mustLogIn(t, f.direct, sitePassword, "token")
	body := strings.Repeat("0123456789abcdef", 4096)
	a, _, _ := f.send(t, http.MethodPut, "/a%2Fb?c=%20&d=e", body, c.line(), "Content-Type: text/plain")
	if s := a.told(t); s.Method != http.MethodPut || s.URI != "/a%2Fb?c=%20&d=e" || s.Body != body {
		t.Errorf("%s %s with %d bytes", s.Method, s.URI, len(s.Body))
	}
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

func (f *front) upgrades(t *testing.T) {
	handshake := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	f.untouched(t, func() { f.get(t, "/socket", handshake...).want(t, http.StatusUnauthorized) })
	c := mustLogIn(t, f.direct, sitePassword, "cookie")
	h2c := []string{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"}
	if s := f.get(t, "/socket", append(h2c, c.line())...).told(t); len(s.values("Upgrade")) != 0 {
		t.Errorf("the application is asked for a connection that nobody looks into: %v", s.Header)
	}
	a, conn, r := f.send(t, http.MethodGet, "/socket", "", append(handshake, c.line())...)
	a.want(t, http.StatusSwitchingProtocols)
	_, err := fmt.Fprintln(conn, "hello")
	must(t, err)
	if line, err := r.ReadString('\n'); err != nil || line != f.identity(t, c).Get("X-Auth-Subject")+" says hello\n" {
		t.Errorf("%q, %v", line, err)
	}
}

func (f *front) leavesTheApplicationItsOwn(t *testing.T) {
	c := mustLogIn(t, f.direct, sitePassword, "token")
	for path, status := range map[string]int{"/broken": 500, "/private": 401} {
		if a := f.get(t, path, c.line(), "Accept: text/html", "Sec-Fetch-Mode: navigate").want(t, status); !strings.HasPrefix(a.body, "the application's own") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

var navigates = []string{"Accept: text/html", "Sec-Fetch-Mode: navigate"}

func (f *front) leadsToTheLogin(t *testing.T) {
	there := f.url + "/cart?a=b&c=d"
	to := func(page string) string { return f.url + page + "?return_to=" + url.QueryEscape(there) }
	wantWay := func(way string, headers ...string) {
		t.Helper()
		f.untouched(t, func() {
			a := f.get(t, "/cart?a=b&c=d", append(headers, navigates...)...).want(t, http.StatusSeeOther)
			if got := a.Header.Get("Location"); got != way {
				t.Errorf("leads to %q, want %q", got, way)
			}
		})
	}
	wantWay(to("/login"))
	wantWay(to("/login"), "Cookie: __Host-session=x")
	wantWay(to("/login"), "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Uri: /", "X-Original-URL: https://evil.example/")
	wantWay(to("/v1/refresh"), f.expiredCookie(t).line())
	if a, _, _ := f.send(t, http.MethodPost, "/cart", "a=b", navigates...); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != f.url+"/login" {
		t.Errorf("what was posted: %s, %v", a.Status, a.Header) // its body is lost: no use to come back to it
	}

	wantCall(t, http.StatusOK, http.MethodGet, to("/login"), credential{})
	resp := submitForm(t, f.url+"/login", url.Values{"username": {"ann"}, "password": {sitePassword}, "return_to": {there}}, credential{})
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != there {
		t.Fatalf("%s to %q", resp.Status, resp.Header.Get("Location"))
	}
	for _, c := range resp.Cookies() {
		if c.Name == "__Host-session" {
			f.get(t, "/cart?a=b&c=d", append(navigates, "Cookie: "+c.Name+"="+c.Value)...).told(t)
		}
	}
}

// streamsTheFeed: the issuer's URL is the proxy's, for verifiers too.
func (f *front) streamsTheFeed(t *testing.T) {
	f.startDemo(t)
	f.demoReady(t)
	c := mustLogIn(t, f.direct, sitePassword, "token")
	wantCall(t, http.StatusOK, http.MethodGet, f.demoURL+"/", c)
	wantCall(t, http.StatusNoContent, http.MethodPost, f.direct+"/v1/logout", c)
	within(t, patience, http.StatusUnauthorized, f.demoURL+"/", c)
	f.demo.interrupt(t)
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
