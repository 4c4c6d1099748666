package authsvc_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

func loginAs(name, mode string) string {
	return `{"username":"` + name + `","password":"` + password + `","mode":"` + mode + `"}`
}

// Whoever logs in where a session is open already, as whomever, ends that: its
// cookies and tokens are worth nothing, at any verifier.
func TestALoginEndsTheSessionItComesWith(t *testing.T) {
	w := newWorld(t)
	expired := func(jar answer) []option { // the session goes on, its access token has run out
		opened, err := tokens.OpenSession(jar.cookie(t, "__Host-session").Value, w.ring, time.Now())
		must(t, err)
		c, err := tokens.Verify(opened.Token, w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"orders"}}, time.Now())
		must(t, err)
		return []option{withCookies(w.sessionCookie(w.sign(func(old *tokens.Claims) {
			old.SessionID = c.SessionID
			old.IssuedAt, old.ExpiresAt = old.IssuedAt.Add(-time.Hour), old.IssuedAt.Add(-time.Minute)
			old.AuthTime = old.IssuedAt
		})))}
	}
	for name, with := range map[string]func(jar, in answer) []option{
		"its session cookie":          func(jar, _ answer) []option { return []option{withCookies(jar.cookie(t, "__Host-session"))} },
		"one whose token has expired": func(jar, _ answer) []option { return expired(jar) },
		"its refresh cookie":          func(jar, _ answer) []option { return []option{withCookies(jar.cookie(t, "__Secure-refresh"))} },
		"both":                        func(jar, _ answer) []option { return []option{withCookies(jar.cookies...)} },
		"a cookie among others": func(jar, _ answer) []option {
			return []option{withCookies(&http.Cookie{Name: "__Host-session", Value: "x"}, jar.cookie(t, "__Host-session"))}
		},
		"its access token": func(_, in answer) []option { return []option{withBearer(in.str(t, "access_token"))} },
		"the tokens of two sessions": func(jar, in answer) []option {
			return []option{withCookies(jar.cookies...), withBearer(in.str(t, "access_token"))}
		},
		"nothing that is good for one": func(_, _ answer) []option {
			return []option{header("Cookie", "__Host-session=x; __Secure-refresh=y"), withBearer("z")}
		},
	} {
		for _, as := range []string{loginAs("ann", "cookie"), loginAs("bob", "token")} {
			t.Run(name, func(t *testing.T) {
				jar, in, other := w.loginCookie(), w.login(), w.login()
				a := w.post("/v1/login", as, with(jar, in)...).want(t, 200, "")
				byCookie, byToken := 200, 200
				switch {
				case strings.HasPrefix(name, "nothing"):
				case strings.Contains(name, "token") && !strings.Contains(name, "expired"):
					if byToken = 401; strings.Contains(name, "two") {
						byCookie = 401
					}
				default:
					byCookie = 401
				}
				w.get("/v1/session", withCookies(jar.cookie(t, "__Host-session"))).want(t, byCookie, "")
				w.post("/v1/refresh", "", withCookies(jar.cookies...)).want(t, byCookie, "")
				w.get("/v1/session", withBearer(in.str(t, "access_token"))).want(t, byToken, "")
				w.refresh(in.str(t, "refresh_token")).want(t, byToken, "")
				w.get("/v1/session", withBearer(other.str(t, "access_token"))).want(t, 200, "")
				if len(a.cookies) > 0 {
					w.get("/v1/session", withCookies(a.cookies...)).want(t, 200, "")
				} else {
					w.get("/v1/session", withBearer(a.str(t, "access_token"))).want(t, 200, "")
				}
			})
		}
	}
}

// A step-up is a login in the place of the session.
func TestAStepUpBeginsANewSession(t *testing.T) {
	w := newWorld(t)
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	token := w.sign(func(c *tokens.Claims) { c.AuthTime = old })
	before := w.get("/v1/session", withBearer(token)).want(t, 200, "").json(t)
	after := w.post("/v1/login", loginAs("ann", "token"), withBearer(token)).want(t, 200, "").json(t)["session"].(map[string]any)
	if before["subject"] != after["subject"] || before["id"] == after["id"] {
		t.Errorf("%v became %v", before, after)
	}
	at, err := time.Parse(time.RFC3339, fmt.Sprint(after["auth_time"]))
	if err != nil || time.Since(at) > time.Minute {
		t.Errorf("auth_time %v: %v", after["auth_time"], err)
	}
	w.get("/v1/session", withBearer(token)).want(t, 401, "invalid-token")
}

// Who fails to log in, whyever, keeps the session that was there.
func TestALoginThatFailsEndsNothing(t *testing.T) {
	w := newWorld(t)
	jar := w.loginCookie()
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"a wrong password":       {`{"username":"ann","password":"wrong wrong wrong"}`, 401},
		"an unknown user":        {`{"username":"zoe","password":"` + password + `"}`, 401},
		"a bad request":          {`{"username":"ann","password":"` + password + `","mode":"both"}`, 400},
		"data that does not fit": {`{"username":"ann","password":"` + password + `","mode":"cookie","data":{"b":"` + strings.Repeat("x", 3500) + `"}}`, 413},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.log.appends.Load()
			w.post("/v1/login", c.body, withCookies(jar.cookies...)).want(t, c.status, "")
			w.get("/v1/session", withCookies(jar.cookies...)).want(t, 200, "")
			if n := w.log.appends.Load() - before; n != 0 {
				t.Errorf("%d appends", n)
			}
		})
	}
	// and nobody is logged in beside a session that can not be ended
	w.log.fault.Store(true)
	if a := w.post("/v1/login", loginAs("ann", "cookie"), withCookies(jar.cookies...)).want(t, 503, "unavailable"); len(a.cookies) != 0 {
		t.Errorf("cookies %v", a.cookies)
	}
	w.log.fault.Store(false)
	w.get("/v1/session", withCookies(jar.cookies...)).want(t, 200, "")
	w.log.apart.Store(true) // the shared store is away: in force here and at our subscribers
	w.post("/v1/login", loginAs("ann", "cookie"), withCookies(jar.cookies...)).want(t, 200, "")
	w.get("/v1/session", withCookies(jar.cookies...)).want(t, 401, "invalid-token")
	w.log.apart.Store(false)
	before := w.log.appends.Load()
	w.post("/v1/login", loginAs("ann", "cookie"), withCookies(jar.cookies...)).want(t, 200, "")
	if n := w.log.appends.Load() - before; n != 0 {
		t.Errorf("what has ended was ended again: %d appends", n)
	}
}
