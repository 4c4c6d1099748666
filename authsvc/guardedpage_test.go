package authsvc_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/tokens"
)

// shopper is a browser at an application behind a guard: it keeps cookies, and
// sends them to the application and the issuer, which are on one host.
type shopper struct {
	w    *world
	site http.Handler
	jar  map[string]*http.Cookie
}

// opens goes to a path of the application, and along wherever it is led, up to
// the page at the end or a form.
func (s *shopper) opens(path string) (at string, a answer) {
	s.w.t.Helper()
	at = shop + path
	for range 6 {
		if inside, ok := strings.CutPrefix(at, shop); ok {
			a = s.asks(inside)
		} else {
			a = s.w.get(strings.TrimPrefix(at, s.w.issuer), aBrowser, s.shows)
		}
		s.keeps(a.cookies)
		if a.status != http.StatusSeeOther {
			return at, a
		}
		to, err := url.Parse(a.header.Get("Location"))
		must(s.w.t, err)
		if to.Host == "" { // of the issuer
			to, err = url.Parse(s.w.issuer + to.String())
			must(s.w.t, err)
		}
		at = to.String()
	}
	s.w.t.Fatalf("it is led on and on, at last to %s", at)
	return "", answer{}
}

func (s *shopper) asks(path string) answer {
	r := httptest.NewRequest(http.MethodGet, shop+path, nil)
	r.RequestURI = path
	aBrowser(r)
	s.shows(r)
	w := httptest.NewRecorder()
	s.site.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	must(s.w.t, err)
	return answer{status: res.StatusCode, header: res.Header, body: body}
}

func (s *shopper) shows(r *http.Request) {
	for _, c := range s.jar {
		if c.Path == "/" || strings.HasPrefix(r.URL.Path, c.Path) {
			r.AddCookie(c)
		}
	}
}

func (s *shopper) keeps(cookies []*http.Cookie) {
	for _, c := range cookies {
		if s.jar[c.Name] = c; c.MaxAge < 0 {
			delete(s.jar, c.Name)
		}
	}
}

// logsIn fills in the form that it was led to.
func (s *shopper) logsIn(form string) {
	s.w.t.Helper()
	u, err := url.Parse(form)
	must(s.w.t, err)
	if u.Path != "/login" {
		s.w.t.Fatalf("at %s instead of the login", form)
	}
	s.keeps(s.w.submit("ann", password, u.Query().Get("return_to"), s.shows).cookies)
}

func (s *shopper) wants(path, body string) {
	s.w.t.Helper()
	if at, a := s.opens(path); a.status != http.StatusOK || at != shop+path || string(a.body) != body {
		s.w.t.Fatalf("%s: at %s, %d %s", path, at, a.status, a.body)
	}
}

// A browser comes back to the page that it wanted: from the login, from a refresh,
// from the login that follows an end, and from the one for what needs a recent one.
func TestABrowserThatAGuardLeadsComesBackWithASession(t *testing.T) {
	w := buildWorld(&world{t: t, adopt: true}, withShop, func(c *authsvc.Config) { c.ClockSkew = time.Second })
	guard, err := middleware.New(t.Context(), middleware.Config{
		Issuer: w.issuer, Audience: "orders", Client: middleware.Client{ID: "orders", Secret: w.secret},
		Origin: shop, ClockSkew: time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	t.Cleanup(guard.Close)
	w.eventually("the guard is ready", guard.Ready)
	says := func(what string) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, what) })
	}
	mux := http.NewServeMux()
	mux.Handle("/cart", guard.Handler(says("cart")))
	mux.Handle("/pay", guard.RequireRecentLogin(time.Minute)(says("paid")))
	b := &shopper{w, mux, map[string]*http.Cookie{}}

	at, _ := b.opens("/cart?a=b&c=d")
	b.logsIn(at)
	b.wants("/cart?a=b&c=d", "cart")
	b.wants("/pay", "paid")

	// An access token that has expired, and a refresh token that has not.
	b.jar["__Host-session"].Value = w.sessionCookie(w.sign(expired)).Value
	b.wants("/cart", "cart")

	// A login of an hour ago.
	sid, hour := tokens.NewID(), time.Now().Add(-time.Hour).Truncate(time.Second)
	b.jar["__Secure-refresh"] = &http.Cookie{Name: "__Secure-refresh", Path: "/v1/refresh", Value: w.sealed(func(r *tokens.Refresh) {
		r.SessionID, r.Cookie, r.AuthTime, r.IssuedAt = sid, true, hour, hour.UnixMilli()
	})}
	b.jar["__Host-session"].Value = w.sessionCookie(w.sign(expired)).Value
	b.wants("/cart", "cart")
	at, _ = b.opens("/pay")
	b.logsIn(at)
	b.wants("/pay", "paid")

	// Logged out from elsewhere: the page that says why comes before the login.
	w.post("/v1/logout", "", b.shows).want(t, 204, "")
	w.eventually("the guard has heard of it", func() bool { return b.asks("/cart").status == http.StatusSeeOther })
	at, a := b.opens("/cart")
	if !strings.HasPrefix(at, w.issuer+"/sessions-ended?") || a.status != http.StatusOK {
		t.Fatalf("at %s, %d", at, a.status)
	}
	a.says(t, "return_to="+url.QueryEscape(shop+"/cart"))
	b.logsIn(w.issuer + "/login?return_to=" + url.QueryEscape(shop+"/cart"))
	b.wants("/cart", "cart")
}
