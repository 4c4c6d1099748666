package authsvc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

func refreshOn(to string) string { return "/v1/refresh?return_to=" + url.QueryEscape(to) }

// withRefresh is a request with a refresh cookie of any kind.
func (w *world) withRefresh(change func(*tokens.Refresh)) option {
	return withCookies(&http.Cookie{Name: "__Secure-refresh", Value: w.sealed(func(r *tokens.Refresh) {
		r.Cookie = true
		change(r)
	})})
}

func clearsCookies(a answer) bool {
	cleared := 0
	for _, c := range a.cookies {
		if c.MaxAge < 0 && c.Value == "" {
			cleared++
		}
	}
	return cleared == 2
}

func TestANavigationRefreshes(t *testing.T) {
	w := buildWorld(&world{t: t, adopt: true}, withShop)
	sid := tokens.NewID()
	cookie := w.withRefresh(func(r *tokens.Refresh) { r.SessionID, r.IssuedAt = sid, r.IssuedAt-time.Minute.Milliseconds() })
	a := w.get(refreshOn(shop+"/cart?a=b"), cookie).leads(t, shop+"/cart?a=b")
	if got := w.open(a.cookie(t, "__Secure-refresh").Value); got.SessionID != sid {
		t.Errorf("another session: %+v", got)
	}
	w.get("/v1/session", withCookies(a.cookies...)).want(t, 200, "")
	if len(a.body) != 0 || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v %s", a.header, a.body)
	}
	w.get(refreshOn("//evil.example"), cookie).leads(t, "https://blog.example.com/")
	w.get("/v1/refresh", cookie).leads(t, "https://blog.example.com/")
}

func TestANavigationKeepsTheDataOfTheSession(t *testing.T) {
	w := newWorld(t)
	a := w.get(refreshOn("/"), withCookies(w.loginCookie().cookies...)).leads(t, w.issuer+"/")
	s, err := tokens.OpenSession(a.cookie(t, "__Host-session").Value, w.ring, time.Now())
	must(t, err)
	if string(s.Data) != `{"theme":"dark"}` {
		t.Errorf("%s", s.Data)
	}
}

func TestANavigationOfAnEndedSessionIsToldWhy(t *testing.T) {
	w := newWorld(t, withShop)
	revoked, stolen := tokens.NewID(), tokens.NewID()
	must(t, w.log.Append(t.Context(), revocation.SessionEntry(revoked, time.Now(), time.Now().Add(time.Hour))))
	of := func(sid tokens.ID, generation uint32, age time.Duration) option {
		return w.withRefresh(func(r *tokens.Refresh) {
			r.SessionID, r.Generation, r.IssuedAt = sid, generation, time.Now().Add(-age).UnixMilli()
		})
	}
	w.get("/v1/refresh", of(stolen, 1, 0)).leads(t, "https://blog.example.com/")
	for name, tc := range map[string]struct {
		with   option
		reason string
	}{
		"its end":               {w.withRefresh(func(r *tokens.Refresh) { r.SessionEnd = time.Now().Add(-time.Second) }), "expired"},
		"nobody there":          {w.withRefresh(func(r *tokens.Refresh) { r.IdleEnd = time.Now().Add(-time.Second) }), "idle"},
		"ended elsewhere":       {of(revoked, 0, 0), "revoked"},
		"a copy":                {of(stolen, 0, time.Minute), "reused"},
		"a forgetful store":     {of(tokens.NewID(), 3, 20*time.Minute), "state-lost"},
		"a user who is no more": {w.withRefresh(func(r *tokens.Refresh) { r.Subject = "u-gone" }), "revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.get(refreshOn(shop+"/cart"), tc.with)
			a.leads(t, w.issuer+"/sessions-ended?reason="+tc.reason+"&return_to="+url.QueryEscape(shop+"/cart"))
			if !clearsCookies(a) {
				t.Errorf("the cookies are not cleared: %v", a.header)
			}
			w.get(a.header.Get("Location")).want(t, 200, "").says(t, url.QueryEscape(shop+"/cart"))
		})
	}
}

func TestANavigationWithoutASessionLeadsToTheLogin(t *testing.T) {
	w := newWorld(t, withShop)
	login := w.issuer + "/login?return_to=" + url.QueryEscape(shop+"/cart")
	for name, o := range map[string]option{
		"no cookie":          func(*http.Request) {},
		"nonsense":           withCookies(&http.Cookie{Name: "__Secure-refresh", Value: "x"}),
		"another mode's":     withCookies(&http.Cookie{Name: "__Secure-refresh", Value: w.login().str(t, "refresh_token")}),
		"a session's cookie": withCookies(w.loginCookie().cookie(t, "__Host-session")),
	} {
		if a := w.get(refreshOn(shop+"/cart"), o).leads(t, login); len(a.cookies) != 0 {
			t.Errorf("%s: sets cookies: %v", name, a.header)
		}
	}
	w.get("/v1/refresh").leads(t, w.issuer+"/login")
	w.get(refreshOn("/"+strings.Repeat("&", 2000))).leads(t, w.issuer+"/login") // escaped once more, it does not fit
}

func TestAFaultOnTheWayEndsNothing(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) { c.StrictRefresh = true })
	jar := withCookies(w.loginCookie().cookies...)
	w.store.fault.Store(true)
	a := w.get(refreshOn("/orders"), jar).want(t, 503, "")
	a.says(t, "You are not signed out", "Try again", refreshOn("/orders"))
	if a.header.Get("Retry-After") == "" || len(a.cookies) != 0 {
		t.Errorf("%v", a.header)
	}
	w.store.fault.Store(false)
	w.get(refreshOn("/orders"), jar).leads(t, w.issuer+"/orders")
}

func TestWhatIsFetchedAheadDoesNotRefresh(t *testing.T) {
	w := newWorld(t)
	cookie := withCookies(w.loginCookie().cookies...)
	for name, value := range map[string]string{"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch", "X-Moz": "prefetch"} {
		a := w.get(refreshOn("/orders"), cookie, header(name, value)).want(t, 503, "")
		if len(a.cookies) != 0 || a.header.Get("Location") != "" || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %v", name, a.header)
		}
	}
	if n := w.store.presents.Load(); n != 0 {
		t.Fatalf("%d tokens were presented", n)
	}
	w.get(refreshOn("/orders"), cookie).leads(t, w.issuer+"/orders")
	if n := w.store.presents.Load(); n != 1 {
		t.Errorf("%d tokens were presented", n)
	}
}

func TestATokenIsNotSpentOnAWayThatDoesNotFit(t *testing.T) {
	w := newWorld(t, withShop)
	w.users.with(moreRoles(60))
	a := w.get(refreshOn(shop+"/"+longer(1900)), w.withRefresh(func(*tokens.Refresh) {})).leads(t, "https://blog.example.com/")
	w.get("/v1/session", withCookies(a.cookies...)).want(t, 200, "")
}

// An answer may be a few bytes too long for the way home alone.
func TestATokenIsNotSpentWhereTheWayHomeDoesNotFit(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) {
		c.AppOrigins = []string{"https://" + longer(60) + "." + longer(60) + "." + longer(60) + ".example.com"}
	})
	roles, tight := rolesOf(150), 0
	cookie := withCookies(w.loginCookie().cookie(t, "__Secure-refresh"))
	for n := 40; ; n++ {
		w.users.with(func(u *authsvc.User) { u.Roles = roles[:n] })
		if w.post("/v1/refresh", "", cookie).status != 200 {
			break
		}
		before := w.store.presents.Load()
		if a := w.get("/v1/refresh", cookie); a.status == 413 {
			tight++
			if w.store.presents.Load() != before || len(a.cookies) != 0 {
				t.Errorf("with %d roles a token was presented for an answer that can not be sent", n)
			}
		}
	}
	if tight == 0 {
		t.Error("every answer has fitted")
	}
}

func TestATokenInABodyIsNotTakenOnTheWay(t *testing.T) {
	w := newWorld(t)
	w.do("GET", "/v1/refresh", "application/json", `{"refresh_token":"`+w.login().str(t, "refresh_token")+`"}`).want(t, 400, "").says(t, "Begin again at the login page.")
	if n := w.store.presents.Load(); n != 0 {
		t.Errorf("%d tokens were presented", n)
	}
}
