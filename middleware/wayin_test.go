package middleware_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
)

const shop = "https://shop.example.com"

var (
	navigates = header("Sec-Fetch-Mode", "navigate")
	elderly   = header("Accept", "text/html,application/xhtml+xml;q=0.9") // a browser that sends no Fetch Metadata
)

func path(p string) func(*http.Request) {
	return func(r *http.Request) { r.RequestURI = p }
}

// browserGuard leads browsers to pages.
func browserGuard(t *testing.T, iss *authtest.Issuer) *middleware.Guard {
	cfg := configOf(iss)
	cfg.Origin = shop
	g := newGuard(t, cfg)
	eventually(t, "the guard is ready", g.Ready)
	return g
}

func TestABrowserIsLedToASessionAndBack(t *testing.T) {
	iss := authtest.New(t)
	g := browserGuard(t, iss)
	gone := iss.Token()
	iss.Revoke(gone)
	eventually(t, "the revocation is known", func() bool {
		return ask(g.Handler(whoami), bearer(gone)).StatusCode == http.StatusUnauthorized
	})
	expired := iss.Cookie(authtest.Issued(time.Now().Add(-time.Hour)))
	recent := g.RequireRecentLogin(time.Minute)(whoami)
	for name, c := range map[string]struct {
		h      http.Handler
		change []func(*http.Request)
		page   string
		back   string
	}{
		"nobody":                        {nil, []func(*http.Request){navigates}, "/login", "/cart?a=b"},
		"nobody, an elderly browser":    {nil, []func(*http.Request){elderly}, "/login", "/cart?a=b"},
		"a HEAD":                        {nil, []func(*http.Request){navigates, method("HEAD")}, "/login", "/cart?a=b"},
		"a cookie that is none":         {nil, []func(*http.Request){navigates, cookie(&http.Cookie{Name: "__Host-session", Value: "x"})}, "/login", "/cart?a=b"},
		"an expired cookie":             {nil, []func(*http.Request){navigates, cookie(expired)}, "/v1/refresh", "/cart?a=b"},
		"a revoked cookie":              {nil, []func(*http.Request){navigates, cookie(iss.SealedCookie(gone, nil))}, "/v1/refresh", "/cart?a=b"},
		"a login too long ago":          {recent, []func(*http.Request){navigates, cookie(iss.Cookie(authtest.LoggedIn(time.Now().Add(-time.Hour))))}, "/login", "/cart?a=b"},
		"another host in the request":   {nil, []func(*http.Request){navigates, func(r *http.Request) { r.Host = "evil.example" }}, "/login", "/cart?a=b"},
		"a path that looks like a host": {nil, []func(*http.Request){navigates, path("//evil.example/x")}, "/login", "//evil.example/x"},
		"a whole URL in the request":    {nil, []func(*http.Request){navigates, path("http://evil.example/x")}, "/login", "/"},
		"a very long path":              {nil, []func(*http.Request){navigates, path("/" + strings.Repeat("x", 4000))}, "/login", "/"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.h == nil {
				c.h = g.Handler(whoami)
			}
			resp := ask(c.h, append([]func(*http.Request){path("/cart?a=b")}, c.change...)...)
			to, err := url.Parse(resp.Header.Get("Location"))
			if err != nil || resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %v", resp.StatusCode, resp.Header)
			}
			if got := to.Scheme + "://" + to.Host; got != iss.URL || to.Path != c.page {
				t.Errorf("led to %s", to)
			}
			if back := to.Query()["return_to"]; len(back) != 1 || back[0] != shop+c.back {
				t.Errorf("back to %q, want %s", back, shop+c.back)
			}
		})
	}
}

func TestOnlyABrowsersWindowIsLed(t *testing.T) {
	iss := authtest.New(t)
	g := browserGuard(t, iss)
	h := g.Handler(whoami)
	for name, change := range map[string][]func(*http.Request){
		"a page's script":          {header("Sec-Fetch-Mode", "cors"), elderly},
		"an image":                 {header("Sec-Fetch-Mode", "no-cors")},
		"a program":                {header("Accept", "*/*")},
		"a form":                   {navigates, method("POST")},
		"a bearer that takes HTML": {elderly, bearer("x")},
	} {
		t.Run(name, func(t *testing.T) {
			if resp := ask(h, change...); resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("Location") != "" {
				t.Errorf("%d %v", resp.StatusCode, resp.Header)
			}
		})
	}
	wantRefused(t, ask(g.RequireRole("admin")(whoami), navigates, cookie(iss.Cookie())), http.StatusForbidden, "insufficient-role",
		challenge+`, error="insufficient_scope"`) // no login would help
	wantRefused(t, ask(readyGuard(t, iss).Handler(whoami), navigates), http.StatusUnauthorized, "no-credential", challenge)
}

func TestWithoutKeysABrowserIsToldSoAndNotLedAway(t *testing.T) {
	iss := authtest.New(t)
	iss.Down()
	cfg := configOf(iss)
	cfg.Origin = shop
	resp := ask(newGuard(t, cfg).Handler(whoami), navigates, cookie(iss.Cookie()))
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestAnOriginIsAsABrowserWritesIt(t *testing.T) {
	for origin, ok := range map[string]bool{
		shop: true, "http://localhost:8082": true, "http://127.0.0.1:1": true,
		"shop.example.com": false, shop + "/": false, "https://Shop.example.com": false, "http://shop.example.com": false,
		"http://evillocalhost": false, "https://u@shop.example.com": false, "https://": false, "ftp://x": false,
	} {
		cfg := middleware.Config{Issuer: "https://auth.example.com", Audience: "x", Origin: origin, Logger: slog.New(slog.DiscardHandler)}
		g, err := middleware.New(t.Context(), cfg)
		if (err == nil) != ok {
			t.Errorf("%q: %v", origin, err)
		}
		if g != nil {
			g.Close()
		}
	}
}
