package authsvc_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/middleware"
)

// Somebody is disabled, removed or has a new password: every session is over at
// once, on every device, access tokens included.
func TestEndedSessionsAreOverEverywhere(t *testing.T) {
	w := newWorld(t)
	g := w.follower()
	in, jar := w.login(), w.loginCookie()
	bob := w.post("/v1/login", `{"username":"bob","password":"`+password+`"}`).want(t, 200, "")
	must(t, w.svc.EndSessions(t.Context()))
	w.get("/v1/session", withBearer(in.str(t, "access_token"))).want(t, 200, "")
	must(t, w.svc.EndSessions(t.Context(), authsvc.Ending{Subject: "u-ann"}))
	for _, show := range []option{withBearer(in.str(t, "access_token")), withCookies(jar.cookie(t, "__Host-session"))} {
		w.get("/v1/session", show).want(t, 401, "invalid-token")
		w.eventually("the guard knows", func() bool { _, err := g.Check(with(show)); return errors.Is(err, middleware.ErrRevoked) })
	}
	w.refresh(in.str(t, "refresh_token")).want(t, 401, "session-ended")
	w.post("/v1/refresh", "", withCookies(jar.cookies...)).want(t, 401, "session-ended")
	w.get("/v1/session", withBearer(bob.str(t, "access_token"))).want(t, 200, "")
	w.get("/v1/session", withBearer(w.login().str(t, "access_token"))).want(t, 200, "") // who logs in again is in

	w.log.apart.Store(true)
	must(t, w.svc.EndSessions(t.Context(), authsvc.Ending{Subject: "u-bob"}))
	w.get("/v1/session", withBearer(bob.str(t, "access_token"))).want(t, 401, "invalid-token")
	w.log.fault.Store(true)
	if err := w.svc.EndSessions(t.Context(), authsvc.Ending{Subject: "u-ann"}); !errors.Is(err, errDisk) {
		t.Errorf("%v", err)
	}
}

// Another replica hears late of a new password: what has begun with it goes on.
func TestSessionsThatBeganAfterTheChangeGoOn(t *testing.T) {
	w := newWorld(t)
	ending := authsvc.Ending{Subject: "u-ann", At: time.Now().Add(-time.Minute)}
	in := w.login().str(t, "access_token")
	must(t, w.svc.EndSessions(t.Context(), ending))
	w.get("/v1/session", withBearer(in)).want(t, 200, "")

	ending.At = time.Now()
	must(t, w.svc.EndSessions(t.Context(), ending))
	w.get("/v1/session", withBearer(in)).want(t, 401, "invalid-token")
	in = w.login().str(t, "access_token") // within the second
	must(t, w.svc.EndSessions(t.Context(), ending))
	w.get("/v1/session", withBearer(in)).want(t, 200, "")

	ending.At = time.Now().Add(time.Hour) // by a clock that is off
	must(t, w.svc.EndSessions(t.Context(), ending))
	w.get("/v1/session", withBearer(w.login().str(t, "access_token"))).want(t, 200, "")
}

// Each of several new passwords within a second ends what began with the one
// before, and each end may be told again.
func TestNewPasswordsWithinASecond(t *testing.T) {
	w := newWorld(t)
	at := time.Now().Truncate(time.Second)
	for _, all := range []bool{false, true} {
		for i := range 4 {
			in := w.login().str(t, "access_token")
			if all {
				w.post("/v1/logout/all", "", withBearer(w.login().str(t, "access_token"))).want(t, 204, "")
				in = w.login().str(t, "access_token")
			}
			ending := authsvc.Ending{Subject: "u-ann", At: at}
			at = at.Add(2 * time.Second)
			must(t, w.svc.EndSessions(t.Context(), ending))
			w.get("/v1/session", withBearer(in)).want(t, 401, "invalid-token")
			in = w.login().str(t, "access_token")
			must(t, w.svc.EndSessions(t.Context(), ending))
			if a := w.get("/v1/session", withBearer(in)); a.status != 200 {
				t.Fatalf("password %d, logout %v: what began with it is ended when it is told again: %s", i, all, a.body)
			}
		}
	}
}

// A session was moved behind a logout of all within the second: a new password
// ends it all the same, once.
func TestANewPasswordWithinTheSecondOfALogoutOfAll(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.post("/v1/logout/all", "", withBearer(w.login().str(t, "access_token"))).want(t, 204, "")
		in, ending := w.login().str(t, "access_token"), authsvc.Ending{Subject: "u-ann", At: time.Now()}
		must(t, w.svc.EndSessions(t.Context(), ending))
		w.get("/v1/session", withBearer(in)).want(t, 401, "invalid-token")
		in = w.login().str(t, "access_token")
		must(t, w.svc.EndSessions(t.Context(), ending))
		w.get("/v1/session", withBearer(in)).want(t, 200, "")
		w.nextSecond()
	}
}

// nextSecond lets the next second begin.
func (w *world) nextSecond() {
	second := time.Now().Unix()
	w.eventually("the next second", func() bool { return time.Now().Unix() > second })
}

// The password is checked, and then it changes: nobody is in with the old one,
// though the session would begin behind the end of the others.
func TestAPasswordThatChangesDuringTheLogin(t *testing.T) {
	w := newWorld(t)
	var checks atomic.Int32
	w.users.with(func(u *authsvc.User) {
		if checks.Add(1) == 1 {
			must(t, w.users.SetPassword(t.Context(), "ann", "another "+password))
			must(t, w.svc.EndSessions(t.Context(), authsvc.Ending{Subject: "u-ann", At: time.Now()}))
		}
	})
	w.post("/v1/login", `{"username":"ann","password":"`+password+`"}`).want(t, 401, "bad-credentials")
	w.post("/v1/login", `{"username":"ann","password":"another `+password+`"}`).want(t, 200, "")
}
