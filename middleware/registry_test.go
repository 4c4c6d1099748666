package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Every request that is let in while its session is being revoked must either
// be refused or have its context ended: nothing may slip through between the
// look into the list and the registration.
func TestNoRequestSlipsThroughWhileItsSessionIsRevoked(t *testing.T) {
	l := newLocalTrust(t)
	g := localGuard(t, l, nil)
	const sessions = 200
	var done sync.WaitGroup
	for range sessions {
		c := l.claims()
		s := newSession(c, "", nil, 0)
		for range 2 {
			done.Go(func() {
				v := visitOf(t.Context(), g, s)
				defer v.done()
				select {
				case <-v.Done():
				case <-time.After(10 * time.Second):
					t.Error("a revoked session is still served")
				}
			})
		}
		done.Go(func() {
			l.apply(revocation.SessionEntry(c.SessionID, time.Now(), time.Now().Add(time.Hour)))
		})
	}
	done.Wait()
	if n := g.live.len(); n != 0 || len(g.live.heads) != 0 {
		t.Errorf("%d visits and %d lists are left", n, len(g.live.heads))
	}
}

// The look into the list after the registration has to find what came after the
// one before: however late a handler asks.
func TestARevocationBeforeAHandlerAsksIsFound(t *testing.T) {
	l := newLocalTrust(t)
	g := localGuard(t, l, nil)
	c := l.claims()
	g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		l.apply(revocation.SessionEntry(c.SessionID, time.Now(), time.Now().Add(time.Hour)))
		if n := g.live.len(); n != 0 {
			t.Errorf("%d visits are watched before anybody has asked", n)
		}
		if err := r.Context().Err(); err == nil || !errors.Is(context.Cause(r.Context()), ErrRevoked) {
			t.Errorf("%v, because of %v", err, context.Cause(r.Context()))
		}
	})).ServeHTTP(httptest.NewRecorder(), bearerRequest(l.tokenOf(t, c, nil)))
	if n := g.live.len() + g.nursery.len(); n != 0 || len(g.live.heads) != 0 {
		t.Errorf("%d visits and %d lists are left", n, len(g.live.heads))
	}
}

func TestTheRegistryEndsExactlyWhomTheListMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := revocation.NewList()
		reg := newRegistry(list)
		now := time.Now()
		ids := []tokens.ID{tokens.NewID(), tokens.NewID(), tokens.NewID()}
		name := rapid.SampledFrom([]string{"a", "b", "c"})
		id := rapid.SampledFrom(ids)
		drawSession := func(t *rapid.T) *Session {
			return newSession(&tokens.Claims{
				Issuer: testIssuer, Subject: name.Draw(t, "sub"), ClientID: name.Draw(t, "client"),
				Audience: []string{"x", name.Draw(t, "aud")}, ID: tokens.NewID(), SessionID: id.Draw(t, "sid"),
				KeyID: name.Draw(t, "kid"), IssuedAt: now, AuthTime: now, ExpiresAt: now.Add(time.Hour),
			}, "", nil, 0)
		}
		var all []*visit
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				v := &visit{guard: new(Guard), users: 1, timer: time.NewTimer(time.Hour), cancel: func(error) {}}
				v.session.Store(drawSession(t))
				if reg.revoked(v.session.Load().claims) == nil {
					reg.add(v)
					all = append(all, v)
				}
			},
			"renew": func(t *rapid.T) {
				if len(all) == 0 {
					t.Skip("nobody is there")
				}
				v := rapid.SampledFrom(all).Draw(t, "who")
				if s := drawSession(t); v.cause == nil && reg.revoked(s.claims) == nil {
					reg.move(v, s)
				}
			},
			"leave": func(t *rapid.T) {
				if len(all) == 0 {
					t.Skip("nobody is there")
				}
				n := rapid.IntRange(0, len(all)-1).Draw(t, "who")
				reg.remove(all[n])
				all = append(all[:n], all[n+1:]...)
			},
			"revoke": func(t *rapid.T) {
				before, end := now.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "before"))*time.Second), now.Add(time.Hour)
				e := rapid.SampledFrom([]revocation.Entry{
					revocation.SessionEntry(id.Draw(t, "sid"), before, end),
					revocation.SubjectEntry(testIssuer, name.Draw(t, "sub"), before, end),
					revocation.ClientEntry(testIssuer, name.Draw(t, "client"), before, end),
					revocation.AudienceEntry(testIssuer, name.Draw(t, "aud"), before, end),
					revocation.KeyEntry(testIssuer, name.Draw(t, "kid"), before, end),
				}).Draw(t, "entry")
				list.Apply(now, e)
				reg.apply([]revocation.Entry{e})
			},
			"": func(t *rapid.T) {
				if reg.len() != len(all) {
					t.Fatalf("%d visits, want %d", reg.len(), len(all))
				}
				for _, v := range all {
					if _, dead := list.Match(v.session.Load().claims); dead != (v.cause != nil) {
						t.Fatalf("matched: %v, ended: %v", dead, v.cause)
					}
				}
			},
		})
	})
}

func BenchmarkGuard(b *testing.B) {
	l := newLocalTrust(b)
	g := localGuard(b, l, nil)
	s, err := g.Check(bearerRequest(l.token(b)))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("check", func(b *testing.B) {
		r := bearerRequest(l.token(b))
		for b.Loop() {
			if _, err := g.Check(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, open := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("enter beside %d", open), func(b *testing.B) {
			for range open {
				v := visitOf(b.Context(), g, newSession(l.claims(), "", nil, 0))
				v.watch()
				defer v.done()
			}
			for b.Loop() {
				v := visitOf(b.Context(), g, s)
				v.watch()
				v.done()
			}
		})
	}
}
