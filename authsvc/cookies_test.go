package authsvc_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

var cookieNames = []string{"__Host-session", "__Secure-refresh"}

// lines of Set-Cookie, by name, with the value and the age left out.
func attributes(t *testing.T, a answer) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, line := range a.header.Values("Set-Cookie") {
		name, rest, _ := strings.Cut(line, "=")
		_, rest, _ = strings.Cut(rest, "; ")
		var kept []string
		for part := range strings.SplitSeq(rest, "; ") {
			if !strings.HasPrefix(part, "Max-Age=") {
				kept = append(kept, part)
			}
		}
		out[name] = strings.Join(kept, "; ")
	}
	return out
}

// cleared fails unless an answer makes a browser forget both.
func (a answer) cleared(t *testing.T, what string) {
	t.Helper()
	for _, name := range cookieNames {
		if c := a.cookie(t, name); c.MaxAge >= 0 || c.Value != "" {
			t.Errorf("%s: %s is not cleared: %v", what, name, c)
		}
	}
}

// A browser clears a cookie only under the attributes that it was set with.
func TestCookiesAreClearedWithTheAttributesTheyWereSetWith(t *testing.T) {
	w := buildWorld(&world{t: t, adopt: true})
	in := w.loginCookie()
	want := map[string]string{
		"__Host-session":   "Path=/; HttpOnly; Secure; SameSite=Lax",
		"__Secure-refresh": "Path=/v1/refresh; HttpOnly; Secure; SameSite=Lax",
	}
	jar := withCookies(in.cookies...)
	refreshed := w.post("/v1/refresh", "", w.withRefresh(func(r *tokens.Refresh) { r.IssuedAt -= time.Minute.Milliseconds() })).want(t, 200, "")
	twice := w.get("/v1/session", jar, jar).want(t, 400, "invalid-request")
	out := w.post("/v1/logout", "", withCookies(in.cookie(t, "__Host-session"))).want(t, 204, "")
	over := w.post("/v1/refresh", "", jar).want(t, 401, "session-ended")
	for what, a := range map[string]answer{"login": in, "refresh": refreshed, "twice": twice, "logout": out, "ended": over} {
		got := attributes(t, a)
		if len(got) != len(want) {
			t.Errorf("%s: sets %v", what, got)
		}
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%s: %s has %q, want %q", what, name, got[name], want[name])
			}
		}
	}
	for what, a := range map[string]answer{"twice": twice, "logout": out, "ended": over} {
		a.cleared(t, what)
	}
}

// Of two cookies of one name nobody can tell whose they are.
func TestACookieThatIsThereTwiceIsNoSession(t *testing.T) {
	w := newWorld(t)
	in := w.loginCookie()
	session, refresh := in.cookie(t, "__Host-session"), in.cookie(t, "__Secure-refresh")
	other := w.loginCookie()
	for name, o := range map[string][]option{
		"in one line":           {withCookies(session, session)},
		"in two lines":          {header("Cookie", session.Name+"="+session.Value), header("Cookie", session.Name+"="+session.Value)},
		"of two sessions":       {withCookies(session, other.cookie(t, "__Host-session"))},
		"one good, one garbage": {withCookies(session, &http.Cookie{Name: session.Name, Value: "x"})},
	} {
		for path, ask := range map[string]func() answer{
			"/v1/session": func() answer { return w.get("/v1/session", o...) },
			"/v1/verify":  func() answer { return w.get("/v1/verify", o...) },
			"/v1/logout":  func() answer { return w.post("/v1/logout", "", o...) },
		} {
			ask().want(t, 400, "invalid-request").cleared(t, path+" "+name)
		}
	}
	twice := withCookies(refresh, other.cookie(t, "__Secure-refresh"))
	w.post("/v1/refresh", "", twice).want(t, 400, "invalid-request").cleared(t, "refresh")
	w.get("/v1/refresh", twice).want(t, 400, "").cleared(t, "refresh by navigation")

	one := w.get("/v1/session", withCookies(session), withBearer(w.sign(nil))).want(t, 400, "invalid-request")
	if len(one.cookies) != 0 {
		t.Errorf("a cookie and a bearer token: cleared %v", one.cookies)
	}
	for _, c := range []*http.Cookie{session, other.cookie(t, "__Host-session")} { // none was ended
		w.get("/v1/session", withCookies(c)).want(t, 200, "")
	}
}

// HTTP/2 sends each cookie in a field of its own (RFC 9113 §8.2.3).
func TestCrumbsOfHTTP2AreOneCookieHeader(t *testing.T) {
	w := newWorld(t)
	in := w.loginCookie()
	protocol := make(chan int, 2)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		protocol <- r.ProtoMajor
		w.svc.Public().ServeHTTP(rw, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // whose certificate it is does not matter here
	defer client.CloseIdleConnections()
	session := "__Host-session=" + in.cookie(t, "__Host-session").Value
	for cookies, want := range map[string]int{
		"theme=dark; " + session + "; lang=en": 200,
		session + "; theme=dark; " + session:   400,
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/v1/session", nil)
		must(t, err)
		r.Header.Set("Cookie", cookies) // net/http sends a field for each
		res, err := client.Do(r)
		must(t, err)
		must(t, res.Body.Close())
		if p := <-protocol; res.StatusCode != want || p != 2 {
			t.Errorf("%d over HTTP/%d, want %d", res.StatusCode, p, want)
		}
	}
}

// direct asks the handler itself, which is quicker, and takes bytes that no
// client would send.
func (w *world) direct(method, path, cookies string) int {
	r := httptest.NewRequest(method, path, nil)
	r.Header["Cookie"] = []string{cookies}
	rec := httptest.NewRecorder()
	w.svc.Public().ServeHTTP(rec, r)
	return rec.Code
}

// Each byte of both cookies by all 255 others: at full size each one, every day
// some.
func TestNoByteOfACookieCanBeChanged(t *testing.T) {
	w := newWorld(t)
	in := w.loginCookie()
	tried, step := 0, size(67, 1)
	for name, ask := range map[string]struct{ method, path string }{
		"__Host-session": {"GET", "/v1/session"}, "__Secure-refresh": {"POST", "/v1/refresh"},
	} {
		good := in.cookie(t, name).Value
		for i := range len(good) {
			for by := 1 + i%step; by < 256; by += step {
				edited := []byte(good)
				edited[i] ^= byte(by)
				tried++
				if code := w.direct(ask.method, ask.path, name+"="+string(edited)); code != 400 && code != 401 {
					t.Fatalf("%s: byte %d as %#x: %d", name, i, edited[i], code)
				}
			}
		}
	}
	t.Logf("%d changed cookies, none accepted", tried)
	w.get("/v1/session", withCookies(in.cookie(t, "__Host-session"))).want(t, 200, "")
	w.post("/v1/refresh", "", withCookies(in.cookies...)).want(t, 200, "") // and none has ended the session
}

func TestACookieUnderAnotherNameIsRefused(t *testing.T) {
	w := newWorld(t)
	in := w.loginCookie()
	session, refresh := in.cookie(t, "__Host-session").Value, in.cookie(t, "__Secure-refresh").Value
	for name, value := range map[string]string{
		"__Host-session": refresh, "__Secure-session": session, "__host-session": session, "session": session, "__Host-Session": session,
	} {
		for _, path := range []string{"/v1/session", "/v1/verify"} {
			if a := w.get(path, header("Cookie", name+"="+value)); a.status != 401 {
				t.Errorf("%s as %s: %d", path, name, a.status)
			}
		}
	}
	for name, value := range map[string]string{"__Secure-refresh": session, "__Host-refresh": refresh, "__secure-refresh": refresh} {
		if a := w.post("/v1/refresh", "", header("Cookie", name+"="+value)); a.status != 401 {
			t.Errorf("refresh as %s: %d", name, a.status)
		}
	}
}

// After a logout no cookie of the session is good, however old or new; an older
// refresh cookie is theft, and the session of another cookie is no help.
func TestOldCookiesAndThoseOfOtherSessionsAreRefused(t *testing.T) {
	w := buildWorld(&world{t: t, adopt: true})
	in, other := w.loginCookie(), w.loginCookie()
	next := w.post("/v1/refresh", "", withCookies(in.cookies...)).want(t, 200, "")
	w.post("/v1/logout", "", withCookies(next.cookie(t, "__Host-session"))).want(t, 204, "")
	for _, a := range []answer{in, next} {
		w.get("/v1/session", withCookies(a.cookie(t, "__Host-session"))).want(t, 401, "invalid-token")
		w.get("/v1/verify", withCookies(a.cookie(t, "__Host-session"))).want(t, 401, "invalid-token")
	}
	got := w.post("/v1/refresh", "", withCookies(in.cookie(t, "__Secure-refresh"), other.cookie(t, "__Host-session"))).want(t, 401, "session-ended")
	got.cleared(t, "after the logout")
	w.get("/v1/session", withCookies(other.cookie(t, "__Host-session"))).want(t, 200, "")

	sid := tokens.NewID()
	aged := func(g uint32, ago time.Duration) option {
		return withCookies(&http.Cookie{Name: "__Secure-refresh", Value: w.sealed(func(r *tokens.Refresh) {
			r.SessionID, r.Generation, r.Cookie, r.IssuedAt = sid, g, true, r.IssuedAt-ago.Milliseconds()
		})})
	}
	w.post("/v1/refresh", "", aged(1, time.Minute)).want(t, 200, "")
	w.post("/v1/refresh", "", aged(0, 10*time.Minute)).want(t, 401, "session-ended").cleared(t, "an older refresh cookie")
}
