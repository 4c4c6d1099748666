package authsvc_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// open opens a refresh token.
func (w *world) open(raw string) *tokens.Refresh {
	w.t.Helper()
	r, err := tokens.OpenRefresh(raw, w.ring, time.Now())
	must(w.t, err)
	return r
}

// aged makes a refresh token of generation g that was issued so long ago.
func (w *world) aged(sid tokens.ID, g uint32, ago time.Duration) string {
	w.t.Helper()
	return w.sealed(func(r *tokens.Refresh) {
		r.SessionID, r.Generation = sid, g
		r.IssuedAt = time.Now().Add(-ago).UnixMilli()
		r.IdleEnd = time.Now().Add(30*time.Minute - ago)
		r.AuthTime = time.Now().Add(-time.Hour).Truncate(time.Second)
	})
}

func TestRefreshWithinTheGraceGivesTheSameToken(t *testing.T) {
	w := newWorld(t)
	first := w.login().str(t, "refresh_token")
	a := w.refresh(first).want(t, 200, "")
	if was, is := w.open(first), w.open(a.str(t, "refresh_token")); was.Generation != is.Generation || was.IssuedAt != is.IssuedAt {
		t.Errorf("a token of no age advanced: %+v → %+v", was, is)
	}
	w.get("/v1/session", withBearer(a.str(t, "access_token"))).want(t, 200, "")
}

func TestRefreshKeepsTheLoginAndReadsTheUserAgain(t *testing.T) {
	w := newWorld(t)
	a := w.login()
	w.users.with(func(u *authsvc.User) { u.Roles, u.Scopes = []string{"seller"}, nil })
	b := w.refresh(a.str(t, "refresh_token")).want(t, 200, "")
	was, is := a.json(t)["session"].(map[string]any), b.json(t)["session"].(map[string]any)
	if was["id"] != is["id"] || was["auth_time"] != is["auth_time"] || was["subject"] != is["subject"] {
		t.Errorf("%v → %v", was, is)
	}
	if fmt.Sprint(is["roles"], is["scope"]) != "[seller] []" {
		t.Errorf("roles and scopes are stale: %v", is)
	}
}

func TestParallelRefreshesGiveOneSuccessor(t *testing.T) {
	w := buildWorld(&world{t: t, adopt: true})
	first := w.aged(tokens.NewID(), 0, time.Minute)
	const parallel = 200
	got := make([]tokens.Refresh, parallel)
	var wg sync.WaitGroup
	for i := range parallel {
		wg.Go(func() {
			a := w.refresh(first)
			if a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
				return
			}
			r, err := tokens.OpenRefresh(a.str(t, "refresh_token"), w.ring, time.Now())
			if err == nil {
				got[i] = *r
			}
		})
	}
	wg.Wait()
	for _, r := range got {
		if r.Generation != 1 || r.IssuedAt != got[0].IssuedAt || r.SessionID != got[0].SessionID {
			t.Fatalf("two successors: %+v and %+v", got[0], r)
		}
	}
}

func TestReuseEndsTheSession(t *testing.T) {
	w := buildWorld(&world{t: t, adopt: true})
	sid := tokens.NewID()
	ancestor, parent := w.aged(sid, 0, 10*time.Minute), w.aged(sid, 1, time.Minute)
	current := w.refresh(parent).want(t, 200, "")
	a := w.refresh(ancestor).want(t, 401, "session-ended")
	if a.str(t, "reason") != "reused" {
		t.Errorf("%s", a.body)
	}
	w.get("/v1/session", withBearer(current.str(t, "access_token"))).want(t, 401, "invalid-token")
	if a := w.refresh(current.str(t, "refresh_token")).want(t, 401, "session-ended"); a.str(t, "reason") != "revoked" {
		t.Errorf("%s", a.body)
	}
	if w.log.appends.Load() == 0 { // two stores need it, one file does not
		t.Error("the verdict was not appended to the log")
	}
	if !strings.Contains(w.logged.String(), "refresh.theft") {
		t.Error("theft is not in the log")
	}
}

// The key that seals refresh tokens is revoked: clients must learn that their
// sessions are over, and not that they sent nonsense.
func TestARevokedRefreshKeyEndsTheSessions(t *testing.T) {
	w := newWorld(t)
	token, cookie := w.login(), w.loginCookie()
	k, err := w.ring.Current(keys.RefreshToken, time.Now())
	must(t, err)
	ring, err := w.ring.Revoke(k.ID, "stolen", time.Now())
	must(t, err)
	w.svc.SetRing(ring)
	if a := w.refresh(token.str(t, "refresh_token")).want(t, 401, "session-ended"); a.str(t, "reason") != "revoked" {
		t.Errorf("by token: %s", a.body)
	}
	a := w.post("/v1/refresh", "", withCookies(cookie.cookies...)).want(t, 401, "session-ended")
	if a.str(t, "reason") != "revoked" || len(a.cookies) == 0 {
		t.Errorf("by cookie: %s, cookies %v", a.body, a.cookies)
	}
	for _, c := range a.cookies {
		if c.MaxAge >= 0 {
			t.Errorf("the cookie %s is not cleared", c.Name)
		}
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.str(t, "refresh_token")}}
	if a := w.form(form); a.status != 400 || a.str(t, "error") != "invalid_grant" || !strings.Contains(a.str(t, "error_description"), "revoked") {
		t.Errorf("at /v1/token: %d %s", a.status, a.body)
	}
	fresh := w.login().str(t, "refresh_token") // the standby has taken over
	w.refresh(fresh).want(t, 200, "")
}

func TestRetryIDMakesALateRetrySafe(t *testing.T) {
	const grace = 20 * time.Millisecond
	w := buildWorld(&world{t: t, adopt: true}, func(c *authsvc.Config) { c.RefreshGrace = grace })
	first, id := w.aged(tokens.NewID(), 0, time.Minute), header("Sealring-Retry", "0123456789abcdefghij")
	lost := w.refresh(first, id).want(t, 200, "")
	time.Sleep(2 * grace) // late is what this is about
	again := w.refresh(first, id).want(t, 200, "")
	if a, b := w.open(lost.str(t, "refresh_token")), w.open(again.str(t, "refresh_token")); a.IssuedAt != b.IssuedAt || a.Generation != b.Generation {
		t.Errorf("two successors: %+v %+v", a, b)
	}
	for _, bad := range []string{"short", "", strings.Repeat("x", 129), "0123456789 bcdefghij", "0123456789.bcdefghij"} {
		w.refresh(first, header("Sealring-Retry", bad)).want(t, 400, "invalid-request")
	}
	w.refresh(first).want(t, 401, "session-ended") // without it, late is theft
}

// Two tabs refresh when the token is nearly, and is just, old enough for the next,
// and the answer to the first comes last. Set again, the old cookie would take the
// place of the new one, unnoticed until it is too old.
func TestABrowserIsNotGivenTheRefreshTokenThatItHas(t *testing.T) {
	w := buildWorld(&world{t: t, adopt: true})
	old := func(change func(*tokens.Refresh)) answer {
		return w.post("/v1/refresh", "", w.withRefresh(func(r *tokens.Refresh) {
			r.SessionID, r.IssuedAt = tokens.NewID(), r.IssuedAt-5000
			r.IdleEnd = time.UnixMilli(r.IssuedAt).Add(30 * time.Minute).Truncate(time.Second)
			change(r)
		})).want(t, 200, "")
	}
	if a := old(func(*tokens.Refresh) {}); len(a.cookies) != 1 || a.cookie(t, "__Host-session").Value == "" {
		t.Errorf("the token is the same: %v", a.cookies)
	}
	for what, change := range map[string]func(*tokens.Refresh){
		"it is old enough for the next":      func(r *tokens.Refresh) { r.IssuedAt -= 6000 },
		"its session is idle for less":       func(r *tokens.Refresh) { r.IdleEnd = r.IdleEnd.Add(-time.Minute) },
		"it tells of an attempt that failed": func(r *tokens.Refresh) { r.FirstAttempt, r.LastAttempt = r.IssuedAt+1, r.IssuedAt+2 },
	} {
		if a := old(change); len(a.cookies) != 2 || a.cookie(t, "__Secure-refresh").Value == "" {
			t.Errorf("%s: %v", what, a.cookies)
		}
	}
}

func TestRefreshByCookie(t *testing.T) {
	w := newWorld(t)
	in := w.loginCookie()
	jar := withCookies(in.cookies...)
	out := w.post("/v1/refresh", "", jar).want(t, 200, "")
	if len(out.cookies) != 1 || strings.Contains(string(out.body), "token") {
		t.Errorf("%v %s", out.cookies, out.body)
	}
	var body struct {
		Session struct{ Data json.RawMessage }
	}
	must(t, json.Unmarshal(out.body, &body))
	if string(body.Session.Data) != `{"theme":"dark"}` {
		t.Errorf("data was not carried over: %s", out.body)
	}
	w.get("/v1/session", withCookies(out.cookie(t, "__Host-session"))).want(t, 200, "")
	// without the session cookie there is no data, and with that of another session neither
	other := w.loginCookie().cookie(t, "__Host-session")
	for _, cs := range [][]option{
		{withCookies(in.cookie(t, "__Secure-refresh"))},
		{withCookies(in.cookie(t, "__Secure-refresh"), other)},
	} {
		if a := w.post("/v1/refresh", "", cs...).want(t, 200, ""); strings.Contains(string(a.body), "theme") {
			t.Errorf("foreign data: %s", a.body)
		}
	}
}

// Who holds the session keys can seal what it likes, but not a token.
func TestCarriedDataNeedsAnAuthenticToken(t *testing.T) {
	w := newWorld(t)
	in := w.loginCookie()
	sid := w.open(in.cookie(t, "__Secure-refresh").Value).SessionID
	forger, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now().Add(-time.Second))
	must(t, err)
	cookieKey, err := w.ring.Current(keys.SessionCookie, time.Now())
	must(t, err)
	for name, tc := range map[string]struct {
		ring    *keys.Ring
		age     time.Duration
		carried bool
	}{
		"a forged token":   {forger, 0, false},
		"the real one":     {w.ring, 0, true},
		"one that is over": {w.ring, 10 * time.Minute, true},
	} {
		k, err := tc.ring.Current(keys.AccessToken, time.Now())
		must(t, err)
		now := time.Now().Add(-tc.age).Truncate(time.Second)
		token, err := tokens.Sign(&tokens.Claims{Issuer: w.issuer, Subject: "u-ann", Audience: []string{"orders"}, IssuedAt: now,
			ExpiresAt: now.Add(time.Minute), ID: tokens.NewID(), SessionID: sid, ClientID: "login", AuthTime: now}, k)
		must(t, err)
		sealed, err := tokens.SealSession(&tokens.Session{Token: token, Data: []byte(`{"admin":true}`), SessionEnd: now.Add(time.Hour), IdleEnd: now.Add(time.Hour)}, cookieKey)
		must(t, err)
		session := *in.cookie(t, "__Host-session")
		session.Value = sealed
		a := w.post("/v1/refresh", "", withCookies(in.cookie(t, "__Secure-refresh"), &session)).want(t, 200, "")
		if got := strings.Contains(string(a.body), "admin"); got != tc.carried {
			t.Errorf("%s: carried %v", name, got)
		}
	}
}

func TestRefreshRefuses(t *testing.T) {
	w := newWorld(t)
	revoked := tokens.NewID()
	must(t, w.log.Append(t.Context(), revocation.SessionEntry(revoked, time.Now(), time.Now().Add(time.Hour))))
	for _, tc := range []struct {
		name         string
		token        string
		code, reason string
	}{
		{"an unused session", w.aged(tokens.NewID(), 0, 31*time.Minute), "session-ended", "idle"},
		{"a session that idled under a shorter idle_ttl", w.sealed(func(r *tokens.Refresh) { r.IdleEnd = time.Now().Add(-time.Second) }), "session-ended", "idle"},
		{"a session at its end", w.sealed(func(r *tokens.Refresh) { r.SessionEnd = time.Now().Add(-time.Second) }), "session-ended", "expired"},
		{"a revoked session", w.sealed(func(r *tokens.Refresh) { r.SessionID = revoked }), "session-ended", "revoked"},
		{"a user that is gone", w.sealed(func(r *tokens.Refresh) { r.Subject = "u-gone" }), "session-ended", "revoked"},
		{"audiences that are gone", w.sealed(func(r *tokens.Refresh) { r.Audience = []string{"mars"} }), "session-ended", "revoked"},
		{"a store that has forgotten", w.aged(tokens.NewID(), 3, 20*time.Minute), "session-ended", "state-lost"},
		{"another client", w.sealed(func(r *tokens.Refresh) { r.ClientID = "app" }), "invalid-token", ""},
		{"a cookie's value", w.sealed(func(r *tokens.Refresh) { r.Cookie = true }), "invalid-token", ""},
		{"an access token", w.sign(nil), "invalid-token", ""},
		{"garbage", "garbage", "invalid-token", ""},
		{"dots", strings.Repeat(".", 4000), "invalid-token", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := w.refresh(tc.token).want(t, 401, tc.code)
			if a.str(t, "reason") != tc.reason {
				t.Errorf("%s", a.body)
			}
			if len(a.cookies) != 0 {
				t.Error("mode token touched cookies")
			}
		})
	}
	t.Run("a disabled user", func(t *testing.T) {
		token := w.login().str(t, "refresh_token")
		must(t, w.users.Disable(t.Context(), "ann"))
		w.refresh(token).want(t, 401, "session-ended")
	})
}

func TestASessionThatEndedClearsItsCookies(t *testing.T) {
	w := newWorld(t)
	in := w.loginCookie()
	w.post("/v1/logout", "", withCookies(in.cookie(t, "__Host-session"))).want(t, 204, "")
	a := w.post("/v1/refresh", "", withCookies(in.cookies...)).want(t, 401, "session-ended")
	for _, name := range []string{"__Host-session", "__Secure-refresh"} {
		if c := a.cookie(t, name); c.MaxAge >= 0 || c.Value != "" {
			t.Errorf("%s is not cleared: %v", name, c)
		}
	}
}

func TestRefreshWithoutTheStore(t *testing.T) {
	w := newWorld(t)
	byToken, byCookie := w.login(), w.loginCookie()
	w.store.fault.Store(true)
	a := w.refresh(byToken.str(t, "refresh_token")).want(t, 200, "")
	w.sameToken(byToken.str(t, "refresh_token"), a.str(t, "refresh_token"))
	w.get("/v1/session", withBearer(a.str(t, "access_token"))).want(t, 200, "")
	b := w.post("/v1/refresh", "", withCookies(byCookie.cookies...)).want(t, 200, "")
	w.sameToken(byCookie.cookie(t, "__Secure-refresh").Value, b.cookie(t, "__Secure-refresh").Value)
	w.store.fault.Store(false)
	w.refresh(byToken.str(t, "refresh_token")).want(t, 200, "")
}

// sameToken fails unless two refresh tokens are one, and the second tells of an
// attempt with the first.
func (w *world) sameToken(a, b string) {
	w.t.Helper()
	was, is := w.open(a), w.open(b)
	if is.LastAttempt == 0 {
		w.t.Error("it does not tell of an attempt")
	}
	if was.FirstAttempt, was.LastAttempt = is.FirstAttempt, is.LastAttempt; !reflect.DeepEqual(was, is) {
		w.t.Errorf("%+v became %+v", was, is)
	}
}

func TestARevokedSessionDoesNotRefreshWithoutTheStore(t *testing.T) {
	w := newWorld(t)
	a := w.login()
	w.post("/v1/logout", "", withBearer(a.str(t, "access_token"))).want(t, 204, "")
	w.store.fault.Store(true)
	w.refresh(a.str(t, "refresh_token")).want(t, 401, "session-ended")
}

func TestFaultsAreNever401(t *testing.T) {
	w := newWorld(t)
	a := w.login()
	jar := withCookies(w.loginCookie().cookies...)
	w.users.fault.Store(&errDisk)
	w.log.fault.Store(true)
	access := withBearer(a.str(t, "access_token"))
	for name, got := range map[string]answer{
		"login":             w.post("/v1/login", `{"username":"ann","password":"x"}`),
		"refresh":           w.refresh(a.str(t, "refresh_token")),
		"refresh by cookie": w.post("/v1/refresh", "", jar),
		"logout":            w.post("/v1/logout", "", access),
		"logout by cookie":  w.post("/v1/logout", "", jar),
		"logout of all":     w.post("/v1/logout/all", "", access),
		"revoke":            w.post(w.admin+"/admin/v1/revocations", `{"type":"all"}`, withBearer(adminToken)),
	} {
		if got.status != 503 || got.header.Get("Retry-After") == "" || len(got.cookies) != 0 {
			t.Errorf("%s: %d %v %s", name, got.status, got.header, got.body)
		}
	}
	if !strings.Contains(w.logged.String(), errDisk.Error()) {
		t.Error("the fault is not in the log")
	}
}

// An answer that does not fit must leave the refresh token as it was: the
// client will try again with it, and that must not look like a theft.
func TestRefreshThatDoesNotFitChangesNothing(t *testing.T) {
	w := newWorld(t)
	cookies, token := w.loginCookie().cookies, w.login().str(t, "refresh_token")
	ways := map[string]struct {
		roles   int
		refresh func() answer
	}{
		"cookies": {90, func() answer { return w.post("/v1/refresh", "", withCookies(cookies...)) }},
		"a token": {256, func() answer { return w.refresh(token) }},
		"a token of OAuth": {256, func() answer {
			return w.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
		}},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			w.users.with(func(u *authsvc.User) {
				for i := range way.roles {
					u.Roles = append(u.Roles, fmt.Sprintf("%x", sha256.Sum256([]byte{byte(i)})))
				}
			})
			before := w.store.presents.Load()
			a := way.refresh()
			if a.status == 200 || len(a.cookies) != 0 || w.store.presents.Load() != before {
				t.Errorf("%d, %d cookies, the store was asked %d times", a.status, len(a.cookies), w.store.presents.Load()-before)
			}
			w.users.more.Store(nil)
			way.refresh().want(t, 200, "")
		})
	}
}
