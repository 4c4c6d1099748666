package authsvc_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/middleware"
)

// follower starts a real guard that follows the real service.
func (w *world) follower() *middleware.Guard {
	w.t.Helper()
	return w.followerFrom("")
}

// followerFrom starts one with a snapshot file.
func (w *world) followerFrom(snapshot string) *middleware.Guard {
	w.t.Helper()
	g, err := middleware.New(w.t.Context(), middleware.Config{
		Issuer: w.issuer, Audience: "orders",
		Client:   middleware.Client{ID: "orders", Secret: w.secret},
		Snapshot: snapshot,
		Logger:   slog.New(slog.DiscardHandler),
	})
	must(w.t, err)
	w.t.Cleanup(g.Close)
	w.eventually("the guard is ready", g.Ready)
	return g
}

func with(o option) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	o(r)
	return r
}

func TestAGuardFollowsTheService(t *testing.T) {
	w := newWorld(t)
	g := w.follower()
	in, jar := w.login(), w.loginCookie()
	for name, tc := range map[string]struct {
		show option
		end  func()
	}{
		"token":  {withBearer(in.str(t, "access_token")), func() { w.post("/v1/logout", "", withBearer(in.str(t, "access_token"))).want(t, 204, "") }},
		"cookie": {withCookies(jar.cookie(t, "__Host-session")), func() { w.post("/v1/logout", "", withCookies(jar.cookies...)).want(t, 204, "") }},
	} {
		t.Run(name, func(t *testing.T) {
			if s, err := g.Check(with(tc.show)); err != nil || s.Subject != "u-ann" {
				t.Fatalf("%v %v", s, err)
			}
			ended := make(chan error, 1)
			inside := make(chan struct{})
			go g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				close(inside)
				select {
				case <-r.Context().Done():
					ended <- context.Cause(r.Context())
				case <-time.After(5 * time.Second):
					ended <- errors.New("not ended in 5 s")
				}
			})).ServeHTTP(httptest.NewRecorder(), with(tc.show))
			<-inside
			began := time.Now()
			tc.end()
			if err := <-ended; !errors.Is(err, middleware.ErrRevoked) {
				t.Errorf("the request's context ended with %v", err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("the guard knew only after %v", took)
			}
			if _, err := g.Check(with(tc.show)); !errors.Is(err, middleware.ErrRevoked) {
				t.Errorf("after the logout: %v", err)
			}
		})
	}
}

func TestAGuardLivesThroughARotation(t *testing.T) {
	w := newWorld(t)
	g := w.follower()
	for _, p := range []keys.Purpose{keys.AccessToken, keys.SessionCookie, keys.Feed} {
		ring, err := w.ring.Rotate(p, w.ring.Plan(), time.Now())
		must(t, err)
		w.ring = ring
		w.svc.SetRing(ring)
		for range 5 {
			in, jar := w.login(), w.loginCookie()
			for _, show := range []option{withBearer(in.str(t, "access_token")), withCookies(jar.cookie(t, "__Host-session"))} {
				if _, err := g.Check(with(show)); err != nil {
					t.Fatalf("after rotating %s: %v", p, err)
				}
			}
		}
	}
	sid := w.login()
	w.post("/v1/logout", "", withBearer(sid.str(t, "access_token"))).want(t, 204, "")
	w.eventually("a revocation signed with the new feed key arrives", func() bool {
		_, err := g.Check(with(withBearer(sid.str(t, "access_token"))))
		return errors.Is(err, middleware.ErrRevoked)
	})
}

func TestAGuardOutlivesTheService(t *testing.T) {
	w := newWorld(t)
	g := w.follower()
	token := with(withBearer(w.login().str(t, "access_token")))
	w.stop()
	if _, err := g.Check(token); err != nil {
		t.Errorf("without the service: %v", err)
	}
}

func TestAGuardStartsWithoutTheService(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "orders.snapshot")
	g := w.followerFrom(file)
	ended, goesOn, jar := w.login().str(t, "access_token"), w.login().str(t, "access_token"), w.loginCookie()
	w.post("/v1/logout", "", withBearer(ended)).want(t, 204, "")
	w.eventually("the logout has come", func() bool {
		_, err := g.Check(with(withBearer(ended)))
		return errors.Is(err, middleware.ErrRevoked)
	})
	position := g.Status().Position
	g.Close()
	w.followerFrom(file).Close() // resumes where the first one ended
	w.stop()

	g = w.followerFrom(file)
	if s := g.Status(); s.Position < position || s.Revocations != 1 || s.Live {
		t.Errorf("status %+v, want a position of %s or later", s, position)
	}
	for _, show := range []option{withBearer(goesOn), withCookies(jar.cookie(t, "__Host-session"))} {
		if s, err := g.Check(with(show)); err != nil || s.Subject != "u-ann" {
			t.Errorf("%v %v", s, err)
		}
	}
	if _, err := g.Check(with(withBearer(ended))); !errors.Is(err, middleware.ErrRevoked) {
		t.Errorf("the session that had ended: %v", err)
	}
}
