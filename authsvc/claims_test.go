package authsvc_test

import (
	"errors"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/tokens"
)

// stale revokes what tokens say of a subject, by the admin API.
func (w *world) stale(sub string) answer {
	w.t.Helper()
	return w.post(w.admin+"/admin/v1/revocations", `{"type":"claims","value":"`+sub+`"}`, withBearer(adminToken)).want(w.t, 201, "")
}

// sells is a change of a user's roles.
func sells(u *authsvc.User) { u.Roles = []string{"seller"} }

func (w *world) rolesOf(token string) []string {
	w.t.Helper()
	c, err := tokens.Verify(token, w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"orders"}, Leeway: time.Minute}, time.Now())
	must(w.t, err)
	return c.Roles
}

// A user gets another role: nobody is logged out, and no token that says the
// old one is accepted any more.
func TestARoleChangeIsASilentRefresh(t *testing.T) {
	w := newWorld(t)
	g := w.follower()
	in, second, jar := w.login(), w.login(), w.loginCookie()
	bob := w.post("/v1/login", `{"username":"bob","password":"`+password+`"}`).want(t, 200, "").str(t, "access_token")
	old := []option{withBearer(in.str(t, "access_token")), withBearer(second.str(t, "access_token")), withCookies(jar.cookie(t, "__Host-session"))}
	w.users.with(sells)
	w.stale("u-ann")
	for _, show := range old {
		w.get("/v1/session", show).want(t, 401, "refresh-needed")
		w.get("/v1/verify", show).want(t, 401, "refresh-needed")
		w.eventually("the guard knows", func() bool {
			_, err := g.Check(with(show))
			return errors.Is(err, middleware.ErrRefreshNeeded)
		})
	}
	w.get("/v1/session", withBearer(bob)).want(t, 200, "")

	renewed := []option{
		withBearer(w.refresh(in.str(t, "refresh_token")).want(t, 200, "").str(t, "access_token")),
		withBearer(w.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {second.str(t, "refresh_token")}}).want(t, 200, "").str(t, "access_token")),
		withCookies(w.post("/v1/refresh", "", withCookies(jar.cookies...)).want(t, 200, "").cookie(t, "__Host-session")),
		withBearer(w.login().str(t, "access_token")),
	}
	for _, show := range renewed {
		w.get("/v1/session", show).want(t, 200, "")
		s, err := g.Check(with(show))
		if err != nil || !slices.Equal(s.Roles, []string{"seller"}) {
			t.Errorf("renewed: %+v %v", s, err)
		}
	}
	if c, err := g.Check(with(renewed[0])); err != nil || time.Until(c.ExpiresAt) > 5*time.Minute {
		t.Errorf("a postdated token lives longer: %+v %v", c, err)
	}
}

// Each change ends what was said before it, also by tokens that a change
// within the same second had postdated.
func TestRoleChangesWithinASecond(t *testing.T) {
	w := newWorld(t)
	in := w.login()
	token := in.str(t, "access_token")
	for range 5 {
		w.stale("u-ann")
		w.get("/v1/session", withBearer(token)).want(t, 401, "refresh-needed")
		token = w.refresh(in.str(t, "refresh_token")).want(t, 200, "").str(t, "access_token")
		w.get("/v1/session", withBearer(token)).want(t, 200, "")
	}
}

func TestAServicesOwnStaleTokenIsGotAnew(t *testing.T) {
	w := newWorld(t)
	old := w.ofService()
	w.stale("orders")
	w.get("/v1/session", withBearer(old)).want(t, 401, "refresh-needed")
	w.get("/v1/session", withBearer(w.ofService())).want(t, 200, "")
}

// With a stale token one may still leave, and what is revoked stays revoked.
func TestAStaleTokenEndsItsSession(t *testing.T) {
	w := newWorld(t)
	service := w.ofService()
	for name, leave := range map[string]func(in answer) answer{
		"by logout": func(in answer) answer {
			return w.post("/v1/logout", "", withBearer(in.str(t, "access_token"))).want(t, 204, "")
		},
		"by its refresh token": func(in answer) answer { return w.revokeToken(in.str(t, "refresh_token")).want(t, 200, "") },
	} {
		t.Run(name, func(t *testing.T) {
			in := w.login()
			w.stale("u-ann")
			leave(in)
			w.refresh(in.str(t, "refresh_token")).want(t, 401, "session-ended")
			w.get("/v1/session", withBearer(in.str(t, "access_token"))).want(t, 401, "invalid-token")
		})
	}
	in := w.login()
	w.stale("u-ann")
	w.post("/v1/logout/all", "", withBearer(in.str(t, "access_token"))).want(t, 401, "refresh-needed")
	w.revokeToken(in.str(t, "access_token")).want(t, 200, "")
	w.get("/v1/session", withBearer(in.str(t, "access_token"))).want(t, 401, "invalid-token")
	w.refresh(in.str(t, "refresh_token")).want(t, 200, "")

	w.stale("orders")
	w.post("/v1/logout", "", withBearer(service)).want(t, 204, "")
	w.get("/v1/session", withBearer(service)).want(t, 401, "invalid-token")
}

// The roles change while a token is being made, after they were read: nobody
// gets a token that says the old ones and counts as new.
func TestARoleChangeDuringARefresh(t *testing.T) {
	w := newWorld(t)
	in := w.login()
	var changed atomic.Bool
	w.users.with(func(u *authsvc.User) {
		if changed.CompareAndSwap(false, true) {
			w.stale("u-ann") // and u is still the old user
			return
		}
		sells(u)
	})
	presents := w.store.presents.Load()
	w.refresh(in.str(t, "refresh_token")).want(t, 503, "unavailable")
	if w.store.presents.Load() != presents {
		t.Error("the refresh token was spent for nothing")
	}
	token := w.refresh(in.str(t, "refresh_token")).want(t, 200, "").str(t, "access_token")
	if roles := w.rolesOf(token); !slices.Equal(roles, []string{"seller"}) {
		t.Errorf("roles %v", roles)
	}

	changed.Store(false)
	token = w.login().str(t, "access_token") // read once more after the password was checked
	if roles := w.rolesOf(token); !slices.Equal(roles, []string{"seller"}) {
		t.Errorf("roles %v", roles)
	}
	w.get("/v1/session", withBearer(token)).want(t, 200, "")
}

func TestAUserWhoIsGoneByTheEndOfTheLogin(t *testing.T) {
	w := newWorld(t)
	w.stale("u-ann")
	first := true
	w.users.with(func(u *authsvc.User) { u.Disabled, first = !first, false })
	w.post("/v1/login", `{"username":"ann","password":"`+password+`"}`).want(t, 401, "bad-credentials")
}

func TestClaimsChanged(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.login().str(t, "access_token"), w.post("/v1/login", `{"username":"bob","password":"`+password+`"}`).str(t, "access_token")
	must(t, w.svc.ClaimsChanged(t.Context()))
	w.get("/v1/session", withBearer(ann)).want(t, 200, "")
	w.log.apart.Store(true)
	must(t, w.svc.ClaimsChanged(t.Context(), "u-ann", "u-bob"))
	for _, token := range []string{ann, bob} {
		w.get("/v1/session", withBearer(token)).want(t, 401, "refresh-needed")
	}
	w.log.fault.Store(true)
	if err := w.svc.ClaimsChanged(t.Context(), "u-ann"); !errors.Is(err, errDisk) {
		t.Errorf("%v", err)
	}
}
