package middleware_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
)

// lastRun returns the configuration of a guard that has run, heard of one
// revocation and ended, while its issuer is down now.
func lastRun(t *testing.T, iss *authtest.Issuer, revoked string) middleware.Config {
	t.Helper()
	cfg := configOf(iss)
	cfg.Snapshot = filepath.Join(t.TempDir(), "orders.snapshot")
	g := newGuard(t, cfg)
	eventually(t, "the guard is ready", g.Ready)
	iss.Revoke(revoked)
	eventually(t, "the revocation has come", func() bool { return g.Status().Revocations == 1 })
	g.Close()
	iss.Down()
	return cfg
}

func TestAGuardStartsFromItsFileWhileTheIssuerIsDown(t *testing.T) {
	iss := authtest.New(t)
	revoked := iss.Token()
	revokedCookie := iss.SealedCookie(revoked, nil)
	g := newGuard(t, lastRun(t, iss, revoked))
	h := g.Handler(whoami)
	if !g.Ready() {
		t.Fatal("not ready")
	}
	wantServed(t, ask(h, bearer(iss.Token())), "ann")
	wantServed(t, ask(h, cookie(iss.Cookie())), "ann")
	wantRefused(t, ask(h, bearer(revoked)), http.StatusUnauthorized, "invalid-token", challengeInvalid)
	wantRefused(t, ask(h, cookie(revokedCookie)), http.StatusUnauthorized, "invalid-token", challengeInvalid)
	eventually(t, "the status says why it is not live", func() bool {
		s := g.Status()
		return !s.Live && s.Fault != "" && s.Position != "" && s.Revocations == 1 && s.Lag < time.Hour && !s.KeysAt.IsZero()
	})

	iss.Up()
	later := iss.Token()
	iss.Revoke(later)
	eventually(t, "the next revocation comes too", func() bool {
		return ask(h, bearer(later)).StatusCode == http.StatusUnauthorized && g.Status().Live && g.Status().Fault == ""
	})
	wantRefused(t, ask(h, bearer(revoked)), http.StatusUnauthorized, "invalid-token", challengeInvalid)
}

func TestTheListOfAFileIsAsOldAsItIs(t *testing.T) {
	iss := authtest.New(t)
	g := newGuard(t, lastRun(t, iss, iss.Token()))
	h := g.RequireFresh(time.Second)(whoami)
	old := bearer(iss.Token(authtest.Issued(time.Now().Add(-time.Minute))))
	eventually(t, "the list is older than a second", func() bool { return g.Status().Lag > time.Second })
	wantRefused(t, ask(h, old), http.StatusUnauthorized, "refresh-needed", challengeRefresh)
	wantServed(t, ask(h, bearer(iss.Token(authtest.Issued(time.Now().Add(time.Second))))), "ann")
	wantServed(t, ask(g.Handler(whoami), old), "ann")
}

func TestAGuardWithADamagedFileStartsWithoutIt(t *testing.T) {
	iss := authtest.New(t)
	revoked := iss.Token()
	cfg := lastRun(t, iss, revoked)
	file, err := os.ReadFile(cfg.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	file[len(file)-1] ^= 1
	if err := os.WriteFile(cfg.Snapshot, file, 0o600); err != nil {
		t.Fatal(err)
	}
	g := newGuard(t, cfg)
	for _, token := range []string{revoked, iss.Token()} {
		wantRefused(t, ask(g.Handler(whoami), bearer(token)), http.StatusServiceUnavailable, "unavailable", "")
	}
}

func TestTheStatusOfALiveGuard(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	iss.Revoke(iss.Token())
	eventually(t, "the revocation has come", func() bool { return g.Status().Revocations == 1 })
	s := g.Status()
	if !s.Ready || !s.Live || s.Fault != "" || s.Position == "" || s.Issuer != iss.URL ||
		s.Lag > patience || time.Since(s.AsOf) > patience || time.Since(s.KeysAt) > patience || s.Requests != 0 {
		t.Errorf("status %+v", s)
	}
}
