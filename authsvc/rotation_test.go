package authsvc_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/tokens"
)

// rotationsUnderLoad is how many; SEALRING_FULL=1 asks for all.
func rotationsUnderLoad() int {
	if os.Getenv("SEALRING_FULL") != "" {
		return 1000
	}
	return 30
}

// tally counts what the load saw.
type tally struct {
	checks, logins, renewals, refused atomic.Int64
	survivors, probes                 atomic.Int64
}

func TestNoValidRequestIsRefusedWhileKeysRotateUnderLoad(t *testing.T) {
	f, seen := newFleet(t, 500*time.Millisecond), &tally{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	for _, r := range f.replicas {
		for _, mode := range []string{"token", "token", "cookie"} {
			load.Go(func() { f.client(ctx, seen, r, mode) })
		}
	}
	began := time.Now()
	n := rotationsUnderLoad()
	f.rotateTimes(&load, ctx, seen, n)
	took := time.Since(began)
	(&world{t: t}).eventually("keys have come to their end", func() bool { return seen.probes.Load() >= 9 })
	stop()
	load.Wait()
	t.Logf("%d rotations in %v: %d requests to guards, %d logins, %d refreshes, %d refused; %d times a retired key tried after its end, %d accepted",
		n, took.Round(time.Second), seen.checks.Load(), seen.logins.Load(), seen.renewals.Load(), seen.refused.Load(),
		seen.probes.Load(), seen.survivors.Load())
	if seen.probes.Load() == 0 || seen.renewals.Load() == 0 {
		t.Error("nothing was tried")
	}
}

// client logs in again and again, and uses what it gets at every guard. It
// refreshes long before it must, and always when it must.
func (f *fleet) client(ctx context.Context, seen *tally, r *replica, mode string) {
	const perSession = 8 // refreshes
	var h *holding
	for n := 0; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) { // the pace, nothing to wait for
		var status int
		var err error
		switch {
		case h == nil || n == perSession:
			n = 0
			h, status, err = f.login(r, mode)
			seen.logins.Add(1)
		case time.Since(h.got) > 300*time.Millisecond:
			n++
			h, status, err = f.renew(r, h)
			seen.renewals.Add(1)
		default:
			f.visit(seen, h)
			continue
		}
		if h == nil {
			seen.refused.Add(1)
			f.t.Errorf("%s: %s refused after %d refreshes: %d %v", time.Now().Format(time.TimeOnly), mode, n, status, err)
		}
	}
}

// visit shows a credential to every guard. An answer that came after its end
// says nothing.
func (f *fleet) visit(seen *tally, h *holding) {
	for i, g := range f.guards {
		err := admitted(g, h.show())
		if err != nil && time.Now().Before(h.fresh) {
			seen.refused.Add(1)
			f.t.Errorf("%s: guard %d refused: %v", time.Now().Format(time.TimeOnly), i, err)
		}
		seen.checks.Add(1)
	}
}

// admitted sends a request through a guard and returns why it was refused.
func admitted(g *middleware.Guard, r *http.Request) error {
	rec := httptest.NewRecorder()
	g.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(rec, r)
	if rec.Code != http.StatusNoContent {
		return errors.New(rec.Result().Status + " " + rec.Body.String())
	}
	return nil
}

// rotateTimes rotates as often and as early as the plan lets it. Each key of
// access tokens is tried once more when it is over.
func (f *fleet) rotateTimes(load *sync.WaitGroup, ctx context.Context, seen *tally, n int) {
	f.t.Helper()
	for done := 0; done < n; time.Sleep(20 * time.Millisecond) { // until the next may be due
		for _, p := range keys.Purposes() {
			if done == n {
				break
			}
			last, err := f.rings.Ring().Current(p, time.Now())
			must(f.t, err)
			ring, err := insisting(f.rings)(ctx, func(r *keys.Ring) (*keys.Ring, error) {
				return r.Rotate(p, keys.Plan{}, time.Now())
			})
			if errors.Is(err, keys.ErrRotationPending) {
				continue
			}
			must(f.t, err)
			done++
			if p == keys.AccessToken {
				load.Go(func() { f.outlive(ctx, seen, last, ring) })
			}
		}
	}
}

// outlive makes a token that lives longer than the key that signs it, and
// shows it to every guard before the key's end, and after it. A verifier's
// copy of the key set may be as old as the plan says.
func (f *fleet) outlive(ctx context.Context, seen *tally, k keys.Key, ring *keys.Ring) {
	var end time.Time
	for _, now := range ring.Keys() {
		if now.ID == k.ID {
			end = now.VerifyUntil
		}
	}
	token := f.longLived(k)
	if time.Until(end) > time.Second {
		for i, g := range f.guards {
			if err := admitted(g, with(withBearer(token))); err != nil {
				seen.refused.Add(1)
				f.t.Errorf("guard %d refused a key that has not ended: %v", i, err)
			}
		}
	}
	const late = time.Second // of the one that hears late, and of a busy machine
	select {
	case <-ctx.Done():
		return
	case <-time.After(time.Until(end.Add(f.plan.JWKSMaxAge + f.plan.Skew + late))):
	}
	for i, g := range f.guards {
		seen.probes.Add(1)
		if admitted(g, with(withBearer(token))) == nil {
			seen.survivors.Add(1)
			f.t.Errorf("guard %d accepts a key %v after its end", i, time.Since(end))
		}
	}
}

func (f *fleet) longLived(k keys.Key) string {
	now := time.Now().Truncate(time.Second)
	token, err := tokens.Sign(&tokens.Claims{Issuer: fleetIssuer, Subject: "u-ann", Audience: []string{"orders"}, IssuedAt: now,
		ExpiresAt: now.Add(time.Hour), ID: tokens.NewID(), SessionID: tokens.NewID(), ClientID: "login", AuthTime: now}, k)
	if err != nil {
		f.t.Errorf("signing: %v", err)
	}
	return token
}

func TestARevokedKeyIsDeadAtEveryVerifierWithinASecond(t *testing.T) {
	f := newFleet(t, 0)
	k, err := f.rings.Ring().Current(keys.AccessToken, time.Now())
	must(t, err)
	token := f.longLived(k)
	ends := make(chan error, len(f.guards))
	for _, g := range f.guards {
		must(t, admitted(g, with(withBearer(token))))
		inside := make(chan struct{})
		go g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(inside)
			<-r.Context().Done()
			ends <- context.Cause(r.Context())
		})).ServeHTTP(httptest.NewRecorder(), with(withBearer(token)).WithContext(t.Context()))
		<-inside
	}
	began := time.Now()
	_, err = insisting(f.rings)(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Revoke(k.ID, "stolen", time.Now()) })
	must(t, err)
	for range f.guards {
		select {
		case err := <-ends:
			if !errors.Is(err, middleware.ErrKeyRevoked) {
				t.Errorf("a running request ended with %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("a running request goes on for 5 s")
		}
	}
	for i, g := range f.guards {
		if admitted(g, with(withBearer(token))) == nil {
			t.Errorf("guard %d accepts a token of the revoked key", i)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("only after %v", took)
	}
	for _, r := range f.replicas {
		h, status, err := f.login(r, "token")
		if h == nil {
			t.Fatalf("login: %d %v", status, err)
		}
		for i, g := range f.guards {
			if err := admitted(g, h.show()); err != nil {
				t.Errorf("guard %d refused a new login: %v", i, err)
			}
		}
	}
}
