package redisstore

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// A shard that holds no part of the log is restarted empty: nothing happens to
// the log, and the tombstones that it held come back.
func TestAShardThatIsEmptiedGetsItsTombstonesBack(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3)
	r := &replica{t: t, namespace: "shared", dir: t.TempDir(), logged: &lines{}, client: func() redis.UniversalClient {
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs(), ContextTimeoutEnabled: true})
	}}
	r.open()
	defer func() { _ = r.close() }()
	var there []revocation.Entry
	shard := cluster.Servers[0]
	if shard == cluster.Owner("sr:{shared}:rl") {
		shard = cluster.Servers[1]
	}
	for len(there) < 5 {
		x := fresh()
		r.must(x)
		if cluster.Owner(bucketKey(x.ID, r.log.Buckets())) == shard {
			there = append(there, x)
		}
	}
	eventually(t, "the tombstones are there", func() bool { return tombed(shard, r.log.Buckets(), there...) })
	eventually(t, "there is a canary in each shard", func() bool {
		for _, s := range cluster.Servers {
			if keys, _ := s.Do("KEYS", "sr:c:*").([]any); len(keys) != 1 {
				return false
			}
		}
		return true
	})
	epoch := r.watch().at().Epoch
	shard.Restart()
	eventually(t, "the tombstones are back", func() bool {
		return strings.Contains(fmt.Sprint(shard.Do("CLUSTER", "INFO")), "cluster_state:ok") && tombed(shard, r.log.Buckets(), there...)
	})
	if r.watch().at().Epoch != epoch {
		t.Error("the log was healed too")
	}
}

func TestACanaryTellsWhatAShardHasLost(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 2)
	c := newCanaries(cluster.Client(t))
	expect := func(want bool, why string) {
		t.Helper()
		eventually(t, why, func() bool {
			lost, err := c.check(t.Context())
			return err == nil && lost == want
		})
	}
	expect(true, "it was never there")
	expect(false, "nothing happened")
	homes, err := c.homes(context.Background())
	if err != nil || len(homes) != 2 {
		t.Fatalf("%v, %v", homes, err)
	}
	for key := range homes {
		owner := cluster.Owner(key)
		value := fmt.Sprint(owner.Do("GET", key))
		expect(false, "nothing happened")
		owner.Do("SET", key, value)
		expect(true, "it has gone back")
		expect(false, "that is known now")
		owner.Do("SET", key, "abcd:1000")
		expect(true, "it is another one")
		expect(false, "that is known now")
		owner.Do("SET", key, "what is this")
		expect(true, "it can not be read")
		expect(false, "that is known now")
		seen := c.seen[key]
		seen.server = "another"
		c.seen[key] = seen
		expect(true, "another server keeps it")
		expect(false, "that is known now")
		owner.Do("DEL", key)
		expect(true, "it is gone")
		expect(false, "that is known now")
	}
}
