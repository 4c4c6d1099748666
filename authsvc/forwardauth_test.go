package authsvc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/tokens"
)

// Traefik and Envoy do not run here: what their documentation says that they ask
// is asked of the service, for a request of a client for
// https://shop.example.com/cart?a=b&c=d, and their answer to it is made of the
// service's as it says.
var askers = map[string]func(w *world, method string, client option) answer{
	// doc.traefik.io/traefik/middlewares/http/forwardauth: a GET of `address` with
	// the client's headers and these of its own, which are not the client's unless
	// trustForwardHeader is set.
	"Traefik": func(w *world, method string, client option) answer {
		return w.get("/v1/verify?mode=redirect", client, func(r *http.Request) {
			for name, value := range map[string]string{"Method": method, "Proto": "https", "Host": "shop.example.com", "Uri": "/cart?a=b&c=d", "For": "192.0.2.1"} {
				r.Header.Set("X-Forwarded-"+name, value)
			}
		})
	},
	// www.envoyproxy.io, extensions.filters.http.ext_authz.v3.HttpService: the client's
	// method and host, its path behind path_prefix, no body, and of its headers
	// Authorization and what allowed_headers names.
	"Envoy": func(w *world, method string, client option) answer {
		return w.do(method, "/v1/verify/cart?a=b&c=d", "", "", client, func(r *http.Request) {
			for name := range r.Header {
				if n := strings.ToLower(name); n != "authorization" && n != "cookie" && n != "accept" && n != "origin" && !strings.HasPrefix(n, "sec-fetch-") {
					delete(r.Header, name)
				}
			}
			r.Host = "shop.example.com"
			r.Header.Set("X-Forwarded-Proto", "https")
			r.Header.Set("Content-Length", "0")
		})
	},
}

var anyMethod = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

func forEachAsker(t *testing.T, f func(t *testing.T, w *world, ask func(*world, string, option) answer)) {
	for name, ask := range askers {
		t.Run(name, func(t *testing.T) { f(t, newWorld(t, withShop), ask) })
	}
}

func nobody(*http.Request) {}

func TestTraefikAndEnvoyLetThroughWhoHasASession(t *testing.T) {
	forEachAsker(t, func(t *testing.T, w *world, ask func(*world, string, option) answer) {
		token := w.login().str(t, "access_token")
		jar := withCookies(w.loginCookie().cookie(t, "__Host-session"))
		for _, method := range anyMethod {
			for _, client := range []option{withBearer(token), jar} {
				a := ask(w, method, func(r *http.Request) { client(r); claimsToBeRoot(r) }).want(t, 200, "")
				if a.header.Get("X-Auth-Subject") != "u-ann" || a.header.Get("X-Auth-Session") == "" || a.header.Get("X-Auth-Scope") != "orders:read orders:write" ||
					!strings.HasPrefix(a.header.Get("Authorization"), "Bearer ") || a.header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s: %v", method, a.header)
				}
			}
			ask(w, method, nobody).want(t, 401, "no-credential")
			ask(w, method, claimsToBeRoot).want(t, 401, "no-credential")
			ask(w, method, withBearer("x")).want(t, 401, "invalid-token")
			ask(w, method, withBearer(w.sign(expired))).want(t, 401, "invalid-token")
			ask(w, method, func(r *http.Request) { withBearer(token)(r); jar(r) }).want(t, 400, "invalid-request")
		}
		ask(w, "HEAD", jar).want(t, 200, "")
		w.post("/v1/logout", "", withBearer(token)).want(t, 204, "")
		ask(w, "GET", withBearer(token)).want(t, 401, "invalid-token")
	})
}

// claimsToBeRoot is a client that knows what the application believes.
func claimsToBeRoot(r *http.Request) {
	for _, name := range []string{"X-Auth-Subject", "x-auth-session", "X_Auth_Scope"} {
		r.Header[name] = []string{"root"}
	}
}

func TestTraefikAndEnvoyLeadABrowserToTheLogin(t *testing.T) {
	forEachAsker(t, func(t *testing.T, w *world, ask func(*world, string, option) answer) {
		there := "?return_to=" + url.QueryEscape(shop+"/cart?a=b&c=d")
		ask(w, "GET", aBrowser).leads(t, w.issuer+"/login"+there)
		ask(w, "POST", aBrowser).leads(t, w.issuer+"/login") // what was sent with it is lost
		old := w.sessionCookie(w.sign(expired))
		ask(w, "GET", func(r *http.Request) { withCookies(old)(r); aBrowser(r) }).leads(t, w.issuer+"/v1/refresh"+there)
	})
}

// The question is a GET, but what it is about need not be one.
func TestAProxyIsNotToldToLetThroughAFormOfAnotherSite(t *testing.T) {
	forEachAsker(t, func(t *testing.T, w *world, ask func(*world, string, option) answer) {
		jar := withCookies(w.loginCookie().cookie(t, "__Host-session"))
		from := func(origin, site string, more option) option {
			return func(r *http.Request) {
				r.Header.Set("Origin", origin)
				if site != "" {
					r.Header.Set("Sec-Fetch-Site", site)
				}
				more(r)
			}
		}
		evil := "https://evil.example"
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			ask(w, method, from(evil, "cross-site", jar)).want(t, 403, "cross-origin")
			ask(w, method, from(evil, "", jar)).want(t, 403, "cross-origin")
			ask(w, method, from("https://other.example.com", "same-site", jar)).want(t, 403, "cross-origin")
			ask(w, method, from(shop, "same-origin", jar)).want(t, 200, "")
			ask(w, method, from(shop, "", jar)).want(t, 200, "")
			ask(w, method, from(evil, "cross-site", withBearer(w.sign(func(*tokens.Claims) {})))).want(t, 200, "") // no browser sends that by itself
		}
		ask(w, "GET", from(evil, "cross-site", jar)).want(t, 200, "") // a link
	})
}

// A browser of before Sec-Fetch-Site says the origin alone: it is compared with
// the host that the proxy was asked for, be that one of AppOrigins or not.
func TestAnOldBrowsersOriginIsComparedWithTheProxysHost(t *testing.T) {
	w := newWorld(t)
	post := func(host, origin string) answer {
		return w.get("/v1/verify", withCookies(w.loginCookie().cookie(t, "__Host-session")), header("Origin", origin),
			header("X-Forwarded-Method", "POST"), header("X-Forwarded-Host", host))
	}
	post("news.example.com", "https://news.example.com").want(t, 200, "")
	post("news.example.com", "https://evil.example").want(t, 403, "cross-origin")
	w.get("/v1/verify", withCookies(w.loginCookie().cookie(t, "__Host-session")), header("Origin", "https://evil.example"),
		header("X-Original-Method", "POST")).want(t, 403, "cross-origin") // nginx
}

func TestWhatOnlyLooksLikeAQuestionIsNone(t *testing.T) {
	w := newWorld(t)
	token := withBearer(w.login().str(t, "access_token"))
	for _, path := range []string{"/v1/verifyx", "/v1/verif%79/cart", "/v1/Verify/cart", "//v1/verify/cart"} {
		w.get(path, token).want(t, 404, "")
	}
	w.do("POST", "/v1/verify", "", "", token).want(t, 405, "")
}
