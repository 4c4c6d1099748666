package middleware_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/tokens"
)

// stream is a handler that runs until its context ends.
type stream struct {
	entered chan struct{}
	cause   chan error
}

func newStream() *stream {
	return &stream{entered: make(chan struct{}, 16), cause: make(chan error, 16)}
}

func (s *stream) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	s.entered <- struct{}{}
	<-r.Context().Done()
	s.cause <- context.Cause(r.Context())
}

// open sends a request to a stream and returns when the handler runs.
func (s *stream) open(t *testing.T, h http.Handler, credential func(*http.Request)) (cancel func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go h.ServeHTTP(httptest.NewRecorder(), request(credential).WithContext(ctx))
	select {
	case <-s.entered:
	case <-time.After(patience):
		t.Fatal("the handler was not reached")
	}
	return cancel
}

func (s *stream) wantCause(t *testing.T, want error) {
	t.Helper()
	select {
	case got := <-s.cause:
		if !errors.Is(got, want) {
			t.Fatalf("the context ended with %v, want %v", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("the context did not end; want %v", want)
	}
}

func TestAContextEndsWithItsSession(t *testing.T) {
	for name, c := range map[string]struct {
		revoke func(iss *authtest.Issuer, token string)
		cause  error
	}{
		"session revoked": {(*authtest.Issuer).Revoke, middleware.ErrRevoked},
		"token revoked":   {(*authtest.Issuer).RevokeToken, middleware.ErrRevoked},
		"subject revoked": {func(i *authtest.Issuer, _ string) { i.RevokeSubject("ann") }, middleware.ErrRevoked},
		"all revoked":     {func(i *authtest.Issuer, _ string) { i.RevokeAll() }, middleware.ErrRevoked},
		"key revoked":     {func(i *authtest.Issuer, _ string) { i.RevokeKey() }, middleware.ErrKeyRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			iss := authtest.New(t)
			g := readyGuard(t, iss)
			s, token := newStream(), iss.Token()
			s.open(t, g.Handler(s), bearer(token))
			began := time.Now()
			c.revoke(iss, token)
			s.wantCause(t, c.cause)
			if d := time.Since(began); d > time.Second {
				t.Errorf("the context ended after %v", d)
			}
			wantRefused(t, ask(g.Handler(whoami), bearer(token)), http.StatusUnauthorized, "invalid-token", challengeInvalid)
			eventually(t, "nothing is served any more", func() bool { return g.Status().Requests == 0 })
		})
	}
}

// Roles have changed: the token is refused in a way that a refresh cures, and
// the one that the refresh gives is served.
func TestAStaleTokenNeedsARefreshAndItsSessionGoesOn(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	sid := authtest.SessionID(tokens.NewID())
	s, token := newStream(), iss.Token(sid)
	s.open(t, g.Handler(s), bearer(token))
	s.open(t, g.Handler(s), cookie(iss.SealedCookie(token, nil)))
	iss.RevokeClaims("ann")
	for range 2 {
		s.wantCause(t, middleware.ErrRefreshNeeded)
	}
	for _, credential := range []func(*http.Request){bearer(token), cookie(iss.SealedCookie(token, nil))} {
		wantRefused(t, ask(g.Handler(whoami), credential), http.StatusUnauthorized, "refresh-needed", challengeRefresh)
	}
	renewed := iss.Token(sid, func(c *tokens.Claims) { c.IssuedAt = c.IssuedAt.Add(2 * time.Second) })
	wantServed(t, ask(g.Handler(whoami), bearer(renewed)), "ann")
	wantServed(t, ask(g.Handler(whoami), bearer(iss.Token(authtest.Subject("bob")))), "bob")
	iss.Revoke(token)
	eventually(t, "the end of the session has come", func() bool {
		return ask(g.Handler(whoami), bearer(renewed)).StatusCode == http.StatusUnauthorized
	})
	wantRefused(t, ask(g.Handler(whoami), bearer(token)), http.StatusUnauthorized, "invalid-token", challengeInvalid)
}

func TestACookieSessionEndsLikeABearer(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	s, token := newStream(), iss.Token()
	s.open(t, g.Handler(s), cookie(iss.SealedCookie(token, nil)))
	iss.Revoke(token)
	s.wantCause(t, middleware.ErrRevoked)
}

func TestARevocationEndsNobodyElse(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	s := newStream()
	revoked, other := iss.Token(), iss.Token()
	hangUp := s.open(t, g.Handler(s), bearer(other))
	s.open(t, g.Handler(s), bearer(revoked))
	iss.Revoke(revoked)
	s.wantCause(t, middleware.ErrRevoked)
	if n := g.Status().Requests; n > 2 || len(s.cause) > 0 {
		t.Fatalf("another session's request ended too")
	}
	wantServed(t, ask(g.Handler(whoami), bearer(other)), "ann")
	hangUp()
	s.wantCause(t, context.Canceled)
}

func TestALaterLoginOfARevokedSubjectIsServed(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	before := iss.Token()
	iss.RevokeSubject("ann")
	eventually(t, "the revocation has come", func() bool {
		return ask(g.Handler(whoami), bearer(before)).StatusCode == http.StatusUnauthorized
	})
	after := iss.Token(func(c *tokens.Claims) { c.AuthTime = c.AuthTime.Add(2 * time.Second) })
	wantServed(t, ask(g.Handler(whoami), bearer(after)), "ann")
}

func TestAServedRequestLeavesNothingBehind(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	var ctx context.Context
	h := g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx = r.Context()
		if n := g.Status().Requests; n != 1 {
			t.Errorf("%d requests while one is served", n)
		}
	}))
	ask(h, bearer(iss.Token()))
	if n := g.Status().Requests; n != 0 {
		t.Errorf("%d requests after the last", n)
	}
	if !errors.Is(context.Cause(ctx), context.Canceled) {
		t.Errorf("the context of a served request ended with %v", context.Cause(ctx))
	}
}

func TestAPanickingHandlerLeavesNothingBehind(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	h := g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	func() {
		defer func() { _ = recover() }()
		ask(h, bearer(iss.Token()))
	}()
	if n := g.Status().Requests; n != 0 {
		t.Errorf("%d requests after the last", n)
	}
}

// Whatever stands before a handler, what the server gave is what it gets: Flush,
// Hijack and http.ResponseController do what they do without a guard.
func TestTheResponseWriterIsPassedOnAsItIs(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	for name, guarded := range map[string]func(http.Handler) http.Handler{
		"Handler":            g.Handler,
		"Optional":           g.Optional,
		"RequireScope":       g.RequireScope("a"),
		"RequireRole":        g.RequireRole("b"),
		"RequireFresh":       g.RequireFresh(time.Minute),
		"RequireRecentLogin": g.RequireRecentLogin(time.Minute),
		"PassOn":             g.PassOn,
		"one in another":     func(h http.Handler) http.Handler { return g.Handler(g.RequireScope("a")(h)) },
	} {
		w, served := httptest.NewRecorder(), false
		guarded(http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
			if served = true; got != http.ResponseWriter(w) {
				t.Errorf("%s: the handler got a %T", name, got)
			}
		})).ServeHTTP(w, request(bearer(iss.Token(authtest.Scope("a"), authtest.Roles("b")))))
		if !served {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestAStreamOverARealConnectionEndsByItself(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	srv := httptest.NewServer(g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})))
	defer srv.Close()
	req, err := http.NewRequest(http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	token := iss.Token()
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, len("hello"))); err != nil {
		t.Fatal(err)
	}
	iss.Revoke(token)
	done := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, resp.Body); done <- err }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("the stream goes on")
	}
}
