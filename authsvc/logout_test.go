package authsvc_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// expired makes a token's time be over.
func expired(c *tokens.Claims) {
	past := time.Now().Add(-20 * time.Minute).Truncate(time.Second)
	c.IssuedAt, c.AuthTime, c.ExpiresAt = past, past, past.Add(5*time.Minute)
}

func TestLogout(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		name string
		with func(t *testing.T) (body string, o []option)
	}{
		{"by token", func(t *testing.T) (string, []option) {
			return "", []option{withBearer(w.login().str(t, "access_token"))}
		}},
		{"by an expired token", func(t *testing.T) (string, []option) { return "", []option{withBearer(w.sign(expired))} }},
		{"by cookie", func(t *testing.T) (string, []option) {
			return "", []option{withCookies(w.loginCookie().cookie(t, "__Host-session"))}
		}},
		{"by a cookie with an expired token", func(t *testing.T) (string, []option) {
			return "", []option{withCookies(w.sessionCookie(w.sign(expired)))}
		}},
		{"by refresh token", func(t *testing.T) (string, []option) {
			return `{"refresh_token":"` + w.login().str(t, "refresh_token") + `"}`, nil
		}},
		{"by a service's own token", func(t *testing.T) (string, []option) {
			return "", []option{withBearer(w.sign(func(c *tokens.Claims) { c.SessionID, c.ClientID, c.Subject = tokens.ID{}, "orders", "orders" }))}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body, o := tc.with(t)
			a := w.post("/v1/logout", body, o...).want(t, 204, "")
			for _, name := range []string{"__Host-session", "__Secure-refresh"} {
				if c := a.cookie(t, name); c.MaxAge >= 0 || c.Value != "" {
					t.Errorf("%s is not cleared: %v", name, c)
				}
			}
			if a.header.Get("Clear-Site-Data") == "" {
				t.Error("no Clear-Site-Data")
			}
			w.post("/v1/logout", body, o...).want(t, 204, "") // twice does no harm
			if body == "" {
				w.get("/v1/session", o...).want(t, 401, "invalid-token")
			} else {
				w.post("/v1/refresh", body).want(t, 401, "session-ended")
			}
		})
	}
}

// Whoever logs out again and again writes nothing, however late.
func TestLogoutOfAnEndedSessionAddsNothing(t *testing.T) {
	w := newWorld(t)
	in, past := w.login(), time.Now().Add(-time.Minute)
	must(t, w.log.Append(t.Context(), revocation.SessionEntry(w.open(in.str(t, "refresh_token")).SessionID, past, past.Add(time.Hour))))
	before := w.logEnd()
	w.post("/v1/logout", "", withBearer(in.str(t, "access_token"))).want(t, 204, "")
	if after := w.logEnd(); after != before {
		t.Errorf("%v became %v", before, after)
	}
}

func TestLogoutByACookiesValueInABodyIsRefused(t *testing.T) {
	w := newWorld(t)
	raw := w.loginCookie().cookie(t, "__Secure-refresh").Value
	w.post("/v1/logout", `{"refresh_token":"`+raw+`"}`).want(t, 401, "invalid-token")
}

func TestLogoutEndsThisSessionAlone(t *testing.T) {
	w := newWorld(t)
	a, b := w.login().str(t, "access_token"), w.login().str(t, "access_token")
	w.post("/v1/logout", "", withBearer(a)).want(t, 204, "")
	w.get("/v1/session", withBearer(b)).want(t, 200, "")
}

// A revoked token does not speak for its session, which goes on until it is
// ended itself.
func TestLogoutByATokenThatWasRevokedAloneEndsTheSession(t *testing.T) {
	w := newWorld(t)
	in := w.login()
	token := in.str(t, "access_token")
	c, err := tokens.Verify(token, w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"orders"}}, time.Now())
	must(t, err)
	must(t, w.log.Append(t.Context(), revocation.TokenEntry(c.ID, time.Now(), c.ExpiresAt)))
	w.post("/v1/logout", "", withBearer(token)).want(t, 204, "")
	w.refresh(in.str(t, "refresh_token")).want(t, 401, "session-ended")
}

// A revocation outlives every refresh token that it can match, whatever
// lifetimes were set before or are set later: idle ends are fixed in the token
// and bounded by the ring's plan, and that only grows.
func TestARevocationOutlivesWhatItEnds(t *testing.T) {
	w := newWorld(t)
	w.post("/v1/logout", "", withBearer(w.login().str(t, "access_token"))).want(t, 204, "")
	w.post("/v1/logout/all", "", withBearer(w.login().str(t, "access_token"))).want(t, 204, "")
	until, count := map[revocation.Type]time.Time{}, map[revocation.Type]int{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_ = w.log.Follow(ctx, func(b authsvc.Batch) {
		for _, e := range b.Frame.Entries {
			until[e.Type] = time.Unix(int64(e.Exp), 0)
			count[e.Type]++
		}
		cancel()
	})
	if count[revocation.Session] != 2 || count[revocation.Subject] != 1 {
		t.Errorf("entries by type: %v, want one session for each logout and one subject", count)
	}
	idle := w.ring.Plan().Life[keys.RefreshToken]
	if idle < 2*time.Hour {
		t.Fatalf("the plan's idle life of %v is not longer than the service's: nothing is shown", idle)
	}
	for kind, life := range map[revocation.Type]time.Duration{revocation.Session: idle, revocation.Subject: max(idle, 12*time.Hour)} {
		if left := time.Until(until[kind]); left < life {
			t.Errorf("a %s entry lives %v more, want at least %v", kind, left, life)
		}
	}
}

func TestLogoutOfAll(t *testing.T) {
	w := newWorld(t)
	a, b := w.login(), w.login()
	bob := w.post("/v1/login", `{"username":"bob","password":"`+password+`"}`).want(t, 200, "")
	w.post("/v1/logout/all", "", withBearer(a.str(t, "access_token"))).want(t, 204, "")
	for _, session := range []answer{a, b} {
		w.get("/v1/session", withBearer(session.str(t, "access_token"))).want(t, 401, "invalid-token")
		w.refresh(session.str(t, "refresh_token")).want(t, 401, "session-ended")
	}
	w.get("/v1/session", withBearer(bob.str(t, "access_token"))).want(t, 200, "")
	w.post("/v1/logout/all", "", withBearer(a.str(t, "access_token"))).want(t, 401, "invalid-token")
	w.post("/v1/logout/all", "{}", withBearer(w.login().str(t, "access_token"))).want(t, 400, "invalid-request")
}

// A session that began in the second of an earlier "log out everywhere" is
// ended by a later one in that second too.
func TestLogoutOfAllTwiceInASecond(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		a, b := w.login().str(t, "access_token"), w.login().str(t, "access_token")
		w.post("/v1/logout/all", "", withBearer(a)).want(t, 204, "")
		w.get("/v1/session", withBearer(b)).want(t, 401, "invalid-token")
	}
}

func TestALogoutSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	a := w.login()
	w.post("/v1/logout", "", withBearer(a.str(t, "access_token"))).want(t, 204, "")
	issuer := w.issuer
	w.stop()
	w.start()
	if issuer == w.issuer {
		t.Fatal("the same port by chance")
	}
	w.refresh(a.str(t, "refresh_token")).want(t, 401, "session-ended")
}

// revocations is what the service does not trust now. Its position is that of
// the feed, which may be a tenth of a second behind.
func (w *world) revocations() string {
	w.t.Helper()
	return string(w.get(w.admin+"/admin/v1/revocations", withBearer(adminToken)).want(w.t, 200, "").body)
}

// logEnd is where the log ends: every entry that adds something moves it.
func (w *world) logEnd() (end revocation.Position) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	err := w.log.Log.Follow(ctx, func(b authsvc.Batch) { end = b.Frame.Pos; cancel() })
	if !errors.Is(err, context.Canceled) {
		w.t.Fatal(err)
	}
	return end
}

// sessionCookie seals a token as a session cookie.
func (w *world) sessionCookie(token string) *http.Cookie {
	w.t.Helper()
	k, err := w.ring.Current(keys.SessionCookie, time.Now())
	must(w.t, err)
	sealed, err := tokens.SealSession(&tokens.Session{Token: token, SessionEnd: time.Now().Add(time.Hour), IdleEnd: time.Now().Add(time.Hour)}, k)
	must(w.t, err)
	return &http.Cookie{Name: "__Host-session", Value: sealed}
}
