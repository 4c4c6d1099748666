package middleware_test

import (
	"net/http"
	"testing"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
)

func TestAGuardThatStartsWithoutItsIssuerSaysSoAndRecovers(t *testing.T) {
	iss := authtest.New(t)
	iss.Down()
	g := newGuard(t, configOf(iss))
	h := g.Handler(whoami)
	for name, credential := range map[string]func(*http.Request){
		"bearer": bearer(iss.Token()), "cookie": cookie(iss.Cookie()),
	} {
		t.Run(name, func(t *testing.T) {
			resp := ask(h, credential)
			if resp.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			wantRefused(t, resp, http.StatusServiceUnavailable, "unavailable", "")
		})
	}
	if g.Ready() {
		t.Fatal("ready without keys")
	}
	if st := g.Status(); st.Lag != middleware.NoList || st.Ready {
		t.Errorf("status %+v", st)
	}
	iss.Up()
	eventually(t, "the guard recovers", g.Ready)
	wantServed(t, ask(h, bearer(iss.Token())), "ann")
	wantServed(t, ask(h, cookie(iss.Cookie())), "ann")
}

func TestAGuardThatLosesItsIssuerGoesOn(t *testing.T) {
	for name, lose := range map[string]func(*authtest.Issuer){
		"the feed": (*authtest.Issuer).CutFeed, "everything": (*authtest.Issuer).Down,
	} {
		t.Run(name, func(t *testing.T) {
			iss := authtest.New(t)
			g := readyGuard(t, iss)
			h := g.Handler(whoami)
			revoked := iss.Token()
			iss.Revoke(revoked)
			eventually(t, "the revocation has come", func() bool {
				return ask(h, bearer(revoked)).StatusCode == http.StatusUnauthorized
			})
			lose(iss)
			wantServed(t, ask(h, bearer(iss.Token())), "ann")
			wantServed(t, ask(h, cookie(iss.Cookie())), "ann")
			wantRefused(t, ask(h, bearer(revoked)), http.StatusUnauthorized, "invalid-token", challengeInvalid)
			if !g.Ready() {
				t.Error("a service is not unready because its feed is lost")
			}
		})
	}
}

func TestARevocationDuringACutIsHeardOfAfterIt(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	s, token := newStream(), iss.Token()
	s.open(t, g.Handler(s), bearer(token))
	iss.CutFeed()
	iss.Revoke(token)
	wantServed(t, ask(g.Handler(whoami), bearer(token)), "ann")
	iss.RestoreFeed()
	s.wantCause(t, middleware.ErrRevoked)
	if n := iss.Requests(authtest.KeySetPath); n != 1 {
		t.Errorf("the key set was fetched %d times", n)
	}
}

func TestNoRequestLeadsToAConnection(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	h := g.Handler(whoami)
	for range 20 {
		wantServed(t, ask(h, bearer(iss.Token())), "ann")
		wantServed(t, ask(h, cookie(iss.Cookie())), "ann")
	}
	token := iss.Token()
	iss.Revoke(token)
	eventually(t, "the revocation has come", func() bool {
		return ask(h, bearer(token)).StatusCode == http.StatusUnauthorized
	})
	if n := iss.Connections(); n != 1 {
		t.Errorf("%d connections to the issuer, want the one of the feed", n)
	}
}

func TestAGuardWithoutAClientVerifiesBearersByTheKeySetAlone(t *testing.T) {
	iss := authtest.New(t)
	cfg := configOf(iss)
	cfg.Client = middleware.Client{}
	g := newGuard(t, cfg)
	eventually(t, "the guard is ready", g.Ready)
	h := g.Handler(whoami)
	wantServed(t, ask(h, bearer(iss.Token())), "ann")
	wantRefused(t, ask(h, cookie(iss.Cookie())), http.StatusUnauthorized, "no-credential", challenge)
	for _, path := range []string{authtest.FeedPath, authtest.SessionKeysPath} {
		if n := iss.Requests(path); n != 0 {
			t.Errorf("%s was asked for %d times", path, n)
		}
	}
}

func TestKeysRotateWithoutOneRefusal(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	h := g.Handler(whoami)
	old, oldCookie := iss.Token(), iss.Cookie()
	iss.Rotate()
	eventually(t, "the new signing key has come", func() bool {
		return ask(h, bearer(iss.Token())).StatusCode == http.StatusOK
	})
	eventually(t, "the new session key has come", func() bool {
		return ask(h, cookie(iss.Cookie())).StatusCode == http.StatusOK
	})
	wantServed(t, ask(h, bearer(old)), "ann")
	wantServed(t, ask(h, cookie(oldCookie)), "ann")
	if n := iss.Requests(authtest.KeySetPath); n != 1 {
		t.Errorf("the key set was fetched %d times although the feed carries it", n)
	}
}

func TestWhatARevokedKeySignedIsRefused(t *testing.T) {
	iss := authtest.New(t)
	g := readyGuard(t, iss)
	h := g.Handler(whoami)
	dead := iss.Token()
	wantServed(t, ask(h, bearer(dead)), "ann") // and is remembered from here on
	iss.RevokeKey()
	eventually(t, "the dead key's token is refused", func() bool {
		return ask(h, bearer(dead)).StatusCode == http.StatusUnauthorized
	})
	wantServed(t, ask(h, bearer(iss.Token())), "ann")
}
