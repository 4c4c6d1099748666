package storm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/boltstore"
	"github.com/sealring-dev/sealring/authsvc/redisstore"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/redisclient"
	"github.com/sealring-dev/sealring/tokens"
)

const (
	issuerURL  = "http://auth.localhost" // of all replicas; nothing resolves it
	adminToken = "an admin token of more than 32 bytes"
)

// site is the auth service as it stands in production, with the settings that
// it has by default: two replicas, each with a journal on its own disk, that
// share one Redis. What the test sees beside it are its alarms.
type site struct {
	t        *testing.T
	ring     *keys.Ring
	grace    time.Duration
	replicas []string // host:port
	alarms   *alarms
}

// newSite starts a site on a Redis that has been up for an hour: tokens that
// are younger were issued in its time.
func newSite(t *testing.T, grace time.Duration, place redisclient.Config) *site {
	t.Helper()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now().Add(-2*time.Hour))
	must(t, err)
	s := &site{t: t, ring: ring, grace: grace, alarms: newAlarms(t)}
	client, err := redisclient.New(place)
	must(t, err)
	const id, buckets = 1, redisstore.DefaultSessions / 64
	epoch := fmt.Sprintf("%016x:%d:%d", id, time.Now().Add(-time.Hour).UnixMilli(), buckets)
	must(t, client.Set(t.Context(), "sr:{"+redisstore.DefaultNamespace+"}:re", epoch, 0).Err())
	must(t, client.Close())
	for range 2 {
		client, err := redisclient.New(place)
		must(t, err)
		s.start(client)
	}
	return s
}

func onServer(s *redistest.Server) redisclient.Config {
	return redisclient.Config{Addrs: []string{s.Addr()}}
}

func onCluster(c *redistest.Cluster) redisclient.Config {
	return redisclient.Config{Mode: redisclient.Cluster, Addrs: c.Addrs()}
}

func onSentinel(s *redistest.Sentinel) redisclient.Config {
	return redisclient.Config{Mode: redisclient.Sentinel, Master: redistest.MasterName, Addrs: []string{s.Sentinel.Addr()}}
}

// start runs a replica as the daemon does, until the end of the test.
func (s *site) start(client redis.UniversalClient) {
	t := s.t
	t.Helper()
	logger := slog.New(s.alarms)
	journal, err := boltstore.Open(filepath.Join(t.TempDir(), "journal.db"), boltstore.Options{})
	must(t, err)
	log, err := redisstore.OpenLog(t.Context(), redisstore.LogConfig{Client: client, Journal: journal, Logger: logger})
	must(t, err)
	sessions, err := log.Sessions()
	must(t, err)
	service, err := authsvc.New(authsvc.Config{
		Issuer: issuerURL, Audiences: []string{"orders"}, RefreshGrace: s.grace, Ring: s.ring, Log: log, Sessions: sessions,
		Users: everybody{}, Clients: anybody{}, AdminToken: adminToken, Logger: logger,
	})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = service.Run(ctx) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{Handler: service.Public(), ReadHeaderTimeout: patience, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() {
		cancel()
		running.Wait()
		must(t, errors.Join(server.Close(), log.Close(), journal.Close(), client.Close()))
	})
	s.replicas = append(s.replicas, l.Addr().String())
	eventually(t, "the replica knows the revocations", func() bool { return !log.Away() })
}

// dialling is a client that takes every host for this address, and has at most
// so many connections.
func dialling(t *testing.T, most int, addr string) *http.Client {
	transport := &http.Transport{MaxConnsPerHost: most, MaxIdleConnsPerHost: most, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// session is the refresh token of a session that nobody has refreshed for so
// long, and the identity that it has whatever its encryption.
func (s *site) session(ago time.Duration, cookie bool) (raw string, is place) {
	s.t.Helper()
	at := time.Now().Add(-ago)
	r := &tokens.Refresh{
		SessionID: tokens.NewID(), IssuedAt: at.UnixMilli(), Subject: "u-ann", ClientID: "login", Cookie: cookie, Audience: []string{"orders"},
		AuthTime: at.Truncate(time.Second), IdleEnd: time.Now().Add(30 * time.Minute), SessionEnd: time.Now().Add(12 * time.Hour).Truncate(time.Second),
	}
	k, err := s.ring.Current(keys.RefreshToken, time.Now())
	must(s.t, err)
	raw, err = tokens.SealRefresh(r, k)
	must(s.t, err)
	return raw, placeOf(r)
}

// place is what makes two refresh tokens the same one.
type place struct {
	sid                      tokens.ID
	generation               uint32
	issuedAt, parentIssuedAt int64
}

func placeOf(r *tokens.Refresh) place {
	return place{r.SessionID, r.Generation, r.IssuedAt, r.ParentIssuedAt}
}

// everybody has an account, and nobody logs in here.
type everybody struct{}

func (everybody) Authenticate(context.Context, string, string) (authsvc.User, error) {
	return authsvc.User{}, authsvc.ErrBadCredentials
}

func (everybody) Lookup(_ context.Context, subject string) (authsvc.User, error) {
	return authsvc.User{Subject: subject, Username: subject}, nil
}

// anybody follows the feed.
type anybody struct{}

func (anybody) Authenticate(_ context.Context, id, _ string) (authsvc.Client, error) {
	return authsvc.Client{ID: id, Scopes: []string{"feed", "session-keys"}}, nil
}
