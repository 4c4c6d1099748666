package redistest_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAServerForgetsWhenItIsRestarted(t *testing.T) {
	s := redistest.Start(t)
	c := s.Client(t)
	if err := c.Set(t.Context(), "sr:k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got := s.Do("GET", "sr:k"); got != "v" {
		t.Fatalf("GET k = %v", got)
	}
	addr := s.Addr()
	s.Restart()
	if got := s.Do("GET", "sr:k"); got != nil || s.Addr() != addr {
		t.Errorf("after a restart: %v on %s, was on %s", got, s.Addr(), addr)
	}
	s.Kill9()
	s.Kill9() // down already
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Error("a killed server answers")
	}
}

func TestAServerKeepsWhatItsArgumentsLetItKeep(t *testing.T) {
	s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s.Do("SET", "sr:k", "v")
	s.Restart()
	if got := s.Do("GET", "sr:k"); got != "v" {
		t.Errorf("after a restart: %v", got)
	}
}

func TestAFrozenServerAcceptsAndDoesNotAnswer(t *testing.T) {
	s := redistest.Start(t)
	c := s.Client(t)
	s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Set(ctx, "sr:k", "late", 0).Err(); err == nil {
		t.Error("a frozen server answered")
	}
	s.Cont()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}

func TestAClusterKeepsEachKeyWithItsOwner(t *testing.T) {
	cluster := redistest.StartCluster(t, 3)
	c := cluster.Client(t)
	owners := map[string]bool{}
	for _, key := range []string{"sr:{a}", "sr:{b}", "sr:{c}", "sr:{d}", "sr:{e}", "sr:{f}"} {
		if err := c.Set(t.Context(), key, key, 0).Err(); err != nil {
			t.Fatal(err)
		}
		owner := cluster.Owner(key)
		if got := owner.Do("GET", key); got != key {
			t.Errorf("%s at its owner: %v", key, got)
		}
		owners[owner.Addr()] = true
	}
	if len(owners) < 2 {
		t.Error("one server owns all")
	}
}

func TestASentinelMakesAReplicaThePrimary(t *testing.T) {
	s := redistest.StartSentinel(t, 1)
	c := s.Client(t)
	if err := c.Set(t.Context(), "sr:k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if s.Primary() != s.Servers[0] {
		t.Fatal("the first server is not the primary")
	}
	s.Replicate()
	s.FailOver()
	if s.Primary() != s.Servers[1] {
		t.Error("the replica is not the primary")
	}
	if got := s.Servers[1].Do("GET", "sr:k"); got != "v" {
		t.Errorf("after the failover: %v", got)
	}
	if err := c.Set(t.Context(), "sr:k", "w", 0).Err(); err != nil {
		t.Error(err)
	}
}
