package authsvc_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

func (w *world) revokeToken(token string, options ...option) answer {
	w.t.Helper()
	return w.formTo("/v1/revoke", url.Values{"token": {token}}, options...)
}

// ofService gets a service's own token.
func (w *world) ofService() string {
	w.t.Helper()
	return w.form(url.Values{"grant_type": {"client_credentials"}}, w.basic()).want(w.t, 200, "").str(w.t, "access_token")
}

func TestRevokeARefreshTokenEndsTheSession(t *testing.T) {
	w := newWorld(t)
	for name, form := range map[string]url.Values{
		"from nobody in particular": {},
		"with a hint":               {"token_type_hint": {"refresh_token"}},
		"with the wrong hint":       {"token_type_hint": {"access_token"}},
		"with an unknown hint":      {"token_type_hint": {"mars"}},
		"from the client of logins": {"client_id": {"login"}},
	} {
		t.Run(name, func(t *testing.T) {
			in, other := w.login(), w.login()
			form.Set("token", in.str(t, "refresh_token"))
			if a := w.formTo("/v1/revoke", form).want(t, 200, ""); len(a.body) != 0 {
				t.Errorf("a body: %s", a.body)
			}
			w.refresh(in.str(t, "refresh_token")).want(t, 401, "session-ended")
			w.get("/v1/session", withBearer(in.str(t, "access_token"))).want(t, 401, "invalid-token")
			w.get("/v1/session", withBearer(other.str(t, "access_token"))).want(t, 200, "")
			before := w.logEnd()
			w.formTo("/v1/revoke", form).want(t, 200, "") // twice does no harm, and adds nothing
			if after := w.logEnd(); after != before {
				t.Errorf("%v became %v", before, after)
			}
		})
	}
	cookie := w.loginCookie()
	w.revokeToken(cookie.cookie(t, "__Secure-refresh").Value).want(t, 200, "")
	w.post("/v1/refresh", "", withCookies(cookie.cookies...)).want(t, 401, "session-ended")
}

func TestRevokeAnAccessTokenEndsThatAlone(t *testing.T) {
	w := newWorld(t)
	in := w.login()
	w.revokeToken(in.str(t, "access_token")).want(t, 200, "")
	w.get("/v1/session", withBearer(in.str(t, "access_token"))).want(t, 401, "invalid-token")
	next := w.refresh(in.str(t, "refresh_token")).want(t, 200, "")
	w.get("/v1/session", withBearer(next.str(t, "access_token"))).want(t, 200, "")

	for _, show := range []func(token string) answer{
		func(token string) answer { return w.revokeToken(token, w.basic()) },
		func(token string) answer {
			return w.formTo("/v1/revoke", url.Values{"token": {token}, "client_id": {"orders"}, "client_secret": {w.secret}})
		},
	} {
		own := w.ofService()
		show(own).want(t, 200, "")
		w.get("/v1/session", withBearer(own)).want(t, 401, "invalid-token")
	}
}

// A revoked token is remembered until every verifier, whatever its clock,
// refuses it for its age.
func TestARevokedTokenIsRememberedToItsEnd(t *testing.T) {
	w := newWorld(t)
	raw := w.login().str(t, "access_token")
	c, err := tokens.Verify(raw, w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"orders"}}, time.Now())
	must(t, err)
	w.revokeToken(raw).want(t, 200, "")
	list := w.get(w.admin+"/admin/v1/revocations", withBearer(adminToken)).want(t, 200, "").json(t)["revocations"].([]any)
	entry := list[0].(map[string]any)
	if want := c.ExpiresAt.Add(2 * time.Minute).Format(time.RFC3339); len(list) != 1 || entry["type"] != "token" || entry["expires"] != want {
		t.Errorf("%v, want one token until %s", list, want)
	}
}

// RFC 7009 §2.2: what is worth nothing need not be revoked.
func TestRevokeATokenThatIsNone(t *testing.T) {
	w := newWorld(t)
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	ended := w.login().str(t, "access_token")
	w.post("/v1/logout", "", withBearer(ended)).want(t, 204, "")
	for name, token := range map[string]string{
		"garbage":           "garbage",
		"dots":              "....",
		"a forged token":    w.login().str(t, "access_token") + "A",
		"an expired token":  w.sign(func(c *tokens.Claims) { c.IssuedAt, c.AuthTime, c.ExpiresAt = past, past, past.Add(time.Minute) }),
		"a session cookie":  w.loginCookie().cookie(t, "__Host-session").Value,
		"a revoked one":     ended,
		"another issuer's":  w.sign(func(c *tokens.Claims) { c.Issuer = "https://evil.example" }),
		"8,000 characters":  strings.Repeat("A", 8000),
		"another's garbage": strings.Repeat("A.", 4),
	} {
		t.Run(name, func(t *testing.T) {
			before := w.logEnd()
			w.revokeToken(token).want(t, 200, "")
			w.revokeToken(token, w.basic())
			if after := w.logEnd(); after != before {
				t.Errorf("%v became %v", before, after)
			}
		})
	}
}

func TestRevokeErrors(t *testing.T) {
	w := newWorld(t)
	in := w.login()
	user, service := in.str(t, "access_token"), w.ofService()
	token := func(value string, more ...string) url.Values {
		v := url.Values{"token": {value}}
		for i := 0; i < len(more); i += 2 {
			v.Add(more[i], more[i+1])
		}
		return v
	}
	for _, tc := range []struct {
		name   string
		form   url.Values
		with   []option
		status int
		err    string
	}{
		{"no token", url.Values{}, nil, 400, "invalid_request"},
		{"an empty token", token(""), nil, 400, "invalid_request"},
		{"two tokens", token(user, "token", user), nil, 400, "invalid_request"},
		{"a wrong secret", token(service), []option{withBasic("orders", "wrong")}, 401, "invalid_client"},
		{"an unknown client", token(user, "client_id", "mars"), nil, 401, "invalid_client"},
		{"a service client without its secret", token(service, "client_id", "orders"), nil, 401, "invalid_client"},
		{"a secret of the public client", token(user, "client_id", "login", "client_secret", "x"), nil, 401, "invalid_client"},
		{"authenticating twice", token(service, "client_secret", w.secret), []option{w.basic()}, 400, "invalid_request"},
		{"a bearer token", token(service), []option{withBearer(service)}, 401, "invalid_client"},
		{"a login's access token, by a service", token(user), []option{w.basic()}, 400, "invalid_grant"},
		{"a login's refresh token, by a service", token(in.str(t, "refresh_token")), []option{w.basic()}, 400, "invalid_grant"},
		{"a service's token, by nobody", token(service), nil, 400, "invalid_grant"},
		{"a service's token, by another", token(service), []option{withBasic("nobody", w.nobody)}, 400, "invalid_grant"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.unchanged(t, func() {
				a := w.formTo("/v1/revoke", tc.form, tc.with...)
				if a.status != tc.status || a.str(t, "error") != tc.err {
					t.Fatalf("%d %s, want %d %s", a.status, a.body, tc.status, tc.err)
				}
				if a.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
					t.Errorf("challenge %q", a.header.Get("WWW-Authenticate"))
				}
			})
		})
	}
	if a := w.do("POST", "/v1/revoke?token="+user, "", ""); a.status != 400 || a.str(t, "error") != "invalid_request" {
		t.Errorf("in the URL: %d %s", a.status, a.body)
	}
	if a := w.post("/v1/revoke", `{"token":"x"}`); a.status != 415 || a.str(t, "error") != "invalid_request" {
		t.Errorf("JSON: %d %s", a.status, a.body)
	}
	if a := w.revokeToken(user, header("Sec-Fetch-Site", "cross-site"), header("Origin", "https://evil.example")); a.status != 403 || a.str(t, "error") != "invalid_request" {
		t.Errorf("from another site: %d %s", a.status, a.body)
	}
	w.log.fault.Store(true)
	if a := w.revokeToken(user); a.status != 503 || a.str(t, "error") != "temporarily_unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("a fault: %d %v %s", a.status, a.header, a.body)
	}
	w.log.fault.Store(false)
	w.get("/v1/session", withBearer(user)).want(t, 200, "")
}
