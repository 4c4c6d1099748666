package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// served is a request that is being served in a bubble.
type served struct {
	ctx   context.Context
	began time.Time
}

// serveStream serves one request until its session ends.
func serveStream(h func(http.Handler) http.Handler, token string) *served {
	s := &served{began: time.Now()}
	go h(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.ctx = r.Context()
		<-r.Context().Done()
	})).ServeHTTP(httptest.NewRecorder(), bearerRequest(token))
	synctest.Wait()
	return s
}

// wantEnd waits for the end of the stream and demands when and why it came.
func (s *served) wantEnd(t *testing.T, after time.Duration, cause error) {
	t.Helper()
	<-s.ctx.Done()
	if d, got := time.Since(s.began), context.Cause(s.ctx); d != after || !errors.Is(got, cause) {
		t.Errorf("ended after %v with %v, want %v and %v", d, got, after, cause)
	}
}

// tokenOf signs a token like c, issued now.
func (l *localTrust) tokenOf(t testing.TB, c *tokens.Claims, change func(*tokens.Claims)) string {
	t.Helper()
	fresh, now := *c, time.Now().UTC().Truncate(time.Second)
	fresh.ID, fresh.IssuedAt, fresh.ExpiresAt = tokens.NewID(), now, now.Add(testLife)
	if change != nil {
		change(&fresh)
	}
	k, err := l.ring.Current(keys.AccessToken, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tokens.Sign(&fresh, k)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// renewing runs a test about a stream that is one minute old.
func renewing(t *testing.T, change func(*Config), test func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, s *served)) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocalTrust(t)
		g := localGuard(t, l, change)
		c := l.claims()
		s := serveStream(g.Handler, l.tokenOf(t, c, nil))
		time.Sleep(time.Minute)
		test(t, l, g, c, s)
	})
}

func TestARenewedStreamOutlivesItsToken(t *testing.T) {
	renewing(t, nil, func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, s *served) {
		if err := g.Renew(s.ctx, l.tokenOf(t, c, nil)); err != nil {
			t.Fatal(err)
		}
		if now, _ := FromContext(s.ctx); time.Until(now.ExpiresAt) != testLife {
			t.Errorf("the context's session ends at %v", now.ExpiresAt)
		}
		s.wantEnd(t, time.Minute+testLife+DefaultClockSkew, ErrExpired)
	})
}

// Whatever is renewed and when, a stream lives exactly as long as its youngest
// token and the leeway.
func TestNoStreamOutlivesItsTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocalTrust(t)
		g := localGuard(t, l, nil)
		for seed := range uint64(100) {
			if fault := streamLife(t, l, g, rand.New(rand.NewPCG(seed, 0))); fault != "" {
				t.Errorf("seed %d: %s", seed, fault)
			}
		}
	})
}

// streamLife is the life of one stream; it returns what is wrong with it.
func streamLife(t *testing.T, l *localTrust, g *Guard, random *rand.Rand) string {
	c := l.claims()
	s := serveStream(g.Handler, l.tokenOf(t, c, nil))
	issued := time.Now().UTC().Truncate(time.Second)
	end := issued.Add(testLife)
	for range random.IntN(8) {
		time.Sleep(time.Duration(random.IntN(400)) * time.Second)
		synctest.Wait() // what ends in this very moment has ended
		life := time.Duration(1+random.IntN(600)) * time.Second
		err := g.Renew(s.ctx, l.tokenOf(t, c, func(c *tokens.Claims) { c.ExpiresAt = c.IssuedAt.Add(life) }))
		now := time.Now().UTC().Truncate(time.Second)
		switch {
		case !time.Now().Before(end.Add(DefaultClockSkew)):
			if err == nil || s.ctx.Err() == nil {
				return fmt.Sprintf("alive %v after its end", time.Since(end))
			}
			return ""
		case err != nil:
			return fmt.Sprintf("renewing: %v", err)
		case !now.Add(life).Before(end):
			end = now.Add(life)
		}
	}
	<-s.ctx.Done()
	if late, cause := time.Since(end.Add(DefaultClockSkew)), context.Cause(s.ctx); late != 0 || !errors.Is(cause, ErrExpired) {
		return fmt.Sprintf("ended %v late with %v", late, cause)
	}
	return ""
}

func TestAStreamMayBeRenewedWithinTheLeewayAfterItsEnd(t *testing.T) {
	renewing(t, nil, func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, s *served) {
		time.Sleep(testLife + DefaultClockSkew - time.Minute - time.Second)
		if err := g.Renew(s.ctx, l.tokenOf(t, c, nil)); err != nil {
			t.Fatal(err)
		}
		s.wantEnd(t, 2*(testLife+DefaultClockSkew)-time.Second, ErrExpired)
		if err := g.Renew(s.ctx, l.tokenOf(t, c, nil)); !errors.Is(err, ErrExpired) && !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestARenewedStreamEndsByRevocationOfTheNewToken(t *testing.T) {
	for name, entry := range map[string]func(old, fresh *tokens.Claims) revocation.Entry{
		"the session": func(old, _ *tokens.Claims) revocation.Entry {
			return revocation.SessionEntry(old.SessionID, time.Now(), time.Now().Add(time.Hour))
		},
		"the new token": func(_, fresh *tokens.Claims) revocation.Entry {
			return revocation.TokenEntry(fresh.ID, time.Now(), time.Now().Add(time.Hour))
		},
		"the subject": func(old, _ *tokens.Claims) revocation.Entry {
			return revocation.SubjectEntry(testIssuer, old.Subject, time.Now(), time.Now().Add(time.Hour))
		},
	} {
		t.Run(name, func(t *testing.T) {
			renewing(t, nil, func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, s *served) {
				var fresh tokens.Claims
				if err := g.Renew(s.ctx, l.tokenOf(t, c, func(f *tokens.Claims) { fresh.ID = f.ID })); err != nil {
					t.Fatal(err)
				}
				l.apply(entry(c, &fresh))
				s.wantEnd(t, time.Minute, ErrRevoked)
				synctest.Wait()
				if n := g.live.len(); n != 0 || len(g.live.heads) != 0 {
					t.Errorf("%d visits and %d lists are left", n, len(g.live.heads))
				}
			})
		})
	}
}

// Claims that have changed revoke the tokens that are out and not the session.
func TestARevocationOfTheOldTokenDoesNotEndARenewedStream(t *testing.T) {
	renewing(t, nil, func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, s *served) {
		before, _ := FromContext(s.ctx)
		if err := g.Renew(s.ctx, l.tokenOf(t, c, nil)); err != nil {
			t.Fatal(err)
		}
		l.apply(revocation.TokenEntry(before.claims.ID, time.Now(), time.Now().Add(time.Hour)))
		s.wantEnd(t, time.Minute+testLife+DefaultClockSkew, ErrExpired)
	})
}

func TestARefusedRenewalLeavesTheOldTokenInForce(t *testing.T) {
	for name, c := range map[string]struct {
		token func(t *testing.T, l *localTrust, c *tokens.Claims) string
		err   error
	}{
		"no token": {func(*testing.T, *localTrust, *tokens.Claims) string { return "" }, ErrNoCredential},
		"garbage":  {func(*testing.T, *localTrust, *tokens.Claims) string { return "garbage" }, ErrInvalidToken},
		"a token that is too long": {func(*testing.T, *localTrust, *tokens.Claims) string {
			return strings.Repeat("a", tokens.MaxTokenLen+1)
		}, ErrInvalidToken},
		"another issuer's key": {func(t *testing.T, _ *localTrust, c *tokens.Claims) string {
			return newLocalTrust(t).tokenOf(t, c, nil)
		}, ErrInvalidToken},
		"another audience": {func(t *testing.T, l *localTrust, c *tokens.Claims) string {
			return l.tokenOf(t, c, func(c *tokens.Claims) { c.Audience = []string{"payments"} })
		}, ErrInvalidToken},
		"an expired token": {func(t *testing.T, l *localTrust, c *tokens.Claims) string {
			return l.tokenOf(t, c, func(c *tokens.Claims) {
				c.IssuedAt = c.IssuedAt.Add(-time.Hour)
				c.AuthTime, c.ExpiresAt = c.IssuedAt, c.IssuedAt.Add(testLife)
			})
		}, ErrExpired},
		"a revoked token": {func(t *testing.T, l *localTrust, c *tokens.Claims) string {
			return l.tokenOf(t, c, func(c *tokens.Claims) {
				l.apply(revocation.TokenEntry(c.ID, time.Now(), time.Now().Add(time.Hour)))
			})
		}, ErrRevoked},
		"no keys": {func(t *testing.T, l *localTrust, c *tokens.Claims) string {
			raw := l.tokenOf(t, c, nil)
			l.fault = keys.ErrUnavailable
			return raw
		}, ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			renewing(t, nil, func(t *testing.T, l *localTrust, g *Guard, claims *tokens.Claims, s *served) {
				if err := g.Renew(s.ctx, c.token(t, l, claims)); !errors.Is(err, c.err) {
					t.Errorf("error %v, want %v", err, c.err)
				}
				s.wantEnd(t, testLife+DefaultClockSkew, ErrExpired)
			})
		})
	}
}

func TestATokenOfSomebodyElseEndsTheStream(t *testing.T) {
	for name, change := range map[string]func(*tokens.Claims){
		"another session":          func(c *tokens.Claims) { c.SessionID = tokens.NewID() },
		"another subject":          func(c *tokens.Claims) { c.Subject = "eve" },
		"a service's own, no user": func(c *tokens.Claims) { c.SessionID, c.AuthTime = tokens.ID{}, time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			renewing(t, nil, func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, s *served) {
				if err := g.Renew(s.ctx, l.tokenOf(t, c, change)); !errors.Is(err, ErrOtherSession) {
					t.Errorf("error %v", err)
				}
				s.wantEnd(t, time.Minute, ErrOtherSession)
			})
		})
	}
}

func TestAnOlderTokenChangesNothing(t *testing.T) {
	renewing(t, nil, func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, s *served) {
		older := l.tokenOf(t, c, func(c *tokens.Claims) {
			c.IssuedAt, c.ExpiresAt = c.IssuedAt.Add(-2*time.Minute), c.ExpiresAt.Add(-2*time.Minute)
			c.AuthTime = c.IssuedAt
		})
		if err := g.Renew(s.ctx, older); err != nil {
			t.Fatal(err)
		}
		s.wantEnd(t, testLife+DefaultClockSkew, ErrExpired)
	})
}

func TestARenewalIsJudgedByTheRulesThatTheStreamPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocalTrust(t)
		g := localGuard(t, l, nil)
		c := l.claims()
		c.Scope, c.Roles = []string{"read"}, []string{"clerk"}
		s := serveStream(func(h http.Handler) http.Handler {
			return g.Handler(g.RequireScope("read")(g.RequireRole("clerk")(h)))
		}, l.tokenOf(t, c, nil))
		for name, lacks := range map[error]func(*tokens.Claims){
			ErrInsufficientScope: func(c *tokens.Claims) { c.Scope = nil },
			ErrInsufficientRole:  func(c *tokens.Claims) { c.Roles = []string{"guest"} },
		} {
			if err := g.Renew(s.ctx, l.tokenOf(t, c, lacks)); !errors.Is(err, name) {
				t.Errorf("error %v, want %v", err, name)
			}
		}
		time.Sleep(time.Minute)
		if err := g.Renew(s.ctx, l.tokenOf(t, c, nil)); err != nil {
			t.Error(err)
		}
		s.wantEnd(t, time.Minute+testLife+DefaultClockSkew, ErrExpired)
	})
}

func TestARenewedStreamIsNotStaleByItsOldToken(t *testing.T) {
	stale := func(c *Config) { c.MaxStale = 3 * time.Minute }
	renewing(t, stale, func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, s *served) {
		if err := g.Renew(s.ctx, l.tokenOf(t, c, func(c *tokens.Claims) { c.ID[0] = 0 })); err != nil {
			t.Fatal(err)
		}
		s.wantEnd(t, 4*time.Minute, ErrRefreshNeeded)
	})
}

func TestOnlyTheGuardThatLetAStreamInRenewsIt(t *testing.T) {
	renewing(t, nil, func(t *testing.T, l *localTrust, g *Guard, c *tokens.Claims, s *served) {
		other := localGuard(t, newLocalTrust(t), nil)
		for name, renew := range map[string]func() error{
			"another guard":         func() error { return other.Renew(s.ctx, l.tokenOf(t, c, nil)) },
			"a context of no guard": func() error { return g.Renew(t.Context(), l.tokenOf(t, c, nil)) },
		} {
			if err := renew(); !errors.Is(err, ErrNoCredential) {
				t.Errorf("%s: %v", name, err)
			}
		}
		s.wantEnd(t, testLife+DefaultClockSkew, ErrExpired)
	})
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	out strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

func TestAHandlerThatIgnoresItsEndedContextIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged logBuffer
		l := newLocalTrust(t)
		g := localGuard(t, l, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&logged, nil)) })
		c := l.claims()
		raw := l.tokenOf(t, c, nil)
		var goOn []chan struct{}
		for _, path := range []string{"/obeys", "/ignores"} {
			stop := make(chan struct{})
			goOn = append(goOn, stop)
			r := bearerRequest(raw)
			r.URL.Path = path
			go g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop })).ServeHTTP(httptest.NewRecorder(), r)
		}
		synctest.Wait()
		l.apply(revocation.SessionEntry(c.SessionID, time.Now(), time.Now().Add(time.Hour)))
		time.Sleep(4 * time.Second)
		close(goOn[0])
		synctest.Wait()
		if out := logged.String(); out != "" {
			t.Errorf("after 4 s: %s", out)
		}
		time.Sleep(time.Minute)
		out := logged.String()
		if strings.Count(out, "a handler goes on") != 1 || !strings.Contains(out, "path=/ignores") || strings.Contains(out, raw) {
			t.Errorf("logged %q", out)
		}
		close(goOn[1])
	})
}
