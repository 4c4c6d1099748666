package redisstore

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/tokens"
)

// TestAFrozenRedisDelaysNobody: while Redis is frozen (SIGSTOP) a service
// serves every valid request as before, sessions are refreshed, and
// revocations are taken. SEALRING_FULL=1 freezes it for 30 s and holds the
// times to their figures; every day they are only shown.
func TestAFrozenRedisDelaysNobody(t *testing.T) {
	server := redistest.Start(t)
	l := newLoad(t, newFleet(t, 0, func(c *childSetup) { c.Server = server.Addr() }))
	length := time.Duration(size(3, 30)) * time.Second
	before := l.run(length)
	server.Stop()
	frozen := l.run(length)
	server.Cont()
	t.Logf("before: %v", before)
	t.Logf("frozen for %v: %v", length, frozen)
	for what, m := range map[string]measured{"before": before, "frozen": frozen} {
		for _, fault := range m.faults {
			t.Errorf("%s: %s", what, fault)
		}
		if len(m.requests) == 0 || len(m.writes) == 0 {
			t.Errorf("%s: nothing was asked", what)
		}
	}
	worst := 5 * time.Second
	if os.Getenv("SEALRING_FULL") != "" {
		worst = 300 * time.Millisecond
		if ratio := float64(p99(frozen.requests)) / float64(p99(before.requests)); ratio > 1.2 {
			t.Errorf("the p99 of requests is %.2f of what it was", ratio)
		}
	}
	if slowest := slices.Max(frozen.writes); slowest > worst {
		t.Errorf("a write took %v", slowest)
	}
	eventually(t, "all is shared", l.fleet.settled)
}

// load asks a guarded service, refreshes sessions and revokes others.
type load struct {
	fleet   *fleet
	ring    *keys.Ring
	service string
	client  *http.Client
}

func newLoad(t *testing.T, f *fleet) *load {
	t.Helper()
	guard, err := middleware.New(t.Context(), middleware.Config{Issuer: fleetIssuer, Audience: "orders", Trust: f.verifiers[0].f})
	if err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(guard.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(func() { service.Close(); transport.CloseIdleConnections(); guard.Close() })
	return &load{fleet: f, ring: f.ring, service: service.URL, client: &http.Client{Transport: transport}}
}

// measured is how long everything took that was asked.
type measured struct {
	requests, writes []time.Duration
	faults           []string
}

func (m measured) String() string {
	return fmt.Sprintf("%d requests, p50 %v, p99 %v, max %v; %d writes, p50 %v, p99 %v, max %v",
		len(m.requests), p50(m.requests), p99(m.requests), slices.Max(m.requests),
		len(m.writes), p50(m.writes), p99(m.writes), slices.Max(m.writes))
}

func p50(all []time.Duration) time.Duration { return slices.Sorted(slices.Values(all))[len(all)/2] }
func p99(all []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(all))[len(all)*99/100]
}

// run asks for a while, at a steady pace.
func (l *load) run(length time.Duration) (m measured) {
	ctx, cancel := context.WithTimeout(l.fleet.t.Context(), length)
	defer cancel()
	var mu sync.Mutex
	var asking sync.WaitGroup
	every := func(pace time.Duration, ask func() error, took *[]time.Duration) {
		asking.Go(func() {
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				began := time.Now()
				err := ask()
				mu.Lock()
				*took = append(*took, time.Since(began))
				if err != nil && len(m.faults) < 5 {
					m.faults = append(m.faults, err.Error())
				}
				mu.Unlock()
			}
		})
	}
	for i, r := range l.fleet.replicas {
		every(5*time.Millisecond, func() error { return l.visit(l.fleet.valid[i]) }, &m.requests)
		every(5*time.Millisecond, func() error { return l.visit(l.fleet.valid[i+2]) }, &m.requests)
		every(50*time.Millisecond, func() error { return l.revoke(r) }, &m.writes)
		every(50*time.Millisecond, func() error { return l.refresh(r) }, &m.writes)
	}
	asking.Wait()
	return m
}

func (l *load) ask(method, url, bearer, body string, want ...int) error {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && !slices.Contains(want, resp.StatusCode) {
		err = fmt.Errorf("%s %s: %s %s", method, req.URL.Path, resp.Status, answer)
	}
	return err
}

func (l *load) visit(token string) error {
	return l.ask("GET", l.service, token, "", http.StatusOK)
}

func (l *load) revoke(r *process) error {
	return l.ask("POST", "http://"+r.setup.Listen+"/admin/v1/revocations", adminToken,
		fmt.Sprintf(`{"type":"session","value":%q}`, tokens.NewID()), http.StatusCreated, http.StatusAccepted)
}

func (l *load) refresh(r *process) error {
	now := time.Now()
	k, err := l.ring.Current(keys.RefreshToken, now)
	if err != nil {
		return err
	}
	token, err := tokens.SealRefresh(&tokens.Refresh{SessionID: tokens.NewID(), IssuedAt: now.UnixMilli(), Subject: "ann", ClientID: "login",
		Audience: []string{"orders"}, AuthTime: now.Truncate(time.Second), IdleEnd: now.Add(20 * time.Minute).Truncate(time.Second),
		SessionEnd: now.Add(time.Hour).Truncate(time.Second)}, k)
	if err != nil {
		return err
	}
	return l.ask("POST", "http://"+r.setup.Listen+"/v1/refresh", "", `{"refresh_token":"`+token+`"}`, http.StatusOK)
}
