package authsvc_test

import (
	"crypto/rand"
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/authsvc"
)

// submit sends the form of the login page, as a browser does from it.
func (w *world) submit(username, secret, returnTo string, options ...option) answer {
	w.t.Helper()
	form := url.Values{"username": {username}, "password": {secret}}
	if returnTo != "" {
		form.Set("return_to", returnTo)
	}
	from := []option{header("Origin", w.issuer), header("Sec-Fetch-Site", "same-origin")}
	return w.formTo("/login", form, append(from, options...)...)
}

// says fails unless the page has the text.
func (a answer) says(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(html.UnescapeString(string(a.body)), text) {
			t.Errorf("the page does not say %q: %d %s", text, a.status, a.body)
		}
	}
}

// leads fails unless the answer sends the browser there.
func (a answer) leads(t *testing.T, to string) answer {
	t.Helper()
	if got := a.header.Get("Location"); a.status != http.StatusSeeOther || got != to {
		t.Errorf("%d to %q instead of %q: %s", a.status, got, to, a.body)
	}
	return a
}

func TestAFormLogsIn(t *testing.T) {
	w := newWorld(t, withShop)
	if a := w.get("/login"); strings.Contains(string(a.body), "You are signed in") || strings.Contains(string(a.body), "return_to") {
		t.Errorf("nobody is signed in, and nothing asked for: %s", a.body)
	}
	w.get("/login?return_to=/orders").want(t, 200, "").says(t, `<form method="post" action="/login">`, `name="return_to" value="`+w.issuer+`/orders"`)
	for asked, led := range map[string]string{
		"/orders?page=2#top":      w.issuer + "/orders?page=2#top",
		shop + "/cart":            shop + "/cart",
		"https://evil.example/":   "https://blog.example.com/",
		"":                        "https://blog.example.com/",
		"/" + longer(2048):        "https://blog.example.com/",
		shop + "/" + longer(1900): shop + "/" + longer(1900),
	} {
		a := w.submit("ann", password, asked).leads(t, led)
		w.get("/v1/session", withCookies(a.cookies...)).want(t, 200, "")
		w.post("/v1/refresh", "", withCookies(a.cookies...)).want(t, 200, "")
	}
}

// moreRoles makes a user's session larger.
func moreRoles(n int) func(*authsvc.User) {
	roles := rolesOf(n)
	return func(u *authsvc.User) { u.Roles = roles }
}

// rolesOf makes roles that nothing can squeeze.
func rolesOf(n int) (roles []string) {
	for range n {
		roles = append(roles, rand.Text())
	}
	return roles
}

func longer(n int) string { return strings.Repeat("x", n) }

func TestWithoutAnOriginOfTheApplicationTheWayLeadsToTheLoginPage(t *testing.T) {
	w := newWorld(t)
	a := w.submit("ann", password, shop+"/").leads(t, w.issuer+"/login")
	w.get("/login?return_to=/x", withCookies(a.cookies...)).want(t, 200, "").says(t, "You are signed in.", "Sign out", `href="`+w.issuer+`/x"`)
}

func TestADestinationThatDoesNotFitBesideTheCookiesIsLeftOut(t *testing.T) {
	w := newWorld(t, withShop)
	w.users.with(moreRoles(60))
	to := shop + "/" + longer(1900)
	a := w.submit("ann", password, to).leads(t, "https://blog.example.com/")
	w.get("/v1/session", withCookies(a.cookies...)).want(t, 200, "")
}

func TestALoginThatFailsIsSaidOnThePage(t *testing.T) {
	w := newWorld(t, withShop)
	for _, tc := range []struct {
		name, username, secret string
		status                 int
		says                   string
	}{
		{"a wrong password", "ann", "wrong", 401, "The user name or the password is wrong."},
		{"an unknown user", `x"><script>`, "wrong", 401, "The user name or the password is wrong."},
		{"no password", "ann", "", 400, "Enter your user name and your password."},
		{"no user name", "", "wrong", 400, "Enter your user name and your password."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := w.submit(tc.username, tc.secret, shop+"/cart").want(t, tc.status, "")
			a.says(t, `role="alert"`, tc.says, `value="`+shop+`/cart"`, "<title>Error: ", `aria-invalid="true"`, `aria-describedby="wrong"`)
			if !strings.Contains(string(a.body), `name="username" value="`+html.EscapeString(tc.username)+`"`) {
				t.Errorf("the user name is not kept: %s", a.body)
			}
			if len(a.cookies) != 0 || strings.Contains(string(a.body), `value="wrong"`) {
				t.Errorf("it sets cookies or shows the password: %v %s", a.header, a.body)
			}
		})
	}
	if a := w.submit("ann", "wrong", ""); a.header.Get("WWW-Authenticate") == "" {
		t.Error("a 401 without a challenge")
	}
}

func TestAFaultAtTheLoginPageIsNoMistake(t *testing.T) {
	w := newWorld(t)
	away := errors.New("away")
	w.users.fault.Store(&away)
	a := w.submit("ann", password, "").want(t, 503, "")
	a.says(t, `role="alert"`, "Nobody can sign in right now.", a.header.Get("X-Request-Id"))
	if a.header.Get("Retry-After") == "" || strings.Contains(string(a.body), "aria-invalid") || len(a.cookies) != 0 {
		t.Errorf("%v %s", a.header, a.body)
	}
}

func TestOtherSitesDoNotLogIn(t *testing.T) {
	w := newWorld(t)
	for _, from := range [][]option{
		{header("Origin", "https://evil.example"), header("Sec-Fetch-Site", "cross-site")},
		{header("Origin", "null"), header("Sec-Fetch-Site", "cross-site")},
		{header("Origin", "https://evil.example")}, // a browser from before Sec-Fetch-Site
	} {
		a := w.formTo("/login", url.Values{"username": {"ann"}, "password": {password}}, from...).want(t, 403, "")
		a.says(t, "This came from another site")
		if len(a.cookies) != 0 {
			t.Errorf("%v", a.header)
		}
	}
}

func TestALoginTakesThePlaceOfASession(t *testing.T) {
	w := newWorld(t)
	before := w.submit("ann", password, "")
	after := w.submit("bob", password, "", withCookies(before.cookies...))
	w.get("/v1/session", withCookies(before.cookies...)).want(t, 401, "")
	w.get("/v1/session", withCookies(after.cookies...)).want(t, 200, "")
}

func TestALoginThatDoesNotFitEndsNothing(t *testing.T) {
	w := newWorld(t)
	jar := withCookies(w.submit("ann", password, "").cookies...)
	for n := 60; ; n += 5 { // the first that does not fit can be sealed still
		w.users.with(moreRoles(n))
		a := w.submit("ann", password, "")
		if a.status == http.StatusSeeOther {
			continue
		}
		w.submit("ann", password, "", jar).want(t, 413, "").says(t, `role="alert"`, "more roles than a session can hold")
		break
	}
	w.get("/v1/session", jar).want(t, 200, "")
	w.users.with(moreRoles(0))
	w.log.fault.Store(true) // the old session can not be ended: nobody is logged in
	if a := w.submit("ann", password, "", jar).want(t, 503, ""); len(a.cookies) != 0 {
		t.Errorf("%v", a.header)
	}
}

func TestAnUnknownUserGetsThePageOfAWrongPassword(t *testing.T) {
	w := newWorld(t)
	known, unknown := w.submit("ann", "wrong", "").want(t, 401, ""), w.submit("zoe", "wrong", "").want(t, 401, "")
	if strings.ReplaceAll(string(known.body), `"ann"`, `"zoe"`) != string(unknown.body) {
		t.Errorf("%s\n%s", known.body, unknown.body)
	}
}

func TestTheLoginPageTakesItsFormAlone(t *testing.T) {
	w := newWorld(t)
	for body, status := range map[string]int{
		"username=ann&password=x&username=bob":  400,
		"username=ann&password=x&admin=1":       400,
		"username=%zz&password=x":               400,
		"username=%ff&password=x":               400,
		"username=ann&password=" + longer(9000): 413,
	} {
		a := w.do("POST", "/login", "application/x-www-form-urlencoded", body)
		a.want(t, status, "").says(t, "Begin again at the login page.", a.header.Get("X-Request-Id"))
	}
	w.post("/login", `{"username":"ann","password":"x"}`).want(t, 415, "")
	w.do("PUT", "/login", "", "").want(t, 405, "method-not-allowed")
}

func TestASessionsEndIsSaidInWords(t *testing.T) {
	w := newWorld(t, withShop)
	seen := map[string]bool{}
	for _, reason := range []string{"expired", "revoked", "reused", "idle", "state-lost", "logout", "", "<b>", "EXPIRED"} {
		a := w.get("/sessions-ended?reason="+url.QueryEscape(reason)+"&return_to="+url.QueryEscape(shop+"/cart?a=b&c")).want(t, 200, "")
		a.says(t, w.issuer+"/login?return_to="+url.QueryEscape(shop+"/cart?a=b&c"))
		seen[regexp.MustCompile(`(?s)<main>.*</main>`).FindString(string(a.body))] = true
		if reason != "" && strings.Contains(string(a.body), reason+"<") {
			t.Errorf("the page shows what it was given: %s", a.body)
		}
	}
	if len(seen) != 7 {
		t.Errorf("%d different pages for six reasons and none", len(seen))
	}
	if a := w.get("/sessions-ended?return_to=//evil.example"); strings.Contains(string(a.body), "evil") {
		t.Errorf("%s", a.body)
	}
}

func TestPagesLoadAndFrameNothingForeign(t *testing.T) {
	w := newWorld(t, withShop)
	pages := map[string]answer{
		"login": w.get("/login"), "a refusal": w.submit("ann", "wrong", ""), "an end": w.get("/sessions-ended"), "a fault": w.do("POST", "/login", "text/plain", "x"),
	}
	loaded := map[string]bool{}
	for name, a := range pages {
		for header, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "X-Frame-Options": "DENY",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; " +
				"form-action 'self' " + w.issuer + " https://blog.example.com " + shop,
		} {
			if got := a.header.Values(header); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
		if foreign := regexp.MustCompile(`<script|<style|\son\w+=|\sstyle=|javascript:`).FindString(string(a.body)); foreign != "" {
			t.Errorf("%s has %s, which the policy forbids", name, foreign)
		}
		for _, m := range regexp.MustCompile(`(?:src|<link[^>]* href)="([^"]*)"`).FindAllStringSubmatch(string(a.body), -1) {
			loaded[m[1]] = true
		}
	}
	if len(loaded) != 2 {
		t.Errorf("loaded: %v", loaded)
	}
	for path := range loaded {
		a := w.get(html.UnescapeString(path)).want(t, 200, "")
		if strings.Contains(string(a.body), "url(") || strings.Contains(string(a.body), "@import") || !strings.HasPrefix(a.header.Get("Cache-Control"), "public") {
			t.Errorf("%s: %v", path, a.header)
		}
		if again := w.get(path, header("If-None-Match", a.header.Get("ETag"))); again.status != 304 {
			t.Errorf("%s: %d", path, again.status)
		}
	}
	w.get("/assets/login.html").want(t, 404, "not-found")
}

func TestPagesAreKeptToTLSWhereTheIssuerIs(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) { c.Issuer = "https://auth.example.com" })
	a := w.get("/login").want(t, 200, "")
	a.says(t, "auth.example.com")
	if a.header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
}

func TestAPanicBehindAPageIsAPage(t *testing.T) {
	w := newWorld(t)
	w.users.panic.Store(true)
	w.submit("ann", password, "").want(t, 500, "").says(t, "Something went wrong here")
}
