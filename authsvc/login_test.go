package authsvc_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

func TestLoginByToken(t *testing.T) {
	w := newWorld(t)
	a := w.login()
	v := a.json(t)
	c, err := tokens.Verify(v["access_token"].(string), w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"stock"}}, time.Now())
	must(t, err)
	if c.Subject != "u-ann" || c.ClientID != "login" || fmt.Sprint(c.Scope) != "[orders:read orders:write]" ||
		fmt.Sprint(c.Roles) != "[buyer]" || fmt.Sprint(c.Audience) != "[orders stock]" {
		t.Errorf("claims %+v", c)
	}
	if c.ExpiresAt.Sub(c.IssuedAt) > 5*time.Minute || c.ExpiresAt.Sub(c.IssuedAt) < 270*time.Second || !c.AuthTime.Equal(c.IssuedAt) {
		t.Errorf("times %+v", c)
	}
	if v["token_type"] != "Bearer" || v["expires_in"].(float64) < 268 || v["scope"] != "orders:read orders:write" {
		t.Errorf("%s", a.body)
	}
	session := v["session"].(map[string]any)
	if session["id"] != c.SessionID.String() || session["idle_expires_in"].(float64) < 1798 || session["session_expires_in"].(float64) < 43198 {
		t.Errorf("session %v", session)
	}
	if len(a.cookies) != 0 {
		t.Error("mode token set cookies")
	}
	if n := w.log.appends.Load() + w.store.presents.Load(); n != 0 {
		t.Errorf("a login touched the store %d times", n)
	}
}

func TestLoginByCookie(t *testing.T) {
	w := newWorld(t)
	a := w.loginCookie()
	for name, path := range map[string]string{"__Host-session": "/", "__Secure-refresh": "/v1/refresh"} {
		c := a.cookie(t, name)
		if c.Path != path || c.Domain != "" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("%s: %+v", name, c)
		}
		if c.MaxAge < 1798 || c.MaxAge > 1800 {
			t.Errorf("%s: Max-Age %d", name, c.MaxAge)
		}
	}
	if strings.Contains(string(a.body), "token") {
		t.Errorf("mode cookie shows a token: %s", a.body)
	}
	s, err := tokens.OpenSession(a.cookie(t, "__Host-session").Value, w.ring, time.Now())
	must(t, err)
	if string(s.Data) != `{"theme":"dark"}` || s.Version != 1 {
		t.Errorf("sealed %s version %d", s.Data, s.Version)
	}
}

func TestCookieLivesNoLongerThanTheSession(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) {
		c.AccessTTL, c.IdleTTL, c.SessionTTL = time.Minute, 10*time.Minute, 10*time.Minute
	})
	if c := w.loginCookie().cookie(t, "__Host-session"); c.MaxAge > 600 {
		t.Errorf("Max-Age %d", c.MaxAge)
	}
}

func TestLoginNamesAnAudience(t *testing.T) {
	w := newWorld(t)
	a := w.post("/v1/login", `{"username":"ann","password":"`+password+`","audience":["stock"]}`).want(t, 200, "")
	c, err := tokens.Verify(a.str(t, "access_token"), w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"stock"}}, time.Now())
	must(t, err)
	if fmt.Sprint(c.Audience) != "[stock]" {
		t.Errorf("audience %v", c.Audience)
	}
	w.post("/v1/login", `{"username":"ann","password":"`+password+`","audience":["mars"]}`).want(t, 400, "unknown-audience")
}

func TestLoginRefusesWrongCredentials(t *testing.T) {
	w := newWorld(t)
	must(t, w.users.Disable(t.Context(), "bob"))
	var first string
	for name, body := range map[string]string{
		"wrong password": `{"username":"ann","password":"wrong wrong wrong"}`,
		"unknown user":   `{"username":"zoe","password":"` + password + `"}`,
		"disabled user":  `{"username":"bob","password":"` + password + `"}`,
	} {
		a := w.post("/v1/login", body, header("X-Request-Id", "same")).want(t, 401, "bad-credentials")
		if first == "" {
			first = string(a.body)
		}
		if string(a.body) != first {
			t.Errorf("%s: the answer differs: %s", name, a.body)
		}
	}
}

func TestADisabledUserDoesNotLogIn(t *testing.T) {
	w := newWorld(t)
	w.users.with(func(u *authsvc.User) { u.Disabled = true }) // where Users leaves it to us
	w.post("/v1/login", `{"username":"ann","password":"`+password+`"}`).want(t, 401, "bad-credentials")
}

// The next second of a "log out everywhere" belongs to the logged out: who logs
// in within it would be logged out too, if auth_time were not moved behind it.
func TestLoginWithinTheSecondOfALogoutIsGood(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		old := w.login().str(t, "access_token")
		w.post("/v1/logout/all", "", withBearer(old)).want(t, 204, "")
		w.get("/v1/session", withBearer(old)).want(t, 401, "invalid-token")
		fresh := w.login().str(t, "access_token")
		if a := w.get("/v1/session", withBearer(fresh)); a.status != 200 {
			t.Fatalf("round %d: %d %s", i, a.status, a.body)
		}
	}
	// of everybody, too
	now := time.Now()
	must(t, w.log.Append(t.Context(), revocation.AllEntry(now, now.Add(time.Hour))))
	w.get("/v1/session", withBearer(w.login().str(t, "access_token"))).want(t, 200, "")
}

func TestLoginRefusesDataThatDoesNotFit(t *testing.T) {
	w := newWorld(t)
	big := strings.Repeat("x", 3500)
	a := w.post("/v1/login", `{"username":"ann","password":"`+password+`","mode":"cookie","data":{"b":"`+big+`"}}`).want(t, 413, "session-too-large")
	claims := a.json(t)["claims"].([]any)
	if biggest := claims[0].(map[string]any); biggest["name"] != "data" || biggest["bytes"].(float64) != 3508 {
		t.Errorf("claims %v", claims)
	}
	if len(a.cookies) != 0 {
		t.Error("cookies were sent all the same")
	}
	if p := a.json(t); p["measure"] != "cookie" || p["profile"] != "browsers" || p["limit"] != 4096.0 || p["bytes"].(float64) < 4097 {
		t.Errorf("it is said to be too large by %v", p)
	}
	// what can not even be signed says so in the same way
	w.users.with(func(u *authsvc.User) {
		for i := range 256 {
			u.Roles = append(u.Roles, fmt.Sprint("role", i))
		}
	})
	w.post("/v1/login", `{"username":"ann","password":"`+password+`"}`).want(t, 413, "session-too-large")
}

func TestLoginBeforeTheRevocationsAreKnownIs503(t *testing.T) {
	w := newWorld(t)
	s, err := authsvc.New(authsvc.Config{
		Issuer: w.issuer, Audiences: []string{"orders"}, AdminToken: adminToken,
		Ring: w.ring, Log: w.log, Sessions: w.store, Users: w.users, Clients: noClients{},
	})
	must(t, err)
	l := listen(t)
	server := serve(l, s.Public())
	defer func() { _ = server.Close() }()
	at := "http://" + l.Addr().String()
	a := w.post(at+"/v1/login", `{"username":"ann","password":"`+password+`"}`).want(t, 503, "unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.refreshAt(at, w.login().str(t, "refresh_token")).want(t, 503, "unavailable")
}

func (w *world) refreshAt(at, token string) answer {
	w.t.Helper()
	return w.post(at+"/v1/refresh", `{"refresh_token":"`+token+`"}`)
}

type noClients struct{}

func (noClients) Authenticate(context.Context, string, string) (authsvc.Client, error) {
	return authsvc.Client{}, authsvc.ErrBadCredentials
}

func TestEveryAlgorithmSigns(t *testing.T) {
	for _, alg := range []keys.Alg{keys.ES256, keys.EdDSA} {
		t.Run(string(alg), func(t *testing.T) {
			w := newWorld(t, func(c *authsvc.Config) {
				ring, err := keys.NewRing(keys.DefaultPlan(), alg, time.Now().Add(-time.Second))
				must(t, err)
				c.Ring = ring
			})
			w.get("/v1/session", withBearer(w.login().str(t, "access_token"))).want(t, 200, "")
			w.get("/.well-known/jwks.json").want(t, 200, "")
		})
	}
}
