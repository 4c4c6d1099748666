package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/tokens"
)

// heard is a Metrics that keeps what it is told.
type heard struct {
	mu     sync.Mutex
	said   []string
	status func() middleware.Status // nil: not watching
}

func (h *heard) Judged(_ context.Context, o middleware.Outcome, remembered bool) {
	h.say(fmt.Sprint("judged ", o, map[bool]string{true: " remembered"}[remembered]))
}
func (h *heard) Refused(_ context.Context, o middleware.Outcome) { h.say(fmt.Sprint("refused ", o)) }
func (h *heard) Ended(_ context.Context, o middleware.Outcome)   { h.say(fmt.Sprint("ended ", o)) }

func (h *heard) Watch(status func() middleware.Status) (stop func()) {
	h.status = status
	return func() { h.status = nil }
}

func (h *heard) say(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, what)
}

// all returns what was said since the last time.
func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	said := h.said
	h.said = nil
	return said
}

func (h *heard) want(t *testing.T, said ...string) {
	t.Helper()
	if got := h.all(); !slices.Equal(got, said) {
		t.Errorf("it was told %q, want %q", got, said)
	}
}

// counted is a ready guard, and what its metrics hear.
func counted(t *testing.T, iss *authtest.Issuer) (*middleware.Guard, *heard) {
	t.Helper()
	h, cfg := new(heard), iss.Config()
	cfg.Metrics = h
	g := newGuard(t, cfg)
	iss.Await(g)
	return g, h
}

func TestEveryDecisionIsCountedByWhatItCameTo(t *testing.T) {
	iss := authtest.New(t)
	g, h := counted(t, iss)
	token, cookieToken := iss.Token(), iss.Cookie()
	revoked, stale := iss.Token(), iss.Token(authtest.Subject("ben"))
	iss.Revoke(revoked)
	iss.RevokeClaims("ben")
	iss.Await(g)
	for _, c := range []struct {
		request []func(*http.Request)
		said    string
	}{
		{nil, "no-credential"},
		{[]func(*http.Request){bearer(token)}, "accepted"},
		{[]func(*http.Request){bearer(token)}, "accepted remembered"},
		{[]func(*http.Request){cookie(cookieToken)}, "accepted"},
		{[]func(*http.Request){cookie(cookieToken)}, "accepted remembered"},
		{[]func(*http.Request){bearer(token), cookie(cookieToken)}, "invalid-request"},
		{[]func(*http.Request){bearer("")}, "invalid-request"},
		{[]func(*http.Request){cookie(cookieToken), method("POST"), header("Sec-Fetch-Site", "cross-site")}, "cross-origin"},
		{[]func(*http.Request){bearer("garbage")}, "invalid-token"},
		{[]func(*http.Request){bearer(iss.Token(authtest.Audience("billing")))}, "invalid-token"},
		{[]func(*http.Request){bearer(iss.Token(authtest.Issued(time.Now().Add(-time.Hour))))}, "expired"},
		{[]func(*http.Request){bearer(revoked)}, "revoked"},
		{[]func(*http.Request){bearer(revoked)}, "revoked remembered"},
		{[]func(*http.Request){bearer(stale)}, "refresh-needed"},
	} {
		_, _ = g.Check(request(c.request...))
		h.want(t, "judged "+c.said)
		ask(g.Handler(whoami), c.request...)
		if said := h.all(); len(said) != 1 {
			t.Errorf("under Handler a request was counted as %q", said)
		}
	}
}

func TestWithoutKeysADecisionIsCountedAsUnavailable(t *testing.T) {
	iss := authtest.New(t)
	token := iss.Token()
	iss.Down()
	h, cfg := new(heard), iss.Config()
	cfg.Metrics = h
	_, _ = newGuard(t, cfg).Check(request(bearer(token)))
	h.want(t, "judged unavailable")
}

func TestCallsAndFreshTokensAreCountedToo(t *testing.T) {
	iss := authtest.New(t)
	g, h := counted(t, iss)
	enter := func(authorization ...string) func() {
		_, done, _ := g.Enter(t.Context(), "/orders/watch", authorization, middleware.Scopes("read"))
		return done
	}
	enter()
	h.want(t, "judged no-credential")
	enter("a", "b")
	h.want(t, "judged invalid-request")
	enter("Bearer " + iss.Token())
	h.want(t, "judged accepted", "refused insufficient-scope")

	session := authtest.SessionID(tokens.NewID())
	ctx, done, err := g.Enter(t.Context(), "/orders/watch", []string{"Bearer " + iss.Token(session, authtest.Scope("read"))}, middleware.Scopes("read"))
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	h.want(t, "judged accepted")
	_ = g.Renew(ctx, "")
	h.want(t, "judged no-credential")
	_ = g.Renew(ctx, iss.Token(session))
	h.want(t, "judged accepted", "refused insufficient-scope")
	_ = g.Renew(ctx, iss.Token())
	h.want(t, "judged accepted", "ended other-session")
}

func TestWhatARuleRefusesIsCounted(t *testing.T) {
	iss := authtest.New(t)
	g, h := counted(t, iss)
	for said, rule := range map[string]func(http.Handler) http.Handler{
		"insufficient-scope": g.RequireScope("pay"),
		"insufficient-role":  g.RequireRole("admin"),
		"refresh-needed":     g.RequireFresh(-time.Second),
		"login-needed":       g.RequireRecentLogin(-time.Second),
	} {
		ask(rule(whoami), bearer(iss.Token()))
		h.want(t, "judged accepted", "refused "+said)
	}
}

func TestTheEndOfASessionUnderARequestIsCounted(t *testing.T) {
	iss := authtest.New(t)
	g, h := counted(t, iss)
	for _, c := range []struct {
		said string
		end  func(token string)
	}{
		{"revoked", iss.Revoke},
		{"key-revoked", func(string) { iss.RevokeKey() }},
		{"refresh-needed", func(string) { iss.RevokeClaims("ann") }},
	} {
		token := iss.Token()
		ask(g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			c.end(token)
			<-r.Context().Done()
		})), bearer(token))
		h.want(t, "judged accepted", "ended "+c.said)
	}
}

func TestMetricsWatchTheGuardUntilItIsClosed(t *testing.T) {
	iss := authtest.New(t)
	g, h := counted(t, iss)
	if s := h.status(); !s.Ready || s.Position != g.Status().Position {
		t.Errorf("status %+v", s)
	}
	g.Close()
	if h.status != nil {
		t.Error("a closed guard is watched")
	}
}

// An outcome is what the client is told, and told apart further where that is
// one single answer for every bad token.
func TestAnOutcomeIsNamedAsTheAnswer(t *testing.T) {
	iss := authtest.New(t)
	g, h := counted(t, iss)
	finer := []string{"expired", "revoked", "key-revoked", "other-session"}
	for _, err := range []error{
		middleware.ErrNoCredential, middleware.ErrMalformed, middleware.ErrManyCredentials, middleware.ErrCrossOrigin, middleware.ErrInvalidToken,
		middleware.ErrExpired, middleware.ErrRevoked, middleware.ErrKeyRevoked, middleware.ErrOtherSession, middleware.ErrRefreshNeeded,
		middleware.ErrLoginNeeded, middleware.ErrInsufficientScope, middleware.ErrInsufficientRole, middleware.ErrUnavailable, errors.New("another"),
	} {
		_, _, _ = g.Enter(t.Context(), "", []string{"Bearer " + iss.Token()}, func(*middleware.Session) error { return err })
		said := h.all()[1][len("refused "):]
		w := httptest.NewRecorder()
		g.Refuse(w, request(), err)
		var answer struct{ Code string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if said != answer.Code && (answer.Code != "invalid-token" || !slices.Contains(finer, said)) {
			t.Errorf("%v is counted as %s and answered %s", err, said, answer.Code)
		}
	}
	names := map[string]bool{}
	for n, o := range middleware.Outcomes() {
		if int(o) != n || o.String() == "" || names[o.String()] {
			t.Errorf("outcome %d is %d %q", n, o, o)
		}
		names[o.String()] = true
	}
	if len(names) != 14 {
		t.Errorf("there are %d outcomes", len(names))
	}
}
