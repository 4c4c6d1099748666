package authsvc_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/boltstore"
	"github.com/sealring-dev/sealring/authsvc/users"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/middleware"
)

// fleetIssuer is the one URL of all replicas. Nothing resolves it: each client
// dials the replica that it is bound to.
const fleetIssuer = "http://auth.localhost"

// fleet is two replicas of the service that share a ring file, a user file
// and a client file, each with a store of its own, and three guards: two follow
// the first replica, and one the second, of which it hears late. The ring's
// file is changed through rings, as the command would.
type fleet struct {
	t        *testing.T
	plan     keys.Plan
	rings    *ringfile.File
	replicas []*replica
	guards   []*middleware.Guard
	logged   lines // what to read when a test has failed
}

// replica is a running service and a client of it.
type replica struct {
	addr string
	http *http.Client
}

// shortPlan has a lead and a tail of a few seconds, about as short as a
// heartbeat of two seconds and whole seconds in tokens let them be.
func shortPlan() keys.Plan {
	return keys.Plan{
		Lease:      2 * time.Second, // a busy machine must get to look at the file
		JWKSMaxAge: 2 * time.Second, // on the feed: a heartbeat
		Skew:       100 * time.Millisecond,
		Leeway:     100 * time.Millisecond,
		Life: map[keys.Purpose]time.Duration{
			keys.AccessToken: 2 * time.Second, keys.Feed: 2 * time.Second,
			keys.SessionCookie: 6 * time.Second, keys.RefreshToken: 6 * time.Second,
		},
	}
}

func newFleet(t *testing.T, lag time.Duration) *fleet {
	t.Helper()
	t.Parallel()
	f := &fleet{t: t, plan: shortPlan()}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(f.logged.String())
		}
	})
	folder, master := t.TempDir(), ringfile.NewMasterKey()
	ring, err := keys.NewRing(f.plan, keys.ES256, time.Now())
	must(t, err)
	path := filepath.Join(folder, "ring.jwe")
	must(t, ringfile.Create(path, master, ring))
	f.rings, err = ringfile.Open(path, master)
	must(t, err)
	w := &world{t: t}
	w.makeUsers()
	clients, err := users.OpenClients(filepath.Join(folder, "clients.json"))
	must(t, err)
	secret, err := clients.Add(t.Context(), authsvc.Client{ID: "orders", Scopes: []string{"feed", "session-keys"}})
	must(t, err)
	for range 2 {
		file, err := ringfile.Open(path, master)
		must(t, err)
		f.start(file, w.users, clients)
	}
	f.guard(f.dialling(f.replicas[0].addr, 0), secret.Reveal())
	f.guard(f.dialling(f.replicas[0].addr, 0), secret.Reveal())
	f.guard(f.dialling(f.replicas[1].addr, lag), secret.Reveal())
	w.eventually("the guards are ready", func() bool {
		return f.guards[0].Ready() && f.guards[1].Ready() && f.guards[2].Ready()
	})
	return f
}

// start runs a replica as the daemon does.
func (f *fleet) start(file *ringfile.File, people authsvc.Users, clients authsvc.Clients) {
	t := f.t
	t.Helper()
	store, err := boltstore.Open(filepath.Join(t.TempDir(), "store.db"), boltstore.Options{})
	must(t, err)
	svc, err := authsvc.New(authsvc.Config{
		Issuer: fleetIssuer, Audiences: []string{"orders"},
		AccessTTL: f.plan.Life[keys.AccessToken], IdleTTL: f.plan.Life[keys.RefreshToken], RefreshGrace: 200 * time.Millisecond,
		ClockSkew: f.plan.Skew, JWKSMaxAge: f.plan.JWKSMaxAge,
		Ring: file.Ring(), RingChecked: file.Checked, ChangeRing: insisting(file), Log: store, Sessions: store, Users: people, Clients: clients,
		AdminToken: adminToken,
		Logger:     f.logger(slog.LevelWarn).With("replica", len(f.replicas)),
	})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = svc.Run(ctx) })
	running.Go(func() {
		if err := file.Watch(ctx, svc.SetRing, func(err error) { t.Errorf("watching the ring: %v", err) }); err != nil {
			t.Errorf("watching the ring: %v", err)
		}
	})
	l := listen(t)
	server := serve(l, svc.Public())
	r := &replica{addr: l.Addr().String()}
	r.http = f.dialling(r.addr, 0)
	t.Cleanup(func() {
		cancel()
		running.Wait()
		_ = server.Close()
		must(t, store.Close())
	})
	f.replicas = append(f.replicas, r)
}

// insisting decides anew where somebody else has changed the ring.
func insisting(file *ringfile.File) authsvc.ChangeRing {
	return func(ctx context.Context, plan func(*keys.Ring) (*keys.Ring, error)) (*keys.Ring, error) {
		for {
			ring, err := file.Update(ctx, plan)
			if !errors.Is(err, ringfile.ErrConflict) {
				return ring, err
			}
		}
	}
}

// logger keeps what is worth a look.
func (f *fleet) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(&f.logged, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "keys" || a.Key == "issuer" {
			return slog.Attr{}
		}
		return a
	}}))
}

// dialling is a client that takes every host for this address, and hears from
// it so much later.
func (f *fleet) dialling(addr string, lag time.Duration) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 16, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil || lag == 0 {
			return c, err
		}
		return delayed(c, lag), nil
	}}
	f.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (f *fleet) guard(client *http.Client, secret string) {
	f.t.Helper()
	g, err := middleware.New(context.Background(), middleware.Config{
		Issuer: fleetIssuer, Audience: "orders",
		Client:    middleware.Client{ID: "orders", Secret: secret},
		ClockSkew: f.plan.Leeway,
		HTTP:      client,
		Logger:    f.logger(slog.LevelInfo).With("guard", len(f.guards)),
	})
	must(f.t, err)
	f.t.Cleanup(g.Close)
	f.guards = append(f.guards, g)
}

// late is a connection whose bytes are read a while after they came.
type late struct {
	net.Conn
	in   chan parcel
	rest []byte
	gone context.Context
	stop context.CancelFunc
}

type parcel struct {
	due  time.Time
	data []byte
	err  error
}

func delayed(c net.Conn, lag time.Duration) *late {
	l := &late{Conn: c, in: make(chan parcel, 1024)}
	l.gone, l.stop = context.WithCancel(context.Background())
	go func() {
		for {
			b := make([]byte, 4096)
			n, err := c.Read(b)
			select {
			case l.in <- parcel{time.Now().Add(lag), b[:n], err}:
			case <-l.gone.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return l
}

func (l *late) Read(b []byte) (int, error) {
	if len(l.rest) == 0 {
		select {
		case p := <-l.in:
			if p.err != nil {
				return 0, p.err
			}
			l.rest = p.data
			select {
			case <-time.After(time.Until(p.due)):
			case <-l.gone.Done():
			}
		case <-l.gone.Done():
			return 0, net.ErrClosed
		}
	}
	n := copy(b, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func (l *late) Close() error {
	l.stop()
	return l.Conn.Close()
}

// holding is what a client of the fleet holds: tokens or, in their place,
// cookies.
type holding struct {
	access, refresh string
	cookies         []*http.Cookie
	got             time.Time
	fresh           time.Time // the access token lives at least until then
}

// show puts the credential for a guard into a request.
func (h *holding) show() *http.Request {
	if h.access != "" {
		return with(withBearer(h.access))
	}
	for _, c := range h.cookies {
		if c.Name == middleware.HostCookie {
			return with(withCookies(c))
		}
	}
	return with(withCookies())
}

// ask sends a login or a refresh to a replica.
func (f *fleet) ask(r *replica, path, body string, cookies []*http.Cookie) (*holding, int, error) {
	began := time.Now()
	req, err := http.NewRequest("POST", fleetIssuer+path, strings.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	withCookies(cookies...)(req)
	res, err := r.http.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, res.StatusCode, err
	}
	var said struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return nil, 0, err
	}
	// iat is cut to its second.
	fresh := began.Truncate(time.Second).Add(f.plan.Life[keys.AccessToken])
	return &holding{access: said.Access, refresh: said.Refresh, cookies: res.Cookies(), got: time.Now(), fresh: fresh}, res.StatusCode, nil
}

func (f *fleet) login(r *replica, mode string) (*holding, int, error) {
	return f.ask(r, "/v1/login", `{"username":"ann","password":"`+password+`","mode":"`+mode+`"}`, nil)
}

func (f *fleet) renew(r *replica, h *holding) (*holding, int, error) {
	if h.refresh != "" {
		return f.ask(r, "/v1/refresh", `{"refresh_token":"`+h.refresh+`"}`, nil)
	}
	return f.ask(r, "/v1/refresh", "", h.cookies)
}
