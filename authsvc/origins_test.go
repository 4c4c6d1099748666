package authsvc_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/authsvc"
)

const shop = "https://shop.example.com"

func withShop(c *authsvc.Config) { c.AppOrigins = []string{"https://blog.example.com", shop} }

// fromShop is what a browser adds for a page of the shop, of the same site.
func fromShop(r *http.Request) {
	r.Header.Set("Origin", shop)
	r.Header.Set("Sec-Fetch-Site", "same-site")
}

func preflight(method string) option {
	return func(r *http.Request) {
		r.Header.Set("Access-Control-Request-Method", method)
		r.Header.Set("Access-Control-Request-Headers", "sealring-activity,sealring-retry")
	}
}

// permission is all that an answer says to a browser about other origins.
func permission(a answer) map[string]string {
	all := map[string]string{}
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control-") {
			all[strings.TrimPrefix(name, "Access-Control-")] = strings.Join(a.header[name], "|")
		}
	}
	return all
}

func TestThePagesOfTheApplicationMayUseTheCookies(t *testing.T) {
	w := newWorld(t, withShop)
	in := w.post("/v1/login", `{"username":"ann","password":"`+password+`","mode":"cookie"}`, fromShop).want(t, 200, "")
	jar := withCookies(in.cookies...)
	for name, a := range map[string]answer{
		"login":     in,
		"session":   w.get("/v1/session", jar, fromShop).want(t, 200, ""),
		"a change":  w.patch(`{}`, jar, fromShop).want(t, 200, ""),
		"a field":   w.get("/v1/session/data/cart", jar, fromShop).want(t, 404, "not-found"),
		"refresh":   w.post("/v1/refresh", "", jar, fromShop).want(t, 200, ""),
		"a refusal": w.post("/v1/refresh", "", fromShop).want(t, 401, ""),
		"logout":    w.post("/v1/logout", "", jar, fromShop).want(t, 204, ""),
		"its end":   w.post("/v1/refresh", "", jar, fromShop).want(t, 401, "session-ended"),
	} {
		got := permission(a)
		if got["Allow-Origin"] != shop || got["Allow-Credentials"] != "true" || len(got) != 3 ||
			got["Expose-Headers"] != "Sealring-Expires, ETag, Retry-After, X-Request-Id" || a.header.Get("Vary") != "Origin" {
			t.Errorf("%s: %v", name, a.header)
		}
	}
}

func TestABrowserMayAskFirst(t *testing.T) {
	w := newWorld(t, withShop)
	for path, methods := range map[string]string{
		"/v1/login": "POST", "/v1/refresh": "POST", "/v1/logout": "POST", "/v1/logout/all": "POST", "/v1/session": "PATCH", "/v1/session/data/cart": "GET",
	} {
		a := w.do("OPTIONS", path, "", "", fromShop, preflight(methods))
		got := permission(a)
		if a.status != 204 || got["Allow-Origin"] != shop || got["Allow-Credentials"] != "true" || !strings.Contains(got["Allow-Methods"], methods) ||
			got["Allow-Headers"] != "Content-Type, Authorization, If-Match, Sealring-Activity, Sealring-Retry" || a.header.Get("Vary") != "Origin" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
}

func TestNoOtherOriginIsAllowedAnything(t *testing.T) {
	w := newWorld(t, withShop)
	jar := withCookies(w.loginCookie().cookies...)
	for _, origin := range []string{
		"https://evil.example", "http://shop.example.com", shop + ":8443", "https://a.shop.example.com", shop + ".evil.example", "null", "*", "",
	} {
		from := func(r *http.Request) {
			r.Header["Origin"] = []string{origin}
			r.Header.Set("Sec-Fetch-Site", "same-site")
		}
		for _, a := range []answer{
			w.do("OPTIONS", "/v1/refresh", "", "", from, preflight("POST")).want(t, 405, "method-not-allowed"),
			w.get("/v1/session", jar, from).want(t, 200, ""),
			w.post("/v1/refresh", "", jar, from).want(t, 403, "cross-origin"),
			w.post("/v1/logout", "", jar, from).want(t, 403, "cross-origin"),
		} {
			if got := permission(a); len(got) != 0 || a.header.Get("Vary") != "Origin" {
				t.Errorf("%q: %v", origin, a.header)
			}
		}
	}
	two := func(r *http.Request) { r.Header["Origin"] = []string{shop, shop} }
	if got := permission(w.get("/v1/session", jar, two)); len(got) != 0 {
		t.Errorf("of two origins: %v", got)
	}
}

func TestWhatIsNotForPagesIsNotAllowed(t *testing.T) {
	w := newWorld(t, withShop)
	for _, path := range []string{"/v1/feed", "/v1/session-keys", "/v1/introspect", "/v1/token", "/v1/verify", "/.well-known/jwks.json", "/nothing"} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			if got := permission(w.do(method, path, "", "", fromShop, preflight("GET"))); len(got) != 0 {
				t.Errorf("%s %s: %v", method, path, got)
			}
		}
	}
	if got := permission(w.get(w.admin+"/admin/v1/keys", fromShop, withBearer(adminToken))); len(got) != 0 {
		t.Errorf("the admin listener: %v", got)
	}
}

func TestWithoutAppOriginsNothingIsSaid(t *testing.T) {
	w := newWorld(t)
	a := w.get("/v1/session", withCookies(w.loginCookie().cookies...), fromShop).want(t, 200, "")
	if len(permission(a)) != 0 || a.header.Get("Vary") != "" {
		t.Errorf("%v", a.header)
	}
	w.do("OPTIONS", "/v1/session", "", "", fromShop, preflight("GET")).want(t, 405, "method-not-allowed")
}
