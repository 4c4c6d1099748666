package authsvc_test

import (
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/tokens"
)

func TestGetSession(t *testing.T) {
	w := newWorld(t)
	byToken := w.get("/v1/session", withBearer(w.login().str(t, "access_token"))).want(t, 200, "").json(t)
	if byToken["subject"] != "u-ann" || byToken["expires_in"].(float64) < 268 || byToken["idle_expires_in"] != nil {
		t.Errorf("%v", byToken)
	}
	byCookie := w.get("/v1/session", withCookies(w.loginCookie().cookie(t, "__Host-session"))).want(t, 200, "").json(t)
	if byCookie["data"].(map[string]any)["theme"] != "dark" || byCookie["idle_expires_in"].(float64) < 1798 ||
		byCookie["session_expires_in"].(float64) < 43198 || byCookie["version"].(float64) != 1 {
		t.Errorf("%v", byCookie)
	}
}

func TestVerifyAnswersInHeaders(t *testing.T) {
	w := newWorld(t)
	token := w.login().str(t, "access_token")
	cookie := w.loginCookie().cookie(t, "__Host-session")
	for name, o := range map[string]option{"token": withBearer(token), "cookie": withCookies(cookie)} {
		a := w.get("/v1/verify", o).want(t, 200, "")
		if a.header.Get("X-Auth-Subject") != "u-ann" || len(a.header.Get("X-Auth-Session")) != 22 || a.header.Get("X-Auth-Scope") != "orders:read orders:write" {
			t.Errorf("%s: %v", name, a.header)
		}
		// what goes on is a token that verifies
		passed := strings.TrimPrefix(a.header.Get("Authorization"), "Bearer ")
		w.get("/v1/session", withBearer(passed)).want(t, 200, "")
		if len(a.body) != 0 {
			t.Errorf("%s: a body %q", name, a.body)
		}
	}
}

func TestVerifyEscapesSubjects(t *testing.T) {
	w := newWorld(t)
	for sub, want := range map[string]string{"plain@example.com": "plain@example.com", "Žofie": "%C5%BDofie", "100%": "100%25", "a b": "a%20b"} {
		a := w.get("/v1/verify", withBearer(w.sign(func(c *tokens.Claims) { c.Subject = sub }))).want(t, 200, "")
		if got := a.header.Get("X-Auth-Subject"); got != want {
			t.Errorf("%q became %q", sub, got)
		}
	}
}
