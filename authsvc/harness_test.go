package authsvc_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/boltstore"
	"github.com/sealring-dev/sealring/authsvc/users"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// net/http lingers half a second over a connection whose request it refused.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

const (
	password   = "correct horse battery staple"
	adminToken = "0123456789abcdef0123456789abcdef-admin"
)

// world is a running Service on loopback with its real store, ring and user
// file, and a client that checks every request and answer against
// openapi.yaml.
type world struct {
	t      *testing.T
	svc    *authsvc.Service
	issuer string // URL of the public listener
	admin  string // URL of the admin listener
	ring   *keys.Ring
	log    *faultyLog
	store  *faultySessions
	data   *faultyData
	users  *people
	secret string // of the service client "orders"
	nobody string // of the service client "nobody", which has no scope
	http   *http.Client
	logged *lines
	stop   func()
	file   string
	adopt  bool             // the store takes tokens older than itself
	clock  func() time.Time // of the store; nil: that of the machine
	ahead  *atomic.Int64    // how far the clock of the store is ahead, in nanoseconds; nil: not at all

	before func(*authsvc.Service) // what to do with the service before it runs; nil: nothing
}

// newWorld starts a world; change may alter its Config.
func newWorld(t *testing.T, change ...func(*authsvc.Config)) *world {
	t.Helper()
	return buildWorld(&world{t: t}, change...)
}

func buildWorld(w *world, change ...func(*authsvc.Config)) *world {
	t := w.t
	t.Helper()
	t.Parallel() // worlds share nothing, and much of their time is waiting
	w.logged, w.file = &lines{}, filepath.Join(t.TempDir(), "store.db")
	w.http = conforming(t)
	w.makeUsers()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now().Add(-time.Second))
	must(t, err)
	w.ring = ring
	w.start(change...)
	return w
}

func (w *world) makeUsers() {
	w.t.Helper()
	cheap := users.Config{Params: users.Params{Memory: 64, Time: 1, Lanes: 1}, Queue: 1000, Log: slog.New(slog.DiscardHandler)}
	file, err := cheap.OpenUsers(filepath.Join(w.t.TempDir(), "users.json"))
	must(w.t, err)
	w.users = &people{UserFile: file}
	for _, u := range []authsvc.User{
		{Subject: "u-ann", Username: "ann", Scopes: []string{"orders:read", "orders:write"}, Roles: []string{"buyer"}},
		{Subject: "u-bob", Username: "bob"},
	} {
		_, err := file.Add(w.t.Context(), u, password)
		must(w.t, err)
	}
}

// start opens the store and runs the service on fresh ports.
func (w *world) start(change ...func(*authsvc.Config)) {
	t := w.t
	t.Helper()
	store, err := boltstore.Open(w.file, boltstore.Options{AdoptLost: w.adopt, Now: w.now})
	must(t, err)
	w.log, w.store, w.data = &faultyLog{Log: store}, &faultySessions{Sessions: store}, &faultyData{Data: store}
	clients, err := users.OpenClients(filepath.Join(t.TempDir(), "clients.json"))
	must(t, err)
	secret, err := clients.Add(t.Context(), authsvc.Client{ID: "orders", Scopes: []string{"feed", "session-keys", "stock:read"}})
	must(t, err)
	nobody, err := clients.Add(t.Context(), authsvc.Client{ID: "nobody"})
	must(t, err)
	w.secret, w.nobody = secret.Reveal(), nobody.Reveal()
	public, admin := listen(t), listen(t)
	w.issuer, w.admin = "http://"+public.Addr().String(), "http://"+admin.Addr().String()
	cfg := authsvc.Config{
		Issuer: w.issuer, Audiences: []string{"orders", "stock"},
		Ring: w.ring, Log: w.log, Sessions: w.store, Data: w.data, Users: w.users, Clients: clients,
		AdminToken: adminToken,
		Logger:     slog.New(slog.NewJSONHandler(w.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&cfg)
	}
	w.svc, err = authsvc.New(cfg)
	must(t, err)
	if w.before != nil {
		w.before(w.svc)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.svc.Run(ctx) }()
	servers := []*http.Server{serve(public, w.svc.Public()), serve(admin, w.svc.Admin())}
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		for _, s := range servers { // what is being answered comes first, as in the program
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			if s.Shutdown(ctx) != nil {
				_ = s.Close()
			}
			cancel()
		}
		if err := store.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
		w.http.CloseIdleConnections()
	})
	t.Cleanup(w.stop)
	w.eventually("ready", func() bool { return w.get(w.admin+"/readyz").status == 200 })
}

// now reads the clock of the store.
func (w *world) now() time.Time {
	switch {
	case w.clock != nil:
		return w.clock()
	case w.ahead == nil:
		return time.Now()
	}
	return time.Now().Add(time.Duration(w.ahead.Load()))
}

// pass lets so much time pass on it that the next refresh advances.
func (w *world) pass() {
	if w.ahead != nil {
		w.ahead.Add(int64(authsvc.DefaultGrace + time.Millisecond))
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	return l
}

func serve(l net.Listener, h http.Handler) *http.Server {
	s := &http.Server{Handler: h, MaxHeaderBytes: 2 << 20, ReadTimeout: 5 * time.Second,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = s.Serve(l) }()
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually polls, with a deadline.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within 5 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// answer is a whole response.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	cookies []*http.Cookie
}

type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Add(name, value) }
}
func withBearer(token string) option { return header("Authorization", "Bearer "+token) }
func withBasic(id, secret string) option {
	return func(r *http.Request) { r.SetBasicAuth(id, secret) }
}
func withCookies(cs ...*http.Cookie) option {
	return func(r *http.Request) {
		for _, c := range cs {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
}

func (w *world) do(method, target, contentType, body string, options ...option) answer {
	w.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = w.issuer + target
	}
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, target, in)
	must(w.t, err)
	if contentType != "" && body != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for _, o := range options {
		o(r)
	}
	res, err := w.http.Do(r)
	must(w.t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	must(w.t, err)
	return answer{res.StatusCode, res.Header, data, res.Cookies()}
}

func (w *world) get(target string, options ...option) answer {
	w.t.Helper()
	return w.do("GET", target, "", "", options...)
}

func (w *world) post(target, json string, options ...option) answer {
	w.t.Helper()
	return w.do("POST", target, "application/json", json, options...)
}

func (w *world) form(values url.Values, options ...option) answer {
	w.t.Helper()
	return w.formTo("/v1/token", values, options...)
}

func (w *world) formTo(path string, values url.Values, options ...option) answer {
	w.t.Helper()
	return w.do("POST", path, "application/x-www-form-urlencoded", values.Encode(), options...)
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return v
}

func (a answer) str(t *testing.T, name string) string {
	t.Helper()
	s, _ := a.json(t)[name].(string)
	return s
}

// cookie returns a cookie that the answer set.
func (a answer) cookie(t *testing.T, name string) *http.Cookie {
	t.Helper()
	for _, c := range a.cookies {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no cookie %s in %d %s", name, a.status, a.body)
	return nil
}

// want fails unless the answer has the status and, for a problem, the code.
func (a answer) want(t *testing.T, status int, code string) answer {
	t.Helper()
	if a.status != status || code != "" && a.str(t, "code") != code {
		t.Fatalf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
	return a
}

// login logs ann in, by token.
func (w *world) login() answer {
	w.t.Helper()
	return w.post("/v1/login", `{"username":"ann","password":"`+password+`"}`).want(w.t, 200, "")
}

// loginCookie logs ann in, by cookie, with some data.
func (w *world) loginCookie() answer {
	w.t.Helper()
	return w.post("/v1/login", `{"username":"ann","password":"`+password+`","mode":"cookie","data":{"theme":"dark"}}`).want(w.t, 200, "")
}

func (w *world) refresh(token string, options ...option) answer {
	w.t.Helper()
	return w.post("/v1/refresh", `{"refresh_token":"`+token+`"}`, options...)
}

// sign makes an access token of any kind with the ring's own key.
func (w *world) sign(change func(*tokens.Claims)) string {
	w.t.Helper()
	now := time.Now().Truncate(time.Second)
	c := &tokens.Claims{Issuer: w.issuer, Subject: "u-ann", Audience: []string{"orders"}, IssuedAt: now, ExpiresAt: now.Add(time.Minute),
		ID: tokens.NewID(), SessionID: tokens.NewID(), ClientID: "login", AuthTime: now}
	if change != nil {
		change(c)
	}
	k, err := w.ring.Current(keys.AccessToken, time.Now())
	must(w.t, err)
	raw, err := tokens.Sign(c, k)
	must(w.t, err)
	return raw
}

// sealed makes a refresh token of any kind with the ring's own key.
func (w *world) sealed(change func(*tokens.Refresh)) string {
	w.t.Helper()
	now := time.Now()
	r := &tokens.Refresh{SessionID: tokens.NewID(), IssuedAt: now.UnixMilli(), Subject: "u-ann", ClientID: "login",
		Audience: []string{"orders"}, AuthTime: now.Truncate(time.Second), IdleEnd: now.Add(30 * time.Minute), SessionEnd: now.Add(time.Hour).Truncate(time.Second)}
	if change != nil {
		change(r)
	}
	k, err := w.ring.Current(keys.RefreshToken, time.Now())
	must(w.t, err)
	raw, err := tokens.SealRefresh(r, k)
	must(w.t, err)
	return raw
}
