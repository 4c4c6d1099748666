package middleware

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// localTrust is a Trust in the test's hands, as the auth service's own is.
type localTrust struct {
	ring      *keys.Ring
	list      *revocation.List
	asOf      atomic.Pointer[time.Time]
	refreshes atomic.Int32
	fault     error        // what Key answers instead of a key
	without   keys.Purpose // it has no keys for
	other     bool         // Key answers with another key

	mu    sync.Mutex
	tells func([]revocation.Entry)
}

func newLocalTrust(t testing.TB) *localTrust {
	t.Helper()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &localTrust{ring: ring, list: revocation.NewList()}
}

func (l *localTrust) Key(kid string, p keys.Purpose, now time.Time) (keys.Key, error) {
	if l.fault != nil {
		return keys.Key{}, l.fault
	}
	if p == l.without {
		return keys.Key{}, keys.ErrUnknownKey
	}
	if l.other {
		return l.ring.Current(keys.Feed, now)
	}
	return l.ring.Key(kid, p, now)
}

func (l *localTrust) Revocations() *revocation.List { return l.list }
func (l *localTrust) Ready() bool                   { return true }
func (l *localTrust) Refresh()                      { l.refreshes.Add(1) }

func (l *localTrust) AsOf() time.Time {
	if t := l.asOf.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

func (l *localTrust) setAsOf(t time.Time) { l.asOf.Store(&t) }

func (l *localTrust) Subscribe(f func([]revocation.Entry)) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tells = f
	return func() { l.mu.Lock(); defer l.mu.Unlock(); l.tells = func([]revocation.Entry) {} }
}

func (l *localTrust) apply(entries ...revocation.Entry) {
	l.list.Apply(time.Now(), entries...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tells(entries)
}

const (
	testIssuer = "https://auth.example.com"
	testLife   = 5 * time.Minute
)

func (l *localTrust) claims() *tokens.Claims {
	now := time.Now().UTC().Truncate(time.Second)
	return &tokens.Claims{
		Issuer: testIssuer, Subject: "ann", Audience: []string{"orders"}, ExpiresAt: now.Add(testLife), IssuedAt: now,
		ID: tokens.NewID(), SessionID: tokens.NewID(), ClientID: "login", AuthTime: now,
	}
}

func (l *localTrust) token(t testing.TB) string {
	t.Helper()
	k, err := l.ring.Current(keys.AccessToken, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tokens.Sign(l.claims(), k)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// newSession is the session of those claims.
func newSession(c *tokens.Claims, token string, data []byte, lag time.Duration) *Session {
	s := new(ownSession)
	s.fill(c, "", token, data, lag)
	if !c.SessionID.IsZero() {
		s.ID = c.SessionID.String()
	}
	return &s.Session
}

// visitOf is the visit of a request with that session, which is not watched yet.
func visitOf(ctx context.Context, g *Guard, s *Session) *visit {
	v := new(visit)
	v.session.Store(s)
	v.enter(ctx, g, "GET", "/", time.Now())
	return v
}

func localGuard(t testing.TB, trust Trust, change func(*Config)) *Guard {
	t.Helper()
	cfg := Config{Issuer: testIssuer, Audience: "orders", Trust: trust, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	g, err := New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func bearerRequest(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// serveUntilEnd serves one request until its context ends, and returns when
// and why that was.
func serveUntilEnd(g *Guard, token string) (after time.Duration, cause error) {
	began := time.Now()
	g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		cause = context.Cause(r.Context())
	})).ServeHTTP(httptest.NewRecorder(), bearerRequest(token))
	return time.Since(began), cause
}

func TestAContextEndsWhenItsTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocalTrust(t)
		g := localGuard(t, l, nil)
		after, cause := serveUntilEnd(g, l.token(t))
		if want := testLife + DefaultClockSkew; after != want || !errors.Is(cause, ErrExpired) {
			t.Errorf("ended after %v with %v, want %v and expired", after, cause, want)
		}
	})
}

func TestATokenIsAcceptedUpToItsEndAndTheLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocalTrust(t)
		g := localGuard(t, l, func(c *Config) { c.ClockSkew = 10 * time.Second })
		r := bearerRequest(l.token(t))
		time.Sleep(testLife + 9*time.Second)
		if _, err := g.Check(r); err != nil {
			t.Errorf("within the leeway: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := g.Check(r); !errors.Is(err, ErrExpired) || !errors.Is(err, ErrInvalidToken) {
			t.Errorf("after it: %v", err)
		}
	})
}

func TestMaxStaleBoundsTheYoungerOfTokenAndList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocalTrust(t)
		g := localGuard(t, l, func(c *Config) { c.MaxStale = time.Minute })
		r := bearerRequest(l.token(t))
		time.Sleep(47 * time.Second) // less than MaxStale less a fifth
		if _, err := g.Check(r); err != nil {
			t.Errorf("a young token without any list: %v", err)
		}
		time.Sleep(14 * time.Second)
		if _, err := g.Check(r); !errors.Is(err, ErrRefreshNeeded) {
			t.Errorf("an old token without any list: %v", err)
		}
		l.setAsOf(time.Now())
		if _, err := g.Check(r); err != nil {
			t.Errorf("an old token under a young list: %v", err)
		}
		time.Sleep(61 * time.Second)
		if _, err := g.Check(r); !errors.Is(err, ErrRefreshNeeded) {
			t.Errorf("an old token under an old list: %v", err)
		}
		if _, err := g.Check(bearerRequest(l.token(t))); err != nil {
			t.Errorf("a new token under an old list: %v", err)
		}
	})
}

func TestMaxStaleZeroGoesOnUntilTheTokenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocalTrust(t)
		l.setAsOf(time.Now())
		g := localGuard(t, l, nil)
		r := bearerRequest(l.token(t))
		time.Sleep(testLife)
		s, err := g.Check(r)
		if err != nil || s.Lag != testLife {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

func TestStaleRefusalsAreSpreadOverTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocalTrust(t)
		g := localGuard(t, l, func(c *Config) { c.MaxStale = 100 * time.Second })
		var first, last tokens.Claims
		last.ID[0] = 255
		if g.patience(&first) != 100*time.Second {
			t.Errorf("patience %v is not MaxStale", g.patience(&first))
		}
		if p := g.patience(&last); p < 80*time.Second || p > 81*time.Second {
			t.Errorf("patience %v is not MaxStale less a fifth", p)
		}
	})
}

func TestAStreamEndsWhenTokenAndListAreTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocalTrust(t)
		g := localGuard(t, l, func(c *Config) { c.MaxStale = time.Minute })
		l.setAsOf(time.Now().Add(100 * time.Second)) // the list stays young for that long, then stands still
		after, cause := serveUntilEnd(g, l.token(t))
		if !errors.Is(cause, ErrRefreshNeeded) || after < 148*time.Second || after > 160*time.Second {
			t.Errorf("ended after %v with %v", after, cause)
		}
	})
}

func TestAnUnknownKeyAsksForARefreshAndAnythingElseDoesNot(t *testing.T) {
	l, other := newLocalTrust(t), newLocalTrust(t)
	g := localGuard(t, l, nil)
	for _, raw := range []string{l.token(t), "garbage", l.token(t) + "A"} {
		_, _ = g.Check(bearerRequest(raw))
	}
	if n := l.refreshes.Load(); n != 0 {
		t.Errorf("%d refreshes without an unknown key", n)
	}
	if _, err := g.Check(bearerRequest(other.token(t))); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("another issuer's token: %v", err)
	}
	if n := l.refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes for one unknown key", n)
	}
}

func TestAnInfrastructureFaultIsNeverTheCallersFault(t *testing.T) {
	l := newLocalTrust(t)
	raw := l.token(t)
	l.fault = keys.ErrUnavailable
	_, err := localGuard(t, l, nil).Check(bearerRequest(raw))
	if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrInvalidToken) {
		t.Errorf("without keys: %v", err)
	}
	l.fault = keys.ErrRevokedKey
	if _, err := localGuard(t, l, nil).Check(bearerRequest(raw)); !errors.Is(err, ErrKeyRevoked) {
		t.Errorf("with a revoked key: %v", err)
	}
}
