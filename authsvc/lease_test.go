package authsvc_test

import (
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// lookedAt makes a world whose ring was last looked at when the returned
// function is told that it was.
func lookedAt(t *testing.T) (w *world, ago func(time.Duration)) {
	t.Helper()
	var at atomic.Pointer[time.Time]
	ago = func(d time.Duration) { then := time.Now().Add(-d); at.Store(&then) }
	ago(0)
	return newWorld(t, func(c *authsvc.Config) { c.RingChecked = func() time.Time { return *at.Load() } }), ago
}

// K3 of package keys, for signing.
func TestBeyondTheLeaseOfItsRingAReplicaSignsNothing(t *testing.T) {
	w, ago := lookedAt(t)
	in, jar := w.login(), w.loginCookie()
	token := in.str(t, "refresh_token")
	presents := w.store.presents.Load()
	lease := keys.DefaultPlan().Lease
	ago(lease + time.Second)
	w.post("/v1/login", `{"username":"ann","password":"`+password+`"}`).want(t, 503, "unavailable")
	w.post("/v1/login", `{"username":"ann","password":"`+password+`","mode":"cookie"}`).want(t, 503, "unavailable")
	w.refresh(token).want(t, 503, "unavailable")
	w.post("/v1/refresh", "", withCookies(jar.cookies...)).want(t, 503, "unavailable")
	for _, grant := range []url.Values{
		{"grant_type": {"client_credentials"}, "client_id": {"orders"}, "client_secret": {w.secret}},
		{"grant_type": {"refresh_token"}, "refresh_token": {token}},
	} {
		if a := w.form(grant); a.status != 503 || a.str(t, "error") != "temporarily_unavailable" {
			t.Errorf("%v: %d %s", grant["grant_type"], a.status, a.body)
		}
	}
	if n := w.store.presents.Load(); n != presents {
		t.Errorf("%d refresh tokens were spent for nothing", n-presents)
	}
	if a := w.get(w.admin + "/readyz"); a.status != 503 {
		t.Errorf("ready: %d", a.status)
	}
	w.get("/v1/session", withBearer(in.str(t, "access_token"))).want(t, 200, "") // it can still judge

	ago(lease - time.Minute)
	w.login()
	w.refresh(token).want(t, 200, "")
}

// A revoked key may be on the feed before the ring without it is here.
func TestNoRefreshTokenIsSpentWhileTheRingIsBehindTheFeed(t *testing.T) {
	w := newWorld(t)
	token := w.login().str(t, "refresh_token")
	current, err := w.ring.Current(keys.AccessToken, time.Now())
	must(t, err)
	must(t, w.log.Append(t.Context(), revocation.KeyEntry(w.issuer, current.ID, time.Now(), time.Now().Add(time.Hour))))
	w.refresh(token).want(t, 503, "unavailable")
	if n := w.store.presents.Load(); n != 0 {
		t.Errorf("spent %d times", n)
	}
	ring, err := w.ring.Revoke(current.ID, "stolen", time.Now())
	must(t, err)
	w.svc.SetRing(ring)
	w.refresh(token).want(t, 200, "")
}

// K3 of package keys, for every way on which a key set goes out.
func TestBeyondTheLeaseOfItsRingAReplicaServesNoKeySet(t *testing.T) {
	w, ago := lookedAt(t)
	pos := w.follow("").frame().Pos
	lease := keys.DefaultPlan().Lease
	served := func(status int) {
		t.Helper()
		for _, path := range []string{"/.well-known/jwks.json", "/v1/session-keys", "/v1/feed?snapshot=1"} {
			if a := w.get(path, w.basic()); a.status != status {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	}
	ago(lease + time.Second)
	served(503)
	w.get("/v1/feed?since="+pos.String(), w.basic()).want(t, 503, "unavailable")
	ago(lease - time.Minute)
	served(200)
}
