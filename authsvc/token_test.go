package authsvc_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

func TestClientCredentials(t *testing.T) {
	w := newWorld(t)
	for name, tc := range map[string]struct {
		form  url.Values
		with  []option
		scope string
	}{
		"Basic":            {url.Values{"grant_type": {"client_credentials"}}, []option{withBasic("orders", w.secret)}, "feed session-keys stock:read"},
		"in the body":      {url.Values{"grant_type": {"client_credentials"}, "client_id": {"orders"}, "client_secret": {w.secret}}, nil, "feed session-keys stock:read"},
		"fewer scopes":     {url.Values{"grant_type": {"client_credentials"}, "scope": {"stock:read"}}, []option{withBasic("orders", w.secret)}, "stock:read"},
		"unknown is fine":  {url.Values{"grant_type": {"client_credentials"}, "scope": {"stock:read"}, "more": {"x"}}, []option{withBasic("orders", w.secret)}, "stock:read"},
		"empty is nothing": {url.Values{"grant_type": {"client_credentials"}, "scope": {""}}, []option{withBasic("orders", w.secret)}, "feed session-keys stock:read"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.form(tc.form, tc.with...).want(t, 200, "")
			if a.str(t, "scope") != tc.scope || a.str(t, "token_type") != "Bearer" || a.header.Get("Pragma") != "no-cache" {
				t.Errorf("%s", a.body)
			}
			c, err := tokens.Verify(a.str(t, "access_token"), w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"stock"}}, time.Now())
			must(t, err)
			if c.Subject != "orders" || c.ClientID != "orders" || !c.SessionID.IsZero() {
				t.Errorf("claims %+v", c)
			}
			w.get("/v1/session", withBearer(a.str(t, "access_token"))).want(t, 200, "")
		})
	}
}

func TestTokenByRefreshToken(t *testing.T) {
	w := newWorld(t)
	refresh := w.login().str(t, "refresh_token")
	for _, more := range []url.Values{{}, {"client_id": {"login"}}, {"scope": {"orders:read"}}} {
		more.Set("grant_type", "refresh_token")
		more.Set("refresh_token", refresh)
		a := w.form(more).want(t, 200, "")
		want := "orders:read orders:write"
		if more.Has("scope") {
			want = "orders:read"
		}
		if a.str(t, "scope") != want || a.str(t, "refresh_token") == "" {
			t.Errorf("%s", a.body)
		}
		refresh = a.str(t, "refresh_token")
	}
	w.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}, withBasic("login", "")).want(t, 200, "")
	// a narrower scope is this token's alone
	if a := w.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}); a.str(t, "scope") != "orders:read orders:write" {
		t.Errorf("%s", a.body)
	}
}

func TestTokenErrors(t *testing.T) {
	w := newWorld(t)
	in := w.login()
	ended := w.login()
	w.post("/v1/logout", "", withBearer(ended.str(t, "access_token"))).want(t, 204, "")
	cc := url.Values{"grant_type": {"client_credentials"}}
	basic := withBasic("orders", w.secret)
	grant := func(token string, more ...string) url.Values {
		v := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
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
		{"nothing", url.Values{}, nil, 400, "invalid_request"},
		{"an unknown grant", url.Values{"grant_type": {"password"}}, nil, 400, "unsupported_grant_type"},
		{"no client", cc, nil, 401, "invalid_client"},
		{"a wrong secret", cc, []option{withBasic("orders", "wrong")}, 401, "invalid_client"},
		{"an unknown client", cc, []option{withBasic("mars", "wrong")}, 401, "invalid_client"},
		{"a nameless client", cc, []option{withBasic("", "")}, 401, "invalid_client"},
		{"not Basic", cc, []option{withBearer("x")}, 401, "invalid_client"},
		{"Basic twice", cc, []option{basic, header("Authorization", "Basic eA==")}, 401, "invalid_client"},
		{"a bad escape in Basic", cc, []option{withBasic("%zz", "x")}, 401, "invalid_client"},
		{"authenticating twice", url.Values{"grant_type": {"client_credentials"}, "client_secret": {"x"}}, []option{basic}, 400, "invalid_request"},
		{"another client_id", url.Values{"grant_type": {"client_credentials"}, "client_id": {"mars"}}, []option{basic}, 400, "invalid_request"},
		{"too much scope", url.Values{"grant_type": {"client_credentials"}, "scope": {"stock:write"}}, []option{basic}, 400, "invalid_scope"},
		{"a parameter twice", url.Values{"grant_type": {"client_credentials", "client_credentials"}}, []option{basic}, 400, "invalid_request"},
		{"no refresh token", grant(""), nil, 400, "invalid_request"},
		{"garbage", grant("garbage"), nil, 400, "invalid_grant"},
		{"an access token", grant(in.str(t, "access_token")), nil, 400, "invalid_grant"},
		{"a cookie's value", grant(w.sealed(func(r *tokens.Refresh) { r.Cookie = true })), nil, 400, "invalid_grant"},
		{"an ended session", grant(ended.str(t, "refresh_token")), nil, 400, "invalid_grant"},
		{"too much scope of a refresh", grant(in.str(t, "refresh_token"), "scope", "admin"), nil, 400, "invalid_scope"},
		{"another client's refresh token", grant(in.str(t, "refresh_token")), []option{basic}, 400, "invalid_grant"},
		{"a bad retry id", grant(in.str(t, "refresh_token")), []option{header("Sealring-Retry", "too-short")}, 400, "invalid_request"},
		{"an unknown client's refresh", grant(in.str(t, "refresh_token"), "client_id", "mars"), nil, 401, "invalid_client"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.unchanged(t, func() {
				a := w.form(tc.form, tc.with...)
				if a.status != tc.status || a.str(t, "error") != tc.err {
					t.Fatalf("%d %s, want %d %s", a.status, a.body, tc.status, tc.err)
				}
			})
		})
	}
	for name, a := range map[string]answer{
		"parameters in the URL": w.do("POST", "/v1/token?scope=feed", "application/x-www-form-urlencoded", "grant_type=client_credentials", basic),
		"no form":               w.do("POST", "/v1/token", "application/x-www-form-urlencoded", "grant_type=%zz"),
	} {
		if a.status != 400 || a.str(t, "error") != "invalid_request" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := w.do("POST", "/v1/token", "application/json", "{}"); a.status != 415 || a.str(t, "error") != "invalid_request" {
		t.Errorf("JSON: %d %s", a.status, a.body)
	}
	if a := w.form(url.Values{"x": {strings.Repeat("x", 8<<10)}}); a.status != 413 {
		t.Errorf("a huge form: %d %s", a.status, a.body)
	}
	w.users.fault.Store(&errDisk)
	if a := w.form(grant(in.str(t, "refresh_token"))); a.status != 503 || a.str(t, "error") != "temporarily_unavailable" {
		t.Errorf("a fault: %d %s", a.status, a.body)
	}
}
