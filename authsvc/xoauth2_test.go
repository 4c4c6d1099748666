package authsvc_test

import (
	"time"

	"github.com/sealring-dev/sealring/authsvc"
)

// golang.org/x/oauth2, which is told nothing of how a client authenticates,
// puts it into the header first, and posts everything once more with the client
// in the body if whatever came of that was not a token. So one refresh token
// comes twice, and must look like no theft.
var ofXOAuth2 = map[string]scenario{
	"posts once where all goes well":                {postsOnce, shortly},
	"posts twice where an answer is lost":           {postsTwice, shortly},
	"posts twice where it has no name":              {postsTwiceWithoutAName, nil},
	"posts twice as another client":                 {postsTwiceAsAnother, nil},
	"posts twice for itself":                        {postsTwiceForItself, nil},
	"posts twice to a store that does not answer":   {postsTwiceIntoAnOutage, strictly},
	"posts twice, the second time after the grace":  {postsTwiceAndLate, shortly},
	"comes again after two lost answers":            {comesAgain, shortly},
	"refreshes once for 50 goroutines":              {refreshesOnce, nil},
	"shares one stored token among several sources": {sharesAToken, nil},
	"renews beneath an HTTP client":                 {renewsBeneath, shortly},
}

// shortly is an access token that x/oauth2 takes for expired as soon as it has
// it: each call of its Token refreshes.
func shortly(c *authsvc.Config) { c.AccessTTL = 5 * time.Second }

// keep has the client store a login's refresh token, and returns that.
func (c *foreignClient) keep(w *tapped, id string, sources int) string {
	refresh := w.login().str(c.t, "refresh_token")
	c.all(ask{Do: "keep", ID: id, RefreshToken: refresh, Sources: sources})
	w.tap.seen()
	return refresh
}

// posted fails unless these posts were made with this refresh token, and
// answered so.
func (w *tapped) posted(refresh string, want ...post) []post {
	w.t.Helper()
	posts := w.tap.seen()
	if len(posts) != len(want) {
		w.t.Fatalf("%d posts, want %d", len(posts), len(want))
	}
	for i, p := range posts {
		if p.basic != want[i].basic || p.status != want[i].status || p.form.Get("refresh_token") != refresh {
			w.t.Errorf("post %d: in the header %v, status %d, %v", i, p.basic, p.status, p.form)
		}
	}
	return posts
}

// same fails unless the refresh tokens are one: the same place in the same
// session. Two encryptions of it differ.
func (w *tapped) same(generation uint32, raw ...string) {
	w.t.Helper()
	first := w.opened(raw[0])
	for _, r := range raw {
		got := w.opened(r)
		if got.Generation != generation || got.SessionID != first.SessionID || got.IssuedAt != first.IssuedAt || got.ParentIssuedAt != first.ParentIssuedAt {
			w.t.Errorf("%+v, want %+v of generation %d", got, first, generation)
		}
	}
}

func postsOnce(w *tapped, c *foreignClient) {
	refresh := c.keep(w, "login", 1)
	for i := range uint32(5) {
		w.pass()
		got := c.good(ask{Do: "tokens", Callers: 1})
		w.posted(refresh, post{basic: true, status: 200})
		w.same(i+1, got.RefreshToken)
		refresh = got.RefreshToken
	}
}

func postsTwice(w *tapped, c *foreignClient) {
	for _, l := range []loss{badGateway, cutOff} {
		refresh := c.keep(w, "login", 1)
		w.pass()
		w.tap.lose(l)
		got := c.good(ask{Do: "tokens", Callers: 1})
		posts := w.posted(refresh, post{basic: true, status: 200}, post{status: 200})
		w.same(1, posts[0].refresh, posts[1].refresh, got.RefreshToken)
		w.get("/v1/session", withBearer(got.AccessToken)).want(w.t, 200, "")

		w.pass()
		again := c.good(ask{Do: "tokens", Callers: 1})
		w.posted(got.RefreshToken, post{status: 200}) // it knows now
		w.same(2, again.RefreshToken)
	}
}

// A laptop that sleeps between the two. Only an id that comes along with both
// tells its second post from a thief's.
func postsTwiceAndLate(w *tapped, c *foreignClient) {
	refresh := w.login().str(w.t, "refresh_token")
	c.all(ask{Do: "keep", ID: "login", RefreshToken: refresh, Sources: 1, RetryID: "0123456789abcdef"})
	w.pass()
	w.tap.lose(tooLate)
	got := c.good(ask{Do: "tokens", Callers: 1})
	posts := w.posted(refresh, post{basic: true, status: 200}, post{status: 200})
	w.same(1, posts[0].refresh, posts[1].refresh, got.RefreshToken)
	w.pass()
	w.same(2, c.good(ask{Do: "tokens", Callers: 1}).RefreshToken) // with the same id

	refresh = c.keep(w, "login", 1)
	w.pass()
	w.tap.lose(tooLate)
	c.refused(ask{Do: "tokens", Callers: 1}, "invalid_grant")
	w.posted(refresh, post{basic: true, status: 200}, post{status: 400})
}

// Without a client_id the header has no name in it, and is refused before the
// refresh token is looked at.
func postsTwiceWithoutAName(w *tapped, c *foreignClient) {
	refresh := c.keep(w, "", 1)
	w.pass()
	before := w.store.presents.Load()
	got := c.good(ask{Do: "tokens", Callers: 1})
	w.posted(refresh, post{basic: true, status: 401}, post{status: 200})
	if n := w.store.presents.Load() - before; n != 1 {
		w.t.Errorf("presented %d times", n)
	}
	w.same(1, got.RefreshToken)
	w.pass()
	w.lives(got.RefreshToken)
}

// A service client that has got hold of a user's refresh token: refused twice,
// and the user's session goes on.
func postsTwiceAsAnother(w *tapped, c *foreignClient) {
	refresh := w.login().str(w.t, "refresh_token")
	w.pass()
	w.unchanged(w.t, func() {
		for secret, status := range map[string]int{w.secret: 400, "wrong": 401} {
			w.tap.seen()
			got := c.one(ask{Do: "refresh", ID: "orders", Secret: secret, RefreshToken: refresh})
			if want := map[int]string{400: "invalid_grant", 401: "invalid_client"}[status]; got.Error != want || got.Status != status {
				w.t.Errorf("%+v, want %s", got, want)
			}
			w.posted(refresh, post{basic: true, status: status}, post{status: status})
		}
	})
	w.lives(refresh)
}

func postsTwiceForItself(w *tapped, c *foreignClient) {
	for _, l := range []loss{badGateway, cutOff} {
		w.tap.lose(l)
		got := c.good(ask{Do: "credentials", ID: "orders", Secret: w.secret})
		w.posted("", post{basic: true, status: 200}, post{status: 200})
		w.get("/v1/session", withBearer(got.AccessToken)).want(w.t, 200, "")
	}
	c.refused(ask{Do: "credentials", ID: "orders", Secret: "wrong"}, "invalid_client")
	w.posted("", post{basic: true, status: 401}, post{status: 401})
}

func postsTwiceIntoAnOutage(w *tapped, c *foreignClient) {
	refresh := c.keep(w, "login", 1)
	w.pass()
	w.store.fault.Store(true)
	if got := c.one(ask{Do: "tokens", Callers: 1}); got.Error != "temporarily_unavailable" || got.Status != 503 {
		w.t.Errorf("%+v", got)
	}
	w.posted(refresh, post{basic: true, status: 503}, post{status: 503})
	w.store.fault.Store(false)
	got := c.good(ask{Do: "tokens", Callers: 1})
	w.posted(refresh, post{basic: true, status: 200})
	w.same(1, got.RefreshToken)
}

func comesAgain(w *tapped, c *foreignClient) {
	refresh := c.keep(w, "login", 1)
	w.pass()
	w.tap.lose(cutOff, badGateway)
	if got := c.one(ask{Do: "tokens", Callers: 1}); got.Error == "invalid_grant" || got.AccessToken != "" {
		w.t.Errorf("%+v", got)
	}
	got := c.good(ask{Do: "tokens", Callers: 1})
	posts := w.posted(refresh, post{basic: true, status: 200}, post{status: 200}, post{basic: true, status: 200})
	w.same(1, posts[0].refresh, posts[1].refresh, got.RefreshToken)
}

func refreshesOnce(w *tapped, c *foreignClient) {
	refresh := c.keep(w, "login", 1)
	w.pass()
	all := c.all(ask{Do: "tokens", Callers: 50})
	w.posted(refresh, post{basic: true, status: 200})
	if len(all) != 50 {
		w.t.Errorf("%d answers", len(all))
	}
	for _, got := range all {
		if got.AccessToken == "" || got.AccessToken != all[0].AccessToken || got.RefreshToken != all[0].RefreshToken {
			w.t.Errorf("%+v, another has %+v", got, all[0])
		}
	}
}

// The processes of an application that read one stored refresh token at the
// same time.
func sharesAToken(w *tapped, c *foreignClient) {
	refresh := c.keep(w, "login", 20)
	w.pass()
	all := c.all(ask{Do: "tokens", Callers: 3})
	var want []post
	var successors []string
	for range 20 {
		want = append(want, post{basic: true, status: 200})
	}
	w.posted(refresh, want...)
	for _, got := range all {
		w.get("/v1/session", withBearer(got.AccessToken)).want(w.t, 200, "")
		successors = append(successors, got.RefreshToken)
	}
	w.same(1, successors...)
	w.pass()
	for _, s := range successors[:3] { // whichever was stored last
		w.lives(s)
	}
}

func renewsBeneath(w *tapped, c *foreignClient) {
	refresh := c.keep(w, "login", 1)
	for i := range 3 {
		w.pass()
		if got := c.one(ask{Do: "get", URL: w.issuer + "/v1/session"}); got.Status != 200 {
			w.t.Errorf("request %d: %+v", i, got)
		}
		refresh = w.tap.seen()[0].refresh
	}
	access := w.refresh(refresh).want(w.t, 200, "").str(w.t, "access_token")
	w.post("/v1/logout", "", withBearer(access)).want(w.t, 204, "")
	c.refused(ask{Do: "get", URL: w.issuer + "/v1/session"}, "invalid_grant")
	if n := len(w.tap.seen()); n != 1 {
		w.t.Errorf("%d posts of a session that has ended", n)
	}
}
