package authsvc_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

func (w *world) introspect(token string, options ...option) answer {
	w.t.Helper()
	return w.formTo("/v1/introspect", url.Values{"token": {token}}, options...).want(w.t, 200, "")
}

func TestIntrospectAGoodToken(t *testing.T) {
	w := newWorld(t)
	raw := w.login().str(t, "access_token")
	c, err := tokens.Verify(raw, w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"orders"}}, time.Now())
	must(t, err)
	got := w.introspect(raw, w.basic()).json(t)
	for name, want := range map[string]any{
		"active": true, "token_type": "Bearer", "iss": w.issuer, "sub": "u-ann", "client_id": "login", "scope": "orders:read orders:write",
		"jti": c.ID.String(), "sid": c.SessionID.String(), "iat": float64(c.IssuedAt.Unix()), "exp": float64(c.ExpiresAt.Unix()), "auth_time": float64(c.AuthTime.Unix()),
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if len(got["aud"].([]any)) != 2 || got["roles"].([]any)[0] != "buyer" {
		t.Errorf("%v", got)
	}
}

func TestIntrospectABadToken(t *testing.T) {
	w := newWorld(t)
	in := w.login()
	ended, stale := w.login().str(t, "access_token"), w.login().str(t, "access_token")
	w.post("/v1/logout", "", withBearer(ended)).want(t, 204, "")
	w.revokeToken(stale).want(t, 200, "")
	now := time.Now().Truncate(time.Second)
	for name, token := range map[string]string{
		"garbage":             "garbage",
		"a refresh token":     in.str(t, "refresh_token"),
		"a forged token":      in.str(t, "access_token") + "A",
		"of an ended session": ended,
		"a revoked token":     stale,
		"just expired": w.sign(func(c *tokens.Claims) {
			c.IssuedAt, c.AuthTime, c.ExpiresAt = now.Add(-time.Minute), now.Add(-time.Minute), now
		}),
		"for another audience":    w.sign(func(c *tokens.Claims) { c.Audience = []string{"mars"} }),
		"for one that is not its": w.sign(func(c *tokens.Claims) { c.Audience = []string{"stock"} }),
	} {
		t.Run(name, func(t *testing.T) {
			if a := w.introspect(token, w.basic()); strings.TrimSpace(string(a.body)) != `{"active":false}` {
				t.Errorf("%s", a.body)
			}
		})
	}
}

func TestIntrospectShowsAClientWhatIsItsOwn(t *testing.T) {
	w := newWorld(t)
	stock := w.sign(func(c *tokens.Claims) { c.Audience = []string{"stock"} })
	own := w.sign(func(c *tokens.Claims) {
		c.Audience, c.ClientID, c.Subject, c.SessionID = []string{"stock"}, "orders", "orders", tokens.ID{}
	})
	for name, tc := range map[string]struct {
		token string
		with  option
		want  bool
	}{
		"its own, for another audience":       {own, w.basic(), true},
		"a client that is no audience":        {stock, withBasic("nobody", w.nobody), true},
		"an audience, the token of another":   {stock, w.basic(), false},
		"an audience, a token for it as well": {w.login().str(t, "access_token"), w.basic(), true},
	} {
		if got := w.introspect(tc.token, tc.with).json(t)["active"]; got != tc.want {
			t.Errorf("%s: active is %v", name, got)
		}
	}
}

func TestIntrospectErrors(t *testing.T) {
	w := newWorld(t)
	token := w.login().str(t, "access_token")
	for _, tc := range []struct {
		name   string
		form   url.Values
		with   []option
		status int
		err    string
	}{
		{"no client", url.Values{"token": {token}}, nil, 401, "invalid_client"},
		{"the public client", url.Values{"token": {token}, "client_id": {"login"}}, nil, 401, "invalid_client"},
		{"a wrong secret", url.Values{"token": {token}}, []option{withBasic("orders", "wrong")}, 401, "invalid_client"},
		{"the token for a credential", url.Values{"token": {token}}, []option{withBearer(token)}, 401, "invalid_client"},
		{"no token", url.Values{}, []option{w.basic()}, 400, "invalid_request"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if a := w.formTo("/v1/introspect", tc.form, tc.with...); a.status != tc.status || a.str(t, "error") != tc.err {
				t.Fatalf("%d %s, want %d %s", a.status, a.body, tc.status, tc.err)
			}
		})
	}
}
