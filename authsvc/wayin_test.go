package authsvc_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// What proxies send for https://shop.example.com/cart?a=b&c=d.
var proxies = map[string]option{
	"Traefik": func(r *http.Request) {
		r.Header.Set("X-Forwarded-Method", "GET")
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Forwarded-Host", "shop.example.com")
		r.Header.Set("X-Forwarded-Uri", "/cart?a=b&c=d")
		r.Header.Set("X-Forwarded-For", "192.0.2.1")
	},
	"Caddy": func(r *http.Request) {
		r.Header.Set("X-Forwarded-Method", "GET")
		r.Header.Set("X-Forwarded-Uri", "/cart?a=b&c=d")
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Forwarded-Host", "shop.example.com")
	},
	"nginx": header("X-Original-URL", shop+"/cart?a=b&c=d"),
}

func aBrowser(r *http.Request) {
	r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
}

func TestABrowserBehindAProxyIsLedToTheLoginAndBack(t *testing.T) {
	w := newWorld(t, withShop)
	there := "return_to=" + url.QueryEscape(shop+"/cart?a=b&c=d")
	for name, proxy := range proxies {
		t.Run(name, func(t *testing.T) {
			a := w.get("/v1/verify?mode=redirect", proxy, aBrowser).leads(t, w.issuer+"/login?"+there)
			w.get(a.header.Get("Location")).want(t, 200, "").says(t, `value="`+shop+`/cart?a=b&c=d"`)
			w.submit("ann", password, shop+"/cart?a=b&c=d").leads(t, shop+"/cart?a=b&c=d")

			b := w.get("/v1/verify?mode=location", proxy, aBrowser).want(t, 401, "no-credential")
			if to := b.header.Get("Location"); to != w.issuer+"/login?"+there {
				t.Errorf("401 with the way %q", to)
			}
			if a := w.get("/v1/verify", proxy, aBrowser).want(t, 401, "no-credential"); a.header.Get("Location") != "" {
				t.Error("a way that nobody has asked for")
			}
		})
	}
}

func TestARefusedSessionIsLedToWhatCuresIt(t *testing.T) {
	w := newWorld(t, withShop)
	gone := w.loginCookie()
	w.post("/v1/logout", "", withCookies(gone.cookies...)).want(t, 204, "")
	for name, tc := range map[string]struct {
		with option
		page string
	}{
		"an expired token":  {withCookies(w.sessionCookie(w.sign(expired))), "/v1/refresh"},
		"an ended session":  {withCookies(gone.cookie(t, "__Host-session")), "/v1/refresh"}, // which says so
		"nonsense":          {withCookies(&http.Cookie{Name: "__Host-session", Value: "x"}), "/login"},
		"another service's": {withCookies(w.sessionCookie(w.sign(func(c *tokens.Claims) { c.Audience = []string{"mars"} }))), "/login"},
	} {
		t.Run(name, func(t *testing.T) {
			w.get("/v1/verify?mode=redirect", tc.with, proxies["Caddy"], aBrowser).leads(t, w.issuer+tc.page+"?return_to="+url.QueryEscape(shop+"/cart?a=b&c=d"))
		})
	}
}

// A burnt key costs no login either.
func TestABrowserWhoseTokensKeyWasRevokedComesBackWithANewOne(t *testing.T) {
	w := newWorld(t, withShop)
	in := w.submit("ann", password, "")
	burnt, err := w.ring.Current(keys.AccessToken, time.Now())
	must(t, err)
	ring, err := w.ring.Revoke(burnt.ID, "stolen", time.Now())
	must(t, err)
	w.svc.SetRing(ring)
	a := w.get("/v1/verify?mode=redirect", withCookies(in.cookie(t, "__Host-session")), proxies["Traefik"], aBrowser).want(t, 303, "")
	b := w.get(a.header.Get("Location"), withCookies(in.cookies...), aBrowser).leads(t, shop+"/cart?a=b&c=d")
	w.get("/v1/verify?mode=redirect", withCookies(b.cookie(t, "__Host-session")), proxies["Traefik"], aBrowser).want(t, 200, "")
}

// An expired access token costs a browser two redirects and no login.
func TestABrowserWhoseTokenHasRunOutComesBackWithANewOne(t *testing.T) {
	w := newWorld(t, withShop)
	sid := tokens.NewID()
	old := w.sessionCookie(w.sign(func(c *tokens.Claims) { expired(c); c.SessionID = sid }))
	refresh := w.withRefresh(func(r *tokens.Refresh) { r.SessionID = sid })
	a := w.get("/v1/verify?mode=redirect", withCookies(old), proxies["Traefik"], aBrowser).want(t, 303, "")
	b := w.get(a.header.Get("Location"), withCookies(old), refresh, aBrowser).leads(t, shop+"/cart?a=b&c=d")
	w.get("/v1/verify?mode=redirect", withCookies(b.cookie(t, "__Host-session")), proxies["Traefik"], aBrowser).want(t, 200, "")
}

func TestAProgramKeepsIts401(t *testing.T) {
	w := newWorld(t, withShop)
	for name, o := range map[string]option{
		"curl":      header("Accept", "*/*"),
		"a script":  func(r *http.Request) { aBrowser(r); r.Header.Set("Sec-Fetch-Mode", "cors") },
		"a socket":  func(r *http.Request) { aBrowser(r); r.Header.Set("Sec-Fetch-Mode", "websocket") },
		"an image":  header("Accept", "image/avif,image/webp,*/*"),
		"an API's":  header("Accept", "application/json"),
		"an author": withBearer("x"),
	} {
		for _, mode := range []string{"redirect", "location"} {
			if a := w.get("/v1/verify?mode="+mode, proxies["Caddy"], o).want(t, 401, ""); a.header.Get("Location") != "" {
				t.Errorf("%s, %s: %v", name, mode, a.header)
			}
		}
	}
	w.get("/v1/verify?mode=redirect", header("Accept", "text/html"), proxies["Caddy"]).want(t, 303, "") // a browser from before Sec-Fetch-Mode
	w.get("/v1/verify?mode=elsewhere", aBrowser).want(t, 400, "invalid-request")
}

func TestAProxysWordLeadsNowhereElse(t *testing.T) {
	w := newWorld(t, withShop)
	say := func(pairs ...string) option {
		return func(r *http.Request) {
			for i := 0; i < len(pairs); i += 2 {
				r.Header.Add(pairs[i], pairs[i+1])
			}
		}
	}
	for name, o := range map[string]option{
		"nothing":           say(),
		"another host":      say("X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example", "X-Forwarded-Uri", "/"),
		"two hosts":         say("X-Forwarded-Proto", "https", "X-Forwarded-Host", "shop.example.com", "X-Forwarded-Host", "evil.example", "X-Forwarded-Uri", "/"),
		"hosts in a list":   say("X-Forwarded-Proto", "https", "X-Forwarded-Host", "shop.example.com, evil.example", "X-Forwarded-Uri", "/"),
		"a host as path":    say("X-Forwarded-Proto", "https", "X-Forwarded-Host", "shop.example.com", "X-Forwarded-Uri", ".evil.example/"),
		"a user":            say("X-Forwarded-Proto", "https", "X-Forwarded-Host", "shop.example.com", "X-Forwarded-Uri", "@evil.example/"),
		"no scheme":         say("X-Forwarded-Host", "shop.example.com", "X-Forwarded-Uri", "/"),
		"another scheme":    say("X-Forwarded-Proto", "javascript", "X-Forwarded-Host", "shop.example.com", "X-Forwarded-Uri", "/"),
		"an original":       say("X-Original-URL", "https://evil.example/"),
		"an original twice": say("X-Original-URL", shop+"/", "X-Original-URL", "https://evil.example/"),
		"what was posted":   say("X-Forwarded-Method", "POST", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "shop.example.com", "X-Forwarded-Uri", "/pay"),
		"what was put":      say("X-Original-Method", "PUT", "X-Original-URL", shop+"/pay"),
	} {
		t.Run(name, func(t *testing.T) {
			w.get("/v1/verify?mode=redirect", o, aBrowser).leads(t, w.issuer+"/login")
		})
	}
}

func TestWhatIsNoRefusalLeadsNobodyToTheLogin(t *testing.T) {
	w := newWorld(t)
	two := withCookies(&http.Cookie{Name: "__Host-session", Value: "x"}, &http.Cookie{Name: "__Host-session", Value: "y"})
	w.get("/v1/verify?mode=redirect", two, aBrowser).want(t, 400, "invalid-request")
	jar := withCookies(w.loginCookie().cookies...)
	w.get("/v1/verify?mode=redirect", jar, aBrowser).want(t, 200, "")
	w.get("/v1/verify?mode=redirect", jar, aBrowser, header("Origin", "https://evil.example"), header("Sec-Fetch-Site", "cross-site")).want(t, 200, "") // a link is no attack
}
