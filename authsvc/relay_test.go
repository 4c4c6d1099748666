package authsvc_test

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/issuer"
)

// relay starts a relay of an upstream and returns its URL.
func (w *world) relay(upstream string) string {
	w.t.Helper()
	r, err := authsvc.NewRelay(authsvc.RelayConfig{
		Issuer: w.issuer, Upstream: upstream,
		Client: issuer.Client{ID: "orders", Secret: tokens.Secret(w.secret)},
		Logger: slog.New(slog.NewJSONHandler(w.logged, nil)),
	})
	must(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			w.t.Errorf("running a relay: %v", err)
		}
	})
	public, admin := listen(w.t), listen(w.t)
	servers := []*http.Server{serve(public, r.Public()), serve(admin, r.Admin())}
	w.t.Cleanup(func() {
		cancel()
		running.Wait()
		for _, s := range servers {
			_ = s.Close()
		}
	})
	w.eventually("the relay is ready", func() bool { return w.get("http://"+admin.Addr().String()+"/readyz").status == 200 })
	return "http://" + public.Addr().String()
}

// guardAt starts a guard that follows the issuer through feed.
func (w *world) guardAt(feed string) *middleware.Guard {
	w.t.Helper()
	transport := &http.Transport{}
	g, err := middleware.New(context.Background(), middleware.Config{
		Issuer: w.issuer, Feed: feed, Audience: "orders",
		Client: middleware.Client{ID: "orders", Secret: w.secret},
		HTTP:   &http.Client{Transport: transport}, Logger: slog.New(slog.DiscardHandler),
	})
	must(w.t, err)
	w.t.Cleanup(func() { g.Close(); transport.CloseIdleConnections() })
	w.eventually("the guard is ready", g.Ready)
	return g
}

func accepts(g *middleware.Guard, credential option) bool {
	_, err := g.Check(with(credential))
	return err == nil
}

func TestARevocationIsInForceBehindTwoRelaysWithinASecond(t *testing.T) {
	w := newWorld(t)
	g := w.guardAt(w.relay(w.relay(w.issuer)))
	for _, mode := range []string{"token", "cookie"} {
		var credential, logout option
		if mode == "token" {
			credential = withBearer(w.login().str(t, "access_token"))
			logout = credential
		} else {
			in := w.loginCookie()
			credential, logout = withCookies(in.cookie(t, "__Host-session")), withCookies(in.cookies...)
		}
		if !accepts(g, credential) {
			t.Fatalf("a good %s is refused", mode)
		}
		w.do("POST", "/v1/logout", "", "", logout).want(t, 204, "")
		began := time.Now()
		w.eventually("it is refused", func() bool { return !accepts(g, credential) })
		if took := time.Since(began); took > time.Second {
			t.Errorf("a %s: %v", mode, took)
		}
	}
}

// A rotation waits for the verifiers behind a relay as for any other.
func TestVerifiersBehindRelaysAreKnownToTheIssuer(t *testing.T) {
	w := newWorld(t)
	w.guardAt(w.relay(w.relay(w.issuer)))
	holding := func(generation float64) func() bool {
		return func() bool {
			live := 0
			list := w.get(w.admin+"/admin/v1/verifiers", withBearer(adminToken)).want(t, 200, "").json(t)
			for _, v := range list["verifiers"].([]any) {
				v := v.(map[string]any)
				if v["live"].(bool) && v["generation"].(float64) == generation && v["position"] != nil {
					live++
				}
			}
			return live == 3 // two relays and a guard
		}
	}
	w.eventually("all three are known", holding(1))
	ring, err := w.ring.Rotate(keys.AccessToken, w.ring.Plan(), time.Now())
	must(t, err)
	w.svc.SetRing(ring)
	w.eventually("all three hold the rotated ring", holding(2))
}

func TestARelayRefusesWhomTheIssuerRefuses(t *testing.T) {
	w := newWorld(t)
	relay := w.relay(w.issuer)
	for _, tc := range []struct {
		path   string
		with   option
		status int
		code   string
	}{
		{"/v1/feed?snapshot=1", w.basic(), 200, ""},
		{"/v1/session-keys", w.basic(), 200, ""},
		{"/v1/feed", withBasic("orders", "wrong"), 401, "bad-client"},
		{"/v1/feed", withBearer(adminToken), 401, "bad-client"},
		{"/v1/feed", withBasic("nobody", w.nobody), 403, "insufficient-scope"},
		{"/v1/session-keys", withBasic("orders", "wrong"), 401, "bad-client"},
		{"/v1/session-keys", withBasic("nobody", w.nobody), 403, "insufficient-scope"},
		{"/v1/feed?since=x", w.basic(), 400, "invalid-request"},
		{"/v1/feed?wait=1&since=00000000000001a7.1-1", w.basic(), 410, "unknown-position"},
	} {
		w.get(relay+tc.path, tc.with).want(t, tc.status, tc.code)
	}
	for _, path := range []string{"/v1/session", "/v1/verify", "/login"} {
		res, err := http.Get(relay + path) // not through w.http: the document knows these of an issuer
		must(t, err)
		_ = res.Body.Close()
		if res.StatusCode != 404 {
			t.Errorf("%s at a relay: %d", path, res.StatusCode)
		}
	}
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/oauth-authorization-server"} {
		its, ours := w.get(relay+path).want(t, 200, ""), w.get(path).want(t, 200, "")
		if !bytes.Equal(its.body, ours.body) || its.header.Get("ETag") != ours.header.Get("ETag") ||
			its.header.Get("Sealring-Generation") != ours.header.Get("Sealring-Generation") {
			t.Errorf("%s is another at the relay: %s", path, its.body)
		}
		w.get(relay+path, header("If-None-Match", its.header.Get("ETag"))).want(t, 304, "")
	}
}

// middleman passes everything on to a target, and what the feed streams event
// by event through change; nil drops one.
type middleman struct {
	*httptest.Server
	target string
	change atomic.Pointer[func(event []byte) []byte]
}

func newMiddleman(t *testing.T, target string) *middleman {
	m := &middleman{target: target}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

func (m *middleman) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host, _ = strings.Cut(m.target+r.URL.Path, "://")
	out.URL.Host, _, _ = strings.Cut(out.URL.Host, "/")
	out.Host = out.URL.Host
	res, err := http.DefaultClient.Do(out)
	if err != nil {
		return
	}
	defer func() { _ = res.Body.Close() }()
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(res.StatusCode)
	var event []byte
	for in := bufio.NewReader(res.Body); err == nil; {
		var line []byte
		line, err = in.ReadBytes('\n')
		if event = append(event, line...); err == nil && len(line) > 1 && res.Header.Get("Content-Type") == "text/event-stream" {
			continue
		}
		if change := m.change.Load(); change != nil {
			event = (*change)(event)
		}
		_, _ = w.Write(event)
		_ = http.NewResponseController(w).Flush()
		event = event[:0]
	}
}

// isNews tells a frame with entries from a heartbeat by its size.
func isNews(event []byte) bool {
	return bytes.HasPrefix(event, []byte("id: ")) && len(event) > 330
}

// A relay can delay and nothing else. One that changes a byte, or leaves out a
// frame, is found out at the next event, and what it hid is asked for again.
func TestARelayThatTampersIsFoundOut(t *testing.T) {
	for name, tamper := range map[string]func([]byte) []byte{
		"a byte is changed": func(e []byte) []byte {
			e = bytes.Clone(e)
			at := bytes.LastIndexByte(e, '.') - 10 // of the payload
			e[at] ^= 1
			return e
		},
		"a frame is left out": func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := newMiddleman(t, w.relay(w.issuer))
			g := w.guardAt(m.URL)
			var struck atomic.Int64
			strike := func(e []byte) []byte {
				if isNews(e) && struck.Add(1) == 1 {
					return tamper(e)
				}
				return e
			}
			m.change.Store(&strike)
			one, two := w.login().str(t, "access_token"), w.login().str(t, "access_token")
			for _, token := range []string{one, two} {
				w.do("POST", "/v1/logout", "", "", withBearer(token)).want(t, 204, "")
				w.eventually("the frame has gone by", func() bool { return struck.Load() > 0 })
			}
			w.eventually("both are refused", func() bool { return !accepts(g, withBearer(one)) && !accepts(g, withBearer(two)) })
			if struck.Load() < 2 {
				t.Error("it was not asked for again")
			}
		})
	}
}
