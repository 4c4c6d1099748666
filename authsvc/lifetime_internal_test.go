package authsvc

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// clocked is a Service with a store, both by a clock that only the test moves,
// and the user ann.
type clocked struct {
	*Service
	mu     sync.Mutex
	at     time.Time
	states map[tokens.ID]State
	writes int
}

func newClocked(t *testing.T, session, idle time.Duration) *clocked {
	t.Helper()
	plan := keys.DefaultPlan()
	plan.Life[keys.RefreshToken], plan.Life[keys.SessionCookie] = idle, idle
	ring, err := keys.NewRing(plan, keys.EdDSA, time.Now().Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	c := &clocked{at: time.Now(), states: map[tokens.ID]State{}}
	c.Service, err = New(Config{Issuer: "http://localhost", Audiences: []string{"orders"}, Ring: ring, Log: still{}, Sessions: c,
		Users: ann{}, Clients: down{}, AdminToken: "0123456789abcdef0123456789abcdef", SessionTTL: session, IdleTTL: idle})
	if err != nil {
		t.Fatal(err)
	}
	c.Service.now = func() time.Time { return c.at }
	c.hub.deliver(Batch{Frame: revocation.Frame{Kind: revocation.Snapshot, Pos: at(1)}})
	return c
}

func (c *clocked) Present(_ context.Context, p Presentation) (Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, out := Step(c.states[p.SessionID], p, Params{}, c.at.UnixMilli())
	if next != c.states[p.SessionID] {
		c.writes++
	}
	c.states[p.SessionID] = next
	return out, nil
}

func (c *clocked) Now() time.Time { return c.at }

func (c *clocked) Settle(context.Context, Presentation, time.Time) (Outcome, error) {
	return Outcome{}, errDown
}

type ann struct{}

func (ann) Lookup(_ context.Context, sub string) (User, error) { return User{Subject: sub}, nil }
func (ann) Authenticate(_ context.Context, name, _ string) (User, error) {
	return User{Subject: name}, nil
}

// send posts JSON and returns the answer.
func (c *clocked) send(path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.Public().ServeHTTP(w, r)
	return w
}

// opened returns the two tokens of an answer, opened.
func (c *clocked) opened(t *testing.T, w *httptest.ResponseRecorder) (string, *tokens.Refresh, *tokens.Claims) {
	t.Helper()
	var body struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	r, err := tokens.OpenRefresh(body.Refresh, c.hub, c.at)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := tokens.Verify(body.Access, c.hub, c.expect(), c.at)
	if err != nil {
		t.Fatal(err)
	}
	return body.Refresh, r, claims
}

const annLogsIn = `{"username":"ann","password":"correct horse"}`

// However long a chain of refreshes is, it does not pass the end that the login
// has set, neither by a refresh token nor by an access token.
func TestNoChainPassesTheAbsoluteEnd(t *testing.T) {
	const session, idle = 12 * time.Hour, 30 * time.Minute
	c := newClocked(t, session, idle)
	raw, first, _ := c.opened(t, c.send("/v1/login", annLogsIn))
	end := c.at.Add(session)
	if first.SessionEnd.After(end) || end.Sub(first.SessionEnd) > time.Second {
		t.Fatalf("a session of %v ends at %v", session, first.SessionEnd)
	}
	links := 0
	for {
		c.at = c.at.Add(10*time.Second + time.Duration(1+rand.IntN(60_000))*time.Millisecond)
		w := c.send("/v1/refresh", `{"refresh_token":"`+raw+`"}`)
		if !c.at.Before(first.SessionEnd) {
			if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `"expired"`) {
				t.Errorf("after the end: %d %s", w.Code, w.Body)
			}
			break
		}
		var r *tokens.Refresh
		var claims *tokens.Claims
		raw, r, claims = c.opened(t, w)
		links++
		if r.Generation != uint32(links) || !r.SessionEnd.Equal(first.SessionEnd) || r.IdleEnd.After(first.SessionEnd) ||
			claims.ExpiresAt.After(first.SessionEnd) || !claims.AuthTime.Equal(first.AuthTime) {
			t.Fatalf("link %d: %+v %+v, the login's is %+v", links, r, claims, first)
		}
	}
	if links < 900 || len(c.states) != 1 {
		t.Errorf("%d links, %d states", links, len(c.states))
	}
}

// In the background a session goes on to its idle end and no further, and what
// is written is one state for each refresh.
func TestNoChainInTheBackgroundPassesTheIdleEnd(t *testing.T) {
	c := newClocked(t, 12*time.Hour, 30*time.Minute)
	raw, first, _ := c.opened(t, c.send("/v1/login", annLogsIn))
	links := 0
	for {
		c.at = c.at.Add(time.Minute + time.Millisecond)
		w := c.send("/v1/refresh", `{"refresh_token":"`+raw+`"}`, activityHeader, inBackground)
		if !c.at.Before(first.IdleEnd) {
			if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `"idle"`) {
				t.Errorf("after the idle end: %d %s", w.Code, w.Body)
			}
			break
		}
		var r *tokens.Refresh
		var claims *tokens.Claims
		raw, r, claims = c.opened(t, w)
		links++
		if !r.IdleEnd.Equal(first.IdleEnd) || claims.ExpiresAt.After(first.IdleEnd) {
			t.Fatalf("link %d: idle end %v, access token until %v, want none after %v", links, r.IdleEnd, claims.ExpiresAt, first.IdleEnd)
		}
	}
	if links != 29 || c.writes != links {
		t.Errorf("%d links, %d writes", links, c.writes)
	}
}

// Where idle_ttl was lowered a refresh in the background lowers the end, too.
func TestALowerIdleTTLCountsInTheBackground(t *testing.T) {
	c := newClocked(t, 12*time.Hour, 30*time.Minute)
	raw, _, _ := c.opened(t, c.send("/v1/login", annLogsIn))
	c.cfg.IdleTTL = 10 * time.Minute
	c.at = c.at.Add(time.Minute)
	_, r, _ := c.opened(t, c.send("/v1/refresh", `{"refresh_token":"`+raw+`"}`, activityHeader, inBackground))
	if r.IdleEnd.Sub(c.at) > 10*time.Minute {
		t.Errorf("idle end in %v", r.IdleEnd.Sub(c.at))
	}
}

// A smaller or larger ttl is never exceeded, nor cut by more than a tenth.
func TestJitterIsATenthAtMost(t *testing.T) {
	for _, ttl := range []time.Duration{time.Second, 9 * time.Second, 10 * time.Second, time.Minute, 15 * time.Minute} {
		shortest, longest := ttl, time.Duration(0)
		for range 2000 {
			d := jittered(ttl)
			shortest, longest = min(shortest, d), max(longest, d)
		}
		if longest > ttl || shortest < ttl-ttl/10 || ttl >= time.Minute && longest-shortest < ttl/20 {
			t.Errorf("%v: between %v and %v", ttl, shortest, longest)
		}
	}
}

// An outage brings nobody into step either: where access tokens are cut short
// without the store, each is cut in its own second.
func TestTokensMadeWithoutTheStoreEndInDifferentSeconds(t *testing.T) {
	s, now := offline(t, still{}), time.Now().Truncate(time.Second)
	token := &tokens.Refresh{SessionID: tokens.NewID(), IssuedAt: now.UnixMilli(), IdleEnd: now.Add(30 * time.Minute), SessionEnd: now.Add(time.Hour)}
	lives := map[time.Duration]bool{}
	for range 12 { // all alike once in 31^11
		g := &grant{refresh: token, claims: tokens.Claims{IssuedAt: now, ExpiresAt: now.Add(15 * time.Minute)}}
		if err := s.degrade(httptest.NewRequest(http.MethodPost, "/v1/refresh", nil), g, token, &showing{shown: Presentation{SessionID: token.SessionID}, err: errDown, at: now}, now); err != nil {
			t.Fatal(err)
		}
		d := g.claims.ExpiresAt.Sub(now)
		if lives[d] = true; d > maxDegradedLife || d < maxDegradedLife*9/10 {
			t.Errorf("a life of %v", d)
		}
	}
	if len(lives) == 1 {
		t.Errorf("all live for %v", lives)
	}
}
