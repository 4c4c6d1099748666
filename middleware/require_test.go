package middleware_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/tokens"
)

func TestScopesAndRolesAreRequired(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	lacks := challenge + `, error="insufficient_scope"`
	for name, c := range map[string]struct {
		rule      func(http.Handler) http.Handler
		code      string // empty: served
		challenge string
	}{
		"a scope it has":        {g.RequireScope("read"), "", ""},
		"all its scopes":        {g.RequireScope("read", "write"), "", ""},
		"a scope it lacks":      {g.RequireScope("pay"), "insufficient-scope", lacks + `, scope="pay"`},
		"one of two lacking":    {g.RequireScope("read", "pay"), "insufficient-scope", lacks + `, scope="read pay"`},
		"a part of a scope":     {g.RequireScope("rea"), "insufficient-scope", lacks + `, scope="rea"`},
		"a scope in other case": {g.RequireScope("READ"), "insufficient-scope", lacks + `, scope="READ"`},
		"a role it has":         {g.RequireRole("clerk"), "", ""},
		"a role it lacks":       {g.RequireRole("clerk", "admin"), "insufficient-role", lacks},
		"a role named a scope":  {g.RequireRole("read"), "insufficient-role", lacks},
	} {
		credential := bearer(iss.Token(authtest.Scope("read", "write"), authtest.Roles("clerk")))
		for way, h := range map[string]http.Handler{
			"under Handler": g.Handler(c.rule(whoami)), "alone": c.rule(whoami),
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				if c.code == "" {
					wantServed(t, ask(h, credential), "ann")
					return
				}
				wantRefused(t, ask(h, credential), http.StatusForbidden, c.code, c.challenge)
			})
		}
	}
}

func TestARuleAloneRefusesWhoeverHasNoSession(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	for name, h := range map[string]http.Handler{
		"alone": g.RequireScope("read")(whoami), "under Optional": g.Optional(g.RequireScope("read")(whoami)),
	} {
		t.Run(name, func(t *testing.T) {
			wantRefused(t, ask(h), http.StatusUnauthorized, "no-credential", challenge)
		})
	}
}

func TestARecentLoginIsRequired(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	h := g.RequireRecentLogin(5 * time.Minute)(whoami)
	ago := func(d time.Duration) func(*http.Request) {
		return bearer(iss.Token(authtest.LoggedIn(time.Now().Add(-d))))
	}
	wantServed(t, ask(h, ago(4*time.Minute)), "ann")
	wantServed(t, ask(g.Handler(h), ago(0)), "ann")
	for name, credential := range map[string]func(*http.Request){
		"a login too long ago":  ago(6 * time.Minute),
		"a service's own token": bearer(iss.Token(authtest.SessionID(tokens.ID{}), authtest.LoggedIn(time.Time{}))),
	} {
		t.Run(name, func(t *testing.T) {
			wantRefused(t, ask(h, credential), http.StatusUnauthorized, "login-needed",
				challenge+`, error="insufficient_user_authentication", max_age="300"`)
		})
	}
	wantRefused(t, ask(h), http.StatusUnauthorized, "no-credential", challenge)
}

func TestASessionOfOneGuardProvesNothingToAnother(t *testing.T) {
	iss := authtest.New(t)
	orders := readyGuard(t, iss)
	cfg := configOf(iss)
	cfg.Audience = "payments"
	payments := newGuard(t, cfg)
	eventually(t, "the guard is ready", payments.Ready)
	h := orders.Handler(payments.RequireScope("read")(whoami))
	wantRefused(t, ask(h, bearer(iss.Token(authtest.Scope("read")))),
		http.StatusUnauthorized, "invalid-token", `Bearer realm="payments", error="invalid_token"`)
	wantServed(t, ask(h, bearer(iss.Token(authtest.Scope("read"), authtest.Audience(iss.Audience, "payments")))), "ann")
}

func TestOptionalServesNobodyButRefusesABadCredential(t *testing.T) {
	iss := authtest.New(t)
	h := readyGuard(t, iss).Optional(whoami)
	wantServed(t, ask(h), "nobody")
	wantServed(t, ask(h, bearer(iss.Token())), "ann")
	wantRefused(t, ask(h, bearer("garbage")), http.StatusUnauthorized, "invalid-token", challengeInvalid)
}

func TestRequireFreshTakesAYoungTokenOrAYoungList(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	h := g.RequireFresh(4 * time.Second)(whoami)
	old := iss.Token(authtest.Issued(time.Now().Add(-time.Minute)))
	wantServed(t, ask(h, bearer(old)), "ann") // the list is young
	iss.CutFeed()
	eventually(t, "the list has grown old", func() bool {
		return ask(h, bearer(old)).StatusCode == http.StatusUnauthorized
	})
	wantRefused(t, ask(h, bearer(old)), http.StatusUnauthorized, "refresh-needed", challengeRefresh)
	wantServed(t, ask(h, bearer(iss.Token())), "ann") // the token is young: a refresh is the cure
}

func TestTheSessionIsWhatTheTokenSays(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	token := iss.Token(authtest.Subject("ben"), authtest.Scope("read", "write"), authtest.Roles("clerk"), authtest.Client("app"))
	data := `{"theme":"dark"}`
	for name, credential := range map[string]func(*http.Request){
		"bearer": bearer(token), "cookie": cookie(iss.SealedCookie(token, []byte(data))),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := g.Check(request(credential))
			if err != nil {
				t.Fatal(err)
			}
			c := s.Claims()
			if s.Subject != "ben" || s.ID != c.SessionID.String() || len(s.ID) != 22 || s.ClientID != "app" ||
				!slices.Equal(s.Scopes, []string{"read", "write"}) || !slices.Equal(s.Roles, []string{"clerk"}) ||
				!slices.Equal(s.Audience, []string{iss.Audience}) || s.ExpiresAt.Sub(s.IssuedAt) != iss.TokenLife ||
				!s.AuthTime.Equal(s.IssuedAt) || s.Token.Reveal() != token || s.Lag < 0 || s.Lag > patience {
				t.Errorf("session %+v", s)
			}
			if got := string(s.Data); (name == "cookie") != (got == data) {
				t.Errorf("data %q", got)
			}
			if !s.HasScope("read") || s.HasScope("clerk") || !s.HasRole("clerk") || s.HasRole("read") {
				t.Error("scopes or roles are mixed up")
			}
		})
	}
}

func TestASessionPrintsAndMarshalsWithoutItsToken(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	token := iss.Token()
	s, err := g.Check(request(bearer(token)))
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), `"subject":"ann"`) || !strings.Contains(string(out), `"scopes":[]`) {
		t.Errorf("JSON %s", out)
	}
	wantNoSecret(t, token, s, *s)
}

func TestAConfigPrintsAndMarshalsWithoutItsSecret(t *testing.T) {
	cfg := middleware.Config{Client: middleware.Client{ID: "orders", Secret: "hush-hush"}}
	cfg.Audiences = []string{"x"}
	wantNoSecret(t, "hush-hush", cfg, &cfg, cfg.Client, &cfg.Client)
}
