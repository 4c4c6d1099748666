package authsvc_test

import (
	"testing"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
)

// scenario is what a library goes through, in a world of its own.
type scenario struct {
	run    func(*tapped, *foreignClient)
	change func(*authsvc.Config) // nil: nothing
}

// ofAllClients are those that every library can go through.
var ofAllClients = map[string]scenario{
	"refreshes again and again":    {refreshesAgainAndAgain, nil},
	"asks for fewer scopes":        {asksForFewerScopes, nil},
	"gets a token for itself":      {getsATokenForItself, nil},
	"hears of a logout":            {hearsOfALogout, nil},
	"hears of a theft":             {hearsOfATheft, nil},
	"waits for the store":          {waitsForTheStore, strictly},
	"goes on with its own token":   {goesOnWithItsOwnToken, nil},
	"does not hurt another client": {doesNotHurtAnotherClient, nil},
}

func strictly(c *authsvc.Config) { c.StrictRefresh = true }

// TestOAuthClientsOfOthers has the OAuth libraries of other people refresh and
// fail, each as its documentation says.
func TestOAuthClientsOfOthers(t *testing.T) {
	for name, lib := range map[string]struct {
		dir        string
		build, run []string
		own        map[string]scenario
	}{
		"golang.org-x-oauth2": {"xoauth2", []string{"go", "build", "-o", "client", "."}, []string{"./client"}, ofXOAuth2},
		"openid-client":       {"openidclient", []string{"npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"}, []string{"node", "client.mjs"}, ofOpenIDClient},
		"requests-oauthlib":   {"python", nil, []string{"/usr/bin/python3", "client.py", "requests-oauthlib"}, nil},
		"Authlib":             {"python", nil, []string{"/usr/bin/python3", "client.py", "authlib"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := build(t, lib.dir, lib.build...)
			for _, scenarios := range []map[string]scenario{ofAllClients, lib.own} {
				for name, s := range scenarios {
					t.Run(name, func(t *testing.T) {
						if s.change == nil {
							s.change = func(*authsvc.Config) {}
						}
						w := newTappedWorld(t, s.change)
						s.run(w, w.client(dir, lib.run...))
					})
				}
			}
		})
	}
}

// opened opens a refresh token, for its place in its session.
func (w *world) opened(raw string) *tokens.Refresh {
	w.t.Helper()
	r, err := tokens.OpenRefresh(raw, w.ring, w.now())
	must(w.t, err)
	return r
}

// lives fails unless the session takes this refresh token.
func (w *world) lives(refreshToken string) {
	w.t.Helper()
	w.refresh(refreshToken).want(w.t, 200, "")
}

func refreshesAgainAndAgain(w *tapped, c *foreignClient) {
	t := w.t
	refresh := w.login().str(t, "refresh_token")
	for i := range uint32(5) {
		w.pass()
		got := c.good(ask{Do: "refresh", ID: "login", RefreshToken: refresh})
		if r := w.opened(got.RefreshToken); r.Generation != i+1 || got.Scope != "orders:read orders:write" {
			t.Errorf("refresh %d: generation %d, scope %q", i+1, r.Generation, got.Scope)
		}
		w.get("/v1/session", withBearer(got.AccessToken)).want(t, 200, "")
		refresh = got.RefreshToken
	}
}

func asksForFewerScopes(w *tapped, c *foreignClient) {
	t := w.t
	refresh := w.login().str(t, "refresh_token")
	c.refused(ask{Do: "credentials", ID: "orders", Secret: w.secret, Scope: "stock:write"}, "invalid_scope")
	if got := c.good(ask{Do: "credentials", ID: "orders", Secret: w.secret, Scope: "stock:read"}); got.Scope != "stock:read" {
		t.Errorf("scope %q", got.Scope)
	}
	w.lives(refresh)
}

func getsATokenForItself(w *tapped, c *foreignClient) {
	t := w.t
	got := c.good(ask{Do: "credentials", ID: "orders", Secret: w.secret})
	if got.Scope != "feed session-keys stock:read" || got.RefreshToken != "" {
		t.Errorf("%+v", got)
	}
	if in := w.introspect(got.AccessToken, w.basic()); in.str(t, "sub") != "orders" {
		t.Errorf("%s", in.body)
	}
	c.refused(ask{Do: "credentials", ID: "orders", Secret: "wrong"}, "invalid_client")
	c.refused(ask{Do: "credentials", ID: "mars", Secret: w.secret}, "invalid_client")
}

func hearsOfALogout(w *tapped, c *foreignClient) {
	t := w.t
	in := w.login()
	w.post("/v1/logout", "", withBearer(in.str(t, "access_token"))).want(t, 204, "")
	c.refused(ask{Do: "refresh", ID: "login", RefreshToken: in.str(t, "refresh_token")}, "invalid_grant")
}

// The thief was quicker; when the owner comes with the stolen token, neither
// has a session any more.
func hearsOfATheft(w *tapped, c *foreignClient) {
	t := w.t
	stolen := w.login().str(t, "refresh_token")
	w.pass()
	thiefs := w.refresh(stolen).want(t, 200, "").str(t, "refresh_token")
	w.pass()
	w.pass()
	c.refused(ask{Do: "refresh", ID: "login", RefreshToken: stolen}, "invalid_grant")
	c.refused(ask{Do: "refresh", ID: "login", RefreshToken: thiefs}, "invalid_grant")
}

// A fault is never an invalid_grant, after which a client would log out.
func waitsForTheStore(w *tapped, c *foreignClient) {
	refresh := w.login().str(w.t, "refresh_token")
	for range 2 {
		w.pass()
		w.store.fault.Store(true)
		got := c.one(ask{Do: "refresh", ID: "login", RefreshToken: refresh})
		if got.Error == "" || got.Error == "invalid_grant" || got.Status != 503 && got.Error != "temporarily_unavailable" {
			w.t.Errorf("%+v", got)
		}
		w.store.fault.Store(false)
		refresh = c.good(ask{Do: "refresh", ID: "login", RefreshToken: refresh}).RefreshToken
	}
}

// Where a fault of the store does not hinder a refresh, the refresh token in the
// answer is the same one in another form. The library goes on with that; the
// one that it had would do as well.
func goesOnWithItsOwnToken(w *tapped, c *foreignClient) {
	t := w.t
	refresh := w.login().str(t, "refresh_token")
	w.pass()
	w.store.fault.Store(true)
	got := c.good(ask{Do: "refresh", ID: "login", RefreshToken: refresh})
	w.get("/v1/session", withBearer(got.AccessToken)).want(t, 200, "")
	if was, is := w.open(refresh), w.open(got.RefreshToken); is.Generation != was.Generation || is.IssuedAt != was.IssuedAt {
		t.Error("another refresh token, and no store to know of it")
	}
	w.store.fault.Store(false)
	w.pass()
	w.lives(got.RefreshToken)
}

// A refresh token in the wrong hands, and be it one that is long replaced, does
// its owner no harm if those hands show themselves as another client's.
func doesNotHurtAnotherClient(w *tapped, c *foreignClient) {
	t := w.t
	first := w.login().str(t, "refresh_token")
	w.pass()
	second := w.refresh(first).want(t, 200, "").str(t, "refresh_token")
	w.pass()
	newest := w.refresh(second).want(t, 200, "").str(t, "refresh_token")
	w.pass()
	w.unchanged(w.t, func() {
		for _, token := range []string{first, second, newest} {
			c.refused(ask{Do: "refresh", ID: "orders", Secret: w.secret, RefreshToken: token}, "invalid_grant")
			c.refused(ask{Do: "refresh", ID: "orders", Secret: "wrong", RefreshToken: token}, "invalid_client")
		}
		orders := w.sealed(func(r *tokens.Refresh) { r.ClientID = "orders" })
		c.refused(ask{Do: "refresh", ID: "login", RefreshToken: orders}, "invalid_grant")
	})
	w.lives(newest)
}
