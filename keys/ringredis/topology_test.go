package ringredis_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

func TestTheRingLivesInACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3)
	cfg := config(cluster.Client(t))
	cfg.Timeout = brief
	create(t, cfg, newRing(t))
	admin := cfg
	admin.Client = cluster.Client(t)
	s := open(t, cfg)
	w := watch(t, s)
	update(t, open(t, admin), rotate)
	w.ring(t, 2)
	owner := cluster.Owner(key)
	if got, _ := owner.Do("GET", key).(string); got[:2] != "2:" {
		t.Errorf("its owner holds %.10q", got)
	}
	owner.Do("FLUSHALL")
	w.fault(t, ringredis.ErrLost)
	owner.Stop()
	w.fault(t, ringredis.ErrUnavailable)
	within(t, 2*brief, "Update", func() {
		if _, err := s.Update(t.Context(), change); !errors.Is(err, ringredis.ErrUnavailable) {
			t.Errorf("while the owner is frozen: %v", err)
		}
	})
	owner.Cont()
	eventually(t, "a good look", func() bool { return time.Since(s.Checked()) < 5*poll })
	if !same(t, open(t, admin).Ring(), s.Ring()) {
		t.Error("Redis holds another ring")
	}
}

func TestTheRingFollowsASentinelsFailover(t *testing.T) {
	t.Parallel()
	group := redistest.StartSentinel(t, 1)
	client := group.Client(t)
	cfg := config(client)
	create(t, cfg, newRing(t))
	group.Replicate()
	s := open(t, cfg)
	w := watch(t, s)
	update(t, s, rotate)
	w.ring(t, 2)
	group.FailOver() // whether or not generation 2 has reached the replica
	eventually(t, "a good look at the new primary", func() bool {
		value, _ := group.Servers[1].Do("GET", key).(string)
		return len(value) > 2 && value[:2] == "2:"
	})
	update(t, open(t, cfg), change)
	w.ring(t, 3)
}

func TestAClientThatReadsFromReplicasStillSeesThePrimary(t *testing.T) {
	group := redistest.StartSentinel(t, 1)
	client := redis.NewClusterClient(&redis.ClusterOptions{
		ClusterSlots: func(context.Context) ([]redis.ClusterSlot, error) {
			nodes := []redis.ClusterNode{{Addr: group.Servers[0].Addr()}, {Addr: group.Servers[1].Addr()}}
			return []redis.ClusterSlot{{Start: 0, End: 16383, Nodes: nodes}}, nil
		},
		RouteRandomly: true, ContextTimeoutEnabled: true,
	})
	defer client.Close()
	cfg := config(client)
	create(t, cfg, newRing(t))
	group.Replicate()
	group.Servers[1].Stop() // the replica answers nobody
	defer group.Servers[1].Cont()
	for range 20 {
		open(t, cfg)
	}
}
