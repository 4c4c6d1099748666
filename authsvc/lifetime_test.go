package authsvc_test

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
)

var quietly = header("Sealring-Activity", "background")

// life is how long an access token lives, by its claims.
func (w *world) life(raw string) time.Duration {
	w.t.Helper()
	c, err := tokens.Verify(raw, w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"orders"}}, time.Now())
	must(w.t, err)
	return c.ExpiresAt.Sub(c.IssuedAt)
}

// A fleet whose tokens were all issued in one second does not come back in one
// second.
func TestAccessTokensEndInDifferentSeconds(t *testing.T) {
	w := newWorld(t)
	in := w.login().str(t, "refresh_token")
	for name, issue := range map[string]func() string{
		"logins":             func() string { return w.login().str(t, "access_token") },
		"refreshes":          func() string { return w.refresh(in).want(t, 200, "").str(t, "access_token") },
		"services":           w.ofService,
		"refreshes of OAuth": func() string { return w.oauthRefresh(in).want(t, 200, "").str(t, "access_token") },
	} {
		lives := map[time.Duration]bool{}
		for range 12 { // all alike once in 31^11
			d := w.life(issue())
			if lives[d] = true; d > 5*time.Minute || d < 270*time.Second {
				t.Errorf("%s: a life of %v", name, d)
			}
		}
		if len(lives) == 1 {
			t.Errorf("%s: all live for %v", name, lives)
		}
	}
}

func (w *world) oauthRefresh(token string, o ...option) answer {
	w.t.Helper()
	return w.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, o...)
}

// idling is a refresh token of a session whose last activity was long ago: it
// has but so much left.
func (w *world) idling(left time.Duration, change ...func(*tokens.Refresh)) (string, time.Time) {
	w.t.Helper()
	end := time.Now().Add(left).Truncate(time.Second)
	return w.sealed(func(r *tokens.Refresh) {
		r.IssuedAt, r.IdleEnd = time.Now().Add(-time.Minute).UnixMilli(), end
		r.SessionEnd = time.Now().Add(3 * time.Hour).Truncate(time.Second)
		for _, f := range change {
			f(r)
		}
	}), end
}

func TestARefreshInTheBackgroundDoesNotExtendTheIdleTime(t *testing.T) {
	w := buildWorld(&world{t: t, adopt: true})
	cookie := func(r *tokens.Refresh) { r.Cookie = true }
	byCookie := func(token string, o ...option) answer {
		return w.post("/v1/refresh", "", append(o, header("Cookie", "__Secure-refresh="+token))...)
	}
	for name, way := range map[string]struct {
		change  []func(*tokens.Refresh)
		refresh func(string, ...option) answer
		next    func(answer) string
	}{
		"by token":  {nil, w.refresh, func(a answer) string { return a.str(t, "refresh_token") }},
		"by OAuth":  {nil, w.oauthRefresh, func(a answer) string { return a.str(t, "refresh_token") }},
		"by cookie": {[]func(*tokens.Refresh){cookie}, byCookie, func(a answer) string { return a.cookie(t, "__Secure-refresh").Value }},
	} {
		t.Run(name, func(t *testing.T) {
			token, end := w.idling(10*time.Minute, way.change...)
			a := way.refresh(token, quietly).want(t, 200, "")
			next := w.open(way.next(a))
			if next.Generation != 1 || !next.IdleEnd.Equal(end) {
				t.Errorf("generation %d ends idle at %v, its parent at %v", next.Generation, next.IdleEnd, end)
			}
			if left := expiresIn(t, a)["idle"]; left > 600 || left < 570 {
				t.Errorf("%d seconds left", left)
			}
			// while somebody who is there extends it
			token, _ = w.idling(10*time.Minute, way.change...)
			if d := w.open(way.next(way.refresh(token).want(t, 200, ""))).IdleEnd; time.Until(d) < 29*time.Minute {
				t.Errorf("a refresh in the foreground ends at %v", d)
			}
		})
	}
}

// An access token does not outlive the session that idles out.
func TestAnAccessTokenOfTheBackgroundEndsWithTheIdleTime(t *testing.T) {
	w := buildWorld(&world{t: t, adopt: true})
	token, end := w.idling(100 * time.Second)
	a := w.refresh(token, quietly).want(t, 200, "")
	c, err := tokens.Verify(a.str(t, "access_token"), w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"orders"}}, time.Now())
	must(t, err)
	if c.ExpiresAt.After(end) {
		t.Errorf("it ends at %v, the session at %v", c.ExpiresAt, end)
	}
}

// Whoever races, there is one successor. Its idle end is the parent's for who
// comes in the background, until somebody who is there has come.
func TestRacersOfBothKindsGetOneSuccessor(t *testing.T) {
	w := buildWorld(&world{t: t, adopt: true})
	token, end := w.idling(10 * time.Minute)
	idle := func(o ...option) time.Time {
		return w.open(w.refresh(token, o...).want(t, 200, "").str(t, "refresh_token")).IdleEnd
	}
	if got := idle(quietly); !got.Equal(end) {
		t.Errorf("first, in the background: %v, want %v", got, end)
	}
	active := idle()
	if active.Sub(end) < 19*time.Minute {
		t.Errorf("then in the foreground: %v", active)
	}
	if got := idle(quietly); !got.Equal(active) {
		t.Errorf("again in the background: %v takes the activity back: %v", got, active)
	}

	token, end = w.idling(10 * time.Minute)
	const parallel = 60
	var mu sync.Mutex
	var answers []answer
	var wg sync.WaitGroup
	for i := range parallel {
		wg.Go(func() {
			var o []option
			if i%2 == 0 {
				o = append(o, quietly)
			}
			a := w.refresh(token, o...)
			mu.Lock()
			answers = append(answers, a)
			mu.Unlock()
		})
	}
	wg.Wait()
	var got []*tokens.Refresh
	for _, a := range answers {
		got = append(got, w.open(a.want(t, 200, "").str(t, "refresh_token")))
	}
	active = time.UnixMilli(got[0].IssuedAt).Add(30 * time.Minute).Truncate(time.Second)
	for _, r := range got {
		if r.Generation != 1 || r.IssuedAt != got[0].IssuedAt || r.ParentIssuedAt != got[0].ParentIssuedAt {
			t.Fatalf("two successors: %+v and %+v", r, got[0])
		}
		if !r.IdleEnd.Equal(end) && !r.IdleEnd.Equal(active) {
			t.Errorf("an idle end of %v, want %v or %v", r.IdleEnd, end, active)
		}
	}
}

func TestAnUnknownActivityIsRefused(t *testing.T) {
	w := newWorld(t)
	token := w.login().str(t, "refresh_token")
	for _, o := range [][]option{
		{header("Sealring-Activity", "backgroud")},
		{header("Sealring-Activity", "")},
		{quietly, quietly},
	} {
		w.refresh(token, o...).want(t, 400, "invalid-request")
		if a := w.oauthRefresh(token, o...); a.status != 400 || a.str(t, "error") != "invalid_request" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

// expiresIn reads Sealring-Expires; nil without one.
func expiresIn(t *testing.T, a answer) map[string]int64 {
	t.Helper()
	var left map[string]int64
	for _, member := range strings.Split(a.header.Get("Sealring-Expires"), ", ") {
		name, value, ok := strings.Cut(member, "=")
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		must(t, err)
		if left == nil {
			left = map[string]int64{}
		}
		left[name] = n
	}
	return left
}

func TestEveryAnswerWithASessionSaysWhatIsLeft(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) {
		c.AccessTTL, c.IdleTTL, c.SessionTTL = 4*time.Minute, 20*time.Minute, 5*time.Hour
	})
	in, jar := w.login(), w.loginCookie()
	renewed := w.post("/v1/refresh", "", withCookies(jar.cookies...)).want(t, 200, "")
	for name, a := range map[string]answer{
		"login by token":       in,
		"login by cookie":      jar,
		"refresh by token":     w.refresh(in.str(t, "refresh_token")).want(t, 200, ""),
		"refresh by cookie":    renewed,
		"the token endpoint":   w.oauthRefresh(in.str(t, "refresh_token")).want(t, 200, ""),
		"the session":          w.get("/v1/session", withCookies(renewed.cookie(t, "__Host-session"))).want(t, 200, ""),
		"in the background":    w.refresh(in.str(t, "refresh_token"), quietly).want(t, 200, ""),
		"without any activity": w.oauthRefresh(in.str(t, "refresh_token"), quietly).want(t, 200, ""),
	} {
		t.Run(name, func(t *testing.T) {
			body := a.json(t)
			if s, ok := body["session"].(map[string]any); ok {
				body = s
			}
			left := expiresIn(t, a)
			for member, c := range map[string]struct {
				name string
				most int64
			}{"access": {"expires_in", 240}, "idle": {"idle_expires_in", 1200}, "session": {"session_expires_in", 18000}} {
				if got, said := left[member], body[c.name]; got > c.most || got < c.most*9/10-15 || fmt.Sprint(said) != fmt.Sprint(float64(got)) {
					t.Errorf("%s: %d in the header, %v in the body, want about %d", member, got, said, c.most)
				}
			}
		})
	}
	// a bearer token does not say when its session ends, and a service has none
	if left := expiresIn(t, w.get("/v1/session", withBearer(in.str(t, "access_token"))).want(t, 200, "")); len(left) != 1 || left["access"] < 200 {
		t.Errorf("by token: %v", left)
	}
	if a := w.form(url.Values{"grant_type": {"client_credentials"}}, withBasic("orders", w.secret)).want(t, 200, ""); expiresIn(t, a) != nil || a.json(t)["idle_expires_in"] != nil {
		t.Errorf("of a service: %s %v", a.body, a.header)
	}
}
