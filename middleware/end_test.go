package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// takeOver serves a request whose handler gives end to OnEnd and returns.
func takeOver(g *Guard, token string, end func(error)) (ctx context.Context, done func()) {
	g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx, done = r.Context(), OnEnd(r.Context(), end)
	})).ServeHTTP(httptest.NewRecorder(), bearerRequest(token))
	return ctx, done
}

// ends runs a test about a connection that its handler has taken over and
// left behind.
func ends(t *testing.T, test func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, o *outcome)) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocalTrust(t)
		g := localGuard(t, l, nil)
		c := l.claims()
		o := &outcome{began: time.Now()}
		o.ctx, o.done = takeOver(g, l.tokenOf(t, c, nil), o.end)
		if o.ctx.Err() == nil || g.Status().Requests != 1 {
			t.Fatalf("context %v, %d requests, after the handler", o.ctx.Err(), g.Status().Requests)
		}
		test(t, l, g, c, o)
		synctest.Wait()
		if n := g.live.len(); n != 0 || len(g.live.heads) != 0 {
			t.Errorf("%d visits and %d lists are left", n, len(g.live.heads))
		}
	})
}

// outcome is what became of a connection.
type outcome struct {
	ctx    context.Context
	done   func()
	began  time.Time
	causes []error
	after  time.Duration
}

func (o *outcome) end(cause error) {
	o.causes, o.after = append(o.causes, cause), time.Since(o.began)
}

func (o *outcome) want(t *testing.T, after time.Duration, cause error) {
	t.Helper()
	synctest.Wait()
	if len(o.causes) != 1 || !errors.Is(o.causes[0], cause) || o.after != after {
		t.Errorf("closed with %v after %v, want %v after %v", o.causes, o.after, cause, after)
	}
}

func revoke(l *localTrust, c *tokens.Claims) {
	l.apply(revocation.SessionEntry(c.SessionID, time.Now(), time.Now().Add(time.Hour)))
}

func TestAConnectionThatOutlivesItsHandlerEndsWithItsSession(t *testing.T) {
	ends(t, func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, o *outcome) {
		time.Sleep(time.Second)
		revoke(l, c)
		o.want(t, time.Second, ErrRevoked)
		o.done() // late, and harmless
		time.Sleep(time.Hour)
		o.want(t, time.Second, ErrRevoked)
	})
}

func TestAConnectionThatOutlivesItsHandlerEndsWithItsToken(t *testing.T) {
	ends(t, func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, o *outcome) {
		time.Sleep(time.Hour)
		o.want(t, testLife+DefaultClockSkew, ErrExpired)
	})
}

func TestAConnectionThatOutlivesItsHandlerIsRenewed(t *testing.T) {
	ends(t, func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, o *outcome) {
		time.Sleep(time.Minute)
		if err := g.Renew(o.ctx, l.tokenOf(t, c, nil)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		o.want(t, time.Minute+testLife+DefaultClockSkew, ErrExpired)
	})
}

func TestAConnectionThatIsDoneIsLetGo(t *testing.T) {
	ends(t, func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, o *outcome) {
		o.done()
		o.done()
		revoke(l, c)
		synctest.Wait()
		if len(o.causes) != 0 {
			t.Errorf("closed with %v", o.causes)
		}
		if err := g.Renew(o.ctx, l.tokenOf(t, c, func(c *tokens.Claims) { c.SessionID = tokens.NewID() })); !errors.Is(err, context.Canceled) {
			t.Errorf("renewing what is over: %v", err)
		}
		OnEnd(o.ctx, o.end) // after all is over nobody watches: it must not seem so
		o.want(t, 0, context.Canceled)
	})
}

func TestOnEndWhileTheHandlerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocalTrust(t)
		g := localGuard(t, l, nil)
		c := l.claims()
		var before, after outcome
		before.began, after.began = time.Now(), time.Now()
		g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			OnEnd(r.Context(), before.end)
			revoke(l, c)
			<-r.Context().Done()
			OnEnd(r.Context(), after.end)
		})).ServeHTTP(httptest.NewRecorder(), bearerRequest(l.tokenOf(t, c, nil)))
		before.want(t, 0, ErrRevoked)
		after.want(t, 0, ErrRevoked)
		if n := g.live.len(); n != 0 {
			t.Errorf("%d visits are left", n)
		}
	})
}

func TestOnEndWithoutASessionDoesNothing(t *testing.T) {
	OnEnd(t.Context(), func(error) { t.Error("called") })()
}

func TestCloseCodes(t *testing.T) {
	for _, c := range []struct {
		cause error
		code  int
	}{
		{ErrRevoked, 4401}, {ErrKeyRevoked, 4401}, {ErrExpired, 4401}, {ErrOtherSession, 4401},
		{ErrInvalidToken, 4401}, {ErrNoCredential, 4401},
		{&scopeError{[]string{"read"}}, 4403}, {ErrInsufficientRole, 4403}, {&loginError{time.Minute}, 4401},
		{ErrRefreshNeeded, 4408},
		{ErrUnavailable, 1013},
		{context.Canceled, 1001}, {errors.New("the service stops"), 1001}, {nil, 1001},
		{fmt.Errorf("closing: %w", ErrRevoked), 4401},
	} {
		if got := CloseCode(c.cause); got != c.code {
			t.Errorf("%v closes with %d, want %d", c.cause, got, c.code)
		}
	}
}
