package authsvc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/tokens"
)

// exchangers may exchange tokens for stock.
type exchangers struct{ authsvc.Clients }

func (e exchangers) Authenticate(ctx context.Context, id, secret string) (authsvc.Client, error) {
	c, err := e.Clients.Authenticate(ctx, id, secret)
	c.Scopes = append(slices.Clone(c.Scopes), "exchange:stock")
	return c, err
}

func withExchange(c *authsvc.Config) { c.Clients = exchangers{c.Clients} }

func exchangeOf(token, audience string, more map[string]string) url.Values {
	v := url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token":      {token},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		"audience":           {audience},
	}
	for name, value := range more {
		v.Set(name, value)
	}
	maps.DeleteFunc(v, func(_ string, values []string) bool { return values[0] == "" })
	return v
}

func TestATokenIsExchangedForOneOfTheSameSession(t *testing.T) {
	w := newWorld(t, withExchange)
	in := w.login().str(t, "access_token")
	basic := withBasic("orders", w.secret)
	a := w.form(exchangeOf(in, "stock", map[string]string{"scope": "orders:read"}), basic).want(t, 200, "")
	if a.str(t, "issued_token_type") != "urn:ietf:params:oauth:token-type:access_token" || a.str(t, "scope") != "orders:read" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s", a.body)
	}
	verify := func(raw, audience string) (*tokens.Claims, error) {
		return tokens.Verify(raw, w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{audience}}, time.Now())
	}
	was, err := verify(in, "orders")
	must(t, err)
	is, err := verify(a.str(t, "access_token"), "stock")
	must(t, err)
	if is.SessionID != was.SessionID || is.Subject != was.Subject || !is.AuthTime.Equal(was.AuthTime) || is.ID == was.ID || is.ClientID != "orders" ||
		!slices.Equal(is.Audience, []string{"stock"}) || !slices.Equal(is.Scope, []string{"orders:read"}) || !slices.Equal(is.Roles, was.Roles) || is.ExpiresAt.After(was.ExpiresAt) {
		t.Errorf("%+v of %+v", is, was)
	}
	if _, err := verify(a.str(t, "access_token"), "orders"); err == nil {
		t.Error("it is good where it came from, too")
	}
	w.form(exchangeOf(a.str(t, "access_token"), "stock", nil), basic).want(t, 400, "") // it is not for orders
}

// A token says who acts for whom, so that it ends with each of them: with the client
// of the login by the time of that, with one that has exchanged it by the time of
// the exchange.
func TestAnExchangedTokenEndsWithEachOfItsClients(t *testing.T) {
	w := newWorld(t, withExchange)
	basic := withBasic("orders", w.secret)
	held := w.sign(func(c *tokens.Claims) { c.ClientID, c.Actors = "gateway", []string{"gateway", "login"} })
	exchange := func() string {
		return w.form(exchangeOf(held, "stock", nil), basic).want(t, 200, "").str(t, "access_token")
	}
	got := exchange()
	c, err := tokens.Verify(got, w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"stock"}, Leeway: time.Minute}, time.Now())
	must(t, err)
	if want := []string{"orders", "gateway", "login"}; !slices.Equal(c.Actors, want) {
		t.Errorf("acting are %v, want %v", c.Actors, want)
	}
	w.get("/v1/session", withBearer(got)).want(t, 200, "")
	for _, client := range []string{"billing", "orders"} {
		w.post(w.admin+"/admin/v1/revocations", `{"type":"client","value":"`+client+`"}`, withBearer(adminToken)).want(t, 201, "")
	}
	w.get("/v1/session", withBearer(got)).want(t, 401, "invalid-token")
	got = exchange() // with the client's new secret, as it were: the session goes on
	w.get("/v1/session", withBearer(got)).want(t, 200, "")
	w.post(w.admin+"/admin/v1/revocations", `{"type":"client","value":"login"}`, withBearer(adminToken)).want(t, 201, "")
	w.get("/v1/session", withBearer(got)).want(t, 401, "invalid-token")
	w.form(exchangeOf(held, "stock", nil), basic).want(t, 400, "")
}

func TestATokenIsNotExchangedForEver(t *testing.T) {
	w := newWorld(t, withExchange)
	held := func(n int) string {
		return w.sign(func(c *tokens.Claims) { c.ClientID, c.Actors = "a", strings.Split("abcdef", "")[:n] })
	}
	w.form(exchangeOf(held(tokens.MaxActors-1), "stock", nil), withBasic("orders", w.secret)).want(t, 200, "")
	if a := w.form(exchangeOf(held(tokens.MaxActors), "stock", nil), withBasic("orders", w.secret)); a.status != 400 || a.str(t, "error") != "invalid_request" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// When the roles of a user change, the next token is postdated past those that say
// the old ones. What it is exchanged for is no older.
func TestATokenIsExchangedRightAfterTheRolesHaveChanged(t *testing.T) {
	w := newWorld(t, withExchange)
	in, basic := w.login(), withBasic("orders", w.secret)
	w.users.with(sells)
	w.stale("u-ann")
	w.form(exchangeOf(in.str(t, "access_token"), "stock", nil), basic).want(t, 400, "")
	token := w.refresh(in.str(t, "refresh_token")).want(t, 200, "").str(t, "access_token")
	a := w.form(exchangeOf(token, "stock", nil), basic).want(t, 200, "")
	c, err := tokens.Verify(a.str(t, "access_token"), w.ring, tokens.Expect{Issuer: w.issuer, Audiences: []string{"stock"}, Leeway: time.Minute}, time.Now())
	must(t, err)
	if !slices.Equal(c.Roles, []string{"seller"}) {
		t.Errorf("roles %v", c.Roles)
	}
}

func TestAnExchangeIsRefused(t *testing.T) {
	w := newWorld(t, withExchange)
	in := w.login().str(t, "access_token")
	gone := w.login()
	w.post("/v1/logout", "", withBearer(gone.str(t, "access_token"))).want(t, 204, "")
	basic := withBasic("orders", w.secret)
	for name, c := range map[string]struct {
		form   url.Values
		with   option
		status int
		err    string
	}{
		"without a client":           {exchangeOf(in, "stock", nil), func(*http.Request) {}, 401, "invalid_client"},
		"a wrong secret":             {exchangeOf(in, "stock", nil), withBasic("orders", "x"), 401, "invalid_client"},
		"a client of another name":   {exchangeOf(in, "stock", nil), withBasic("nobody", w.nobody), 400, "invalid_request"},
		"an audience it may not":     {exchangeOf(in, "orders", nil), basic, 400, "invalid_target"},
		"an audience that is not":    {exchangeOf(in, "mars", nil), basic, 400, "invalid_target"},
		"no audience":                {exchangeOf(in, "", nil), basic, 400, "invalid_request"},
		"a resource":                 {exchangeOf(in, "stock", map[string]string{"resource": "https://stock.example.com"}), basic, 400, "invalid_target"},
		"an actor":                   {exchangeOf(in, "stock", map[string]string{"actor_token": in}), basic, 400, "invalid_request"},
		"no type":                    {exchangeOf(in, "stock", map[string]string{"subject_token_type": ""}), basic, 400, "invalid_request"},
		"a refresh token's type":     {exchangeOf(in, "stock", map[string]string{"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}), basic, 400, "invalid_request"},
		"a SAML assertion wanted":    {exchangeOf(in, "stock", map[string]string{"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"}), basic, 400, "invalid_request"},
		"more scope":                 {exchangeOf(in, "stock", map[string]string{"scope": "orders:read admin"}), basic, 400, "invalid_scope"},
		"no token":                   {exchangeOf("", "stock", nil), basic, 400, "invalid_request"},
		"garbage":                    {exchangeOf("x.y.z", "stock", nil), basic, 400, "invalid_request"},
		"a refresh token":            {exchangeOf(w.login().str(t, "refresh_token"), "stock", nil), basic, 400, "invalid_request"},
		"an expired token":           {exchangeOf(w.sign(expired), "stock", nil), basic, 400, "invalid_request"},
		"one of an ended session":    {exchangeOf(gone.str(t, "access_token"), "stock", nil), basic, 400, "invalid_request"},
		"one for another service":    {exchangeOf(w.sign(func(c *tokens.Claims) { c.Audience = []string{"stock"} }), "stock", nil), basic, 400, "invalid_request"},
		"one that is as long as two": {exchangeOf(in+in[:1]+string(make([]byte, 9000)), "stock", nil), basic, 413, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := w.form(c.form, c.with); a.status != c.status || a.str(t, "error") != c.err {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}

func TestAClientThatMayNotExchangeDoesNot(t *testing.T) {
	w := newWorld(t)
	a := w.form(exchangeOf(w.login().str(t, "access_token"), "stock", nil), withBasic("orders", w.secret))
	if a.status != 400 || a.str(t, "error") != "invalid_target" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// A service calls the next one for its user, with a token for that one alone, asks
// for it once, and is refused when the session ends.
func TestAServiceCallsTheNextForItsUser(t *testing.T) {
	var asked atomic.Int64
	w := newWorld(t, withExchange)
	guard := func(id, audience, secret string) *middleware.Guard {
		g, err := middleware.New(t.Context(), middleware.Config{
			Issuer: w.issuer, Audience: audience, Client: middleware.Client{ID: id, Secret: secret},
			HTTP: &http.Client{Transport: counting{&asked}}, Logger: slog.New(slog.DiscardHandler),
		})
		must(t, err)
		t.Cleanup(g.Close)
		w.eventually("the guard is ready", g.Ready)
		return g
	}
	orders, stock := guard("orders", "orders", w.secret), guard("orders", "stock", w.secret)
	back := httptest.NewServer(stock.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s, _ := middleware.FromContext(r.Context())
		_, _ = fmt.Fprintf(rw, "%s by %s for %s", s.Subject, s.ClientID, s.Audience)
	})))
	t.Cleanup(back.Close)
	next := &http.Client{Transport: orders.Next("stock", nil)}
	front := httptest.NewServer(orders.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		out, err := http.NewRequestWithContext(r.Context(), http.MethodGet, back.URL, nil)
		must(t, err)
		res, err := next.Do(out)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		defer func() { _ = res.Body.Close() }()
		rw.WriteHeader(res.StatusCode)
		_, _ = io.Copy(rw, res.Body)
	})))
	t.Cleanup(front.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	in := w.login()
	ask := func() (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front.URL, nil)
		must(t, err)
		withBearer(in.str(t, "access_token"))(r)
		res, err := http.DefaultClient.Do(r)
		must(t, err)
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	for range 5 {
		if status, body := ask(); status != 200 || body != "u-ann by orders for [stock]" {
			t.Fatalf("%d %s", status, body)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("a token was asked for %d times", n)
	}
	w.post("/v1/logout", "", withBearer(in.str(t, "access_token"))).want(t, 204, "")
	w.eventually("it is refused", func() bool { status, _ := ask(); return status == 401 })
	if _, err := next.Get(back.URL); !errors.Is(err, middleware.ErrNoCredential) {
		t.Errorf("without a session: %v", err)
	}
}

// counting counts the requests for tokens.
type counting struct{ n *atomic.Int64 }

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/v1/token" {
		c.n.Add(1)
	}
	return http.DefaultTransport.RoundTrip(r)
}
