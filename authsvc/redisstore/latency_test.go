package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/boltstore"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/issuer"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	adminToken = "an admin token of more than 32 bytes"
	verifiers  = 50
)

// BenchmarkRevocation measures the time from the request that revokes a
// session to the moment from which a verifier refuses it: 2 replicas with a
// journal on disk each, one Redis, 50 verifiers, half of them at the replica
// that did not get the request. Beside it, as the least that could be, what a
// bare message takes from Redis to 50 subscribers, written nowhere.
func BenchmarkRevocation(b *testing.B) {
	b.Run("sealring", func(b *testing.B) {
		ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now().Add(-time.Second))
		if err != nil {
			b.Fatal(err)
		}
		server := redistest.Start(b)
		replicas := []string{serve(b, server, ring), serve(b, server, ring)}
		arrived := make(chan tokens.ID, verifiers)
		for i := range verifiers {
			verify(b, replicas[i%len(replicas)], arrived)
		}
		measure(b, arrived, func(sid tokens.ID) error { return revoke(replicas[0], sid) })
	})
	b.Run("a message of Redis", func(b *testing.B) {
		server := redistest.Start(b)
		client := server.Client(b)
		arrived := make(chan tokens.ID, verifiers)
		for range verifiers {
			subscribe(b, server.Client(b), arrived)
		}
		measure(b, arrived, func(sid tokens.ID) error {
			return client.Publish(context.Background(), "revoked", sid[:]).Err()
		})
	})
}

// measure revokes one session after the other and waits each time until it has
// arrived at every verifier.
func measure(b *testing.B, arrived <-chan tokens.ID, revoke func(tokens.ID) error) {
	var took []time.Duration
	for b.Loop() {
		sid := tokens.NewID()
		began := time.Now()
		over := make(chan error, 1)
		go func() { over <- revoke(sid) }()
		for range verifiers {
			select {
			case got := <-arrived:
				if got != sid {
					b.Fatal("another session arrived")
				}
				took = append(took, time.Since(began))
			case <-time.After(10 * time.Second):
				b.Fatal("it does not arrive")
			}
		}
		if err := <-over; err != nil {
			b.Fatal(err)
		}
		time.Sleep(120 * time.Millisecond) // a quiet moment: the feed is not batching
	}
	slices.Sort(took)
	for name, d := range map[string]time.Duration{
		"p50-ms": took[len(took)/2], "p99-ms": took[len(took)*99/100], "max-ms": took[len(took)-1],
	} {
		b.ReportMetric(float64(d.Microseconds())/1000, name)
	}
	b.ReportMetric(0, "ns/op") // the pause is no part of it
}

// serve runs a replica and returns its issuer URL.
func serve(b *testing.B, server *redistest.Server, ring *keys.Ring) string {
	b.Helper()
	journal, err := boltstore.Open(filepath.Join(b.TempDir(), "journal.db"), boltstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	log, err := OpenLog(b.Context(), LogConfig{Client: client, Journal: journal})
	if err != nil {
		b.Fatal(err)
	}
	var handler http.Handler
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	service, err := authsvc.New(authsvc.Config{
		Issuer: web.URL, Audiences: []string{"orders"}, Ring: ring, Log: log, Sessions: journal,
		Users: nobody{}, Clients: anybody{}, AdminToken: adminToken,
	})
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", service.Public())
	mux.Handle("/admin/", service.Admin())
	handler = mux
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = service.Run(ctx) })
	b.Cleanup(func() {
		cancel()
		running.Wait()
		web.Close()
		_ = log.Close()
		_ = journal.Close()
		_ = client.Close()
	})
	return web.URL
}

// verify follows a replica until the end and passes on which sessions are
// refused from now on.
func verify(b *testing.B, url string, refused chan<- tokens.ID) {
	b.Helper()
	f, err := issuer.Follow(b.Context(), issuer.Config{Issuer: url, Client: issuer.Client{ID: "orders", Secret: "secret"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(f.Close)
	for end := time.Now().Add(30 * time.Second); !f.Ready(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatal("a verifier does not become ready")
		}
	}
	seen := map[tokens.ID]bool{}
	b.Cleanup(f.Subscribe(func(entries []revocation.Entry) {
		for _, e := range entries {
			if _, dead := f.Revocations().Match(&tokens.Claims{Issuer: url, SessionID: e.ID}); dead && !seen[e.ID] {
				seen[e.ID] = true
				refused <- e.ID
			}
		}
	}))
}

func revoke(url string, sid tokens.ID) error {
	req, err := http.NewRequest(http.MethodPost, url+"/admin/v1/revocations", strings.NewReader(fmt.Sprintf(`{"type":"session","value":%q}`, sid)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("revoking answers %s", resp.Status)
	}
	return nil
}

func subscribe(b *testing.B, client *redis.Client, arrived chan<- tokens.ID) {
	b.Helper()
	sub := client.Subscribe(b.Context(), "revoked")
	if _, err := sub.Receive(b.Context()); err != nil {
		b.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for m := range sub.Channel() {
			arrived <- tokens.ID([]byte(m.Payload))
		}
	})
	b.Cleanup(func() { _ = sub.Close(); running.Wait() })
}

// nobody logs in here.
type nobody struct{}

func (nobody) Authenticate(context.Context, string, string) (authsvc.User, error) {
	return authsvc.User{}, authsvc.ErrBadCredentials
}

func (nobody) Lookup(context.Context, string) (authsvc.User, error) {
	return authsvc.User{}, authsvc.ErrNoUser
}

// anybody follows the feed.
type anybody struct{}

func (anybody) Authenticate(_ context.Context, id, _ string) (authsvc.Client, error) {
	return authsvc.Client{ID: id, Scopes: []string{"feed", "session-keys"}}, nil
}
