package redisstore

import (
	"context"
	_ "embed" // the script
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// canaryEvery is how often the shards are looked at.
const canaryEvery = 5 * time.Second

//go:embed canary.lua
var canaryScript string

// canaries tell whether a shard of a cluster has lost something. The log has
// a nonce for that, but is in one shard; the tombstones are in all of them.
// So in each shard there is one key that counts up: if it is gone, has gone
// back, or is kept by another server than before, tombstones may be missing.
//
// Little depends on it: no replica that has heard of a revocation asks for the
// state of its session. So a canary may miss what a failover lost since its
// last bump, and all tombstones are written anew, whichever shard lost some.
type canaries struct {
	client *redis.ClusterClient
	script *redis.Script
	seen   map[string]canary // by key
}

// canary is one of them as it was seen last.
type canary struct {
	server string // that keeps it
	name   string
	bumps  int64
}

func newCanaries(client *redis.ClusterClient) *canaries {
	return &canaries{client: client, script: redis.NewScript(canaryScript), seen: map[string]canary{}}
}

// maxCanaries bounds the search for a key in each shard: among so many names
// there is one for every shard of the largest cluster that Redis makes.
const maxCanaries = 20_000

// check bumps the canary of each shard, and reports whether one of them has
// lost something since the last check. A shard that can not be asked is looked
// at the next time.
func (c *canaries) check(ctx context.Context) (lost bool, err error) {
	homes, err := c.homes(ctx)
	if err != nil {
		return false, err
	}
	for key, server := range homes {
		reply, e := c.script.Run(ctx, c.client, []string{key}, hex.EncodeToString([]byte(nonce()))).Slice()
		if e != nil || len(reply) != 3 {
			err = fmt.Errorf("%w: canary %s: %w", ErrUnavailable, key, e)
			continue
		}
		now := canary{server: server}
		now.name, _ = reply[0].(string)
		now.bumps, _ = reply[1].(int64)
		before, known := c.seen[key]
		if reply[2] == int64(0) || known && (now.server != before.server || now.name != before.name || now.bumps <= before.bumps) {
			lost = true
		}
		c.seen[key] = now
	}
	return lost, err
}

// homes returns a key in each shard with the address of the server that keeps it.
func (c *canaries) homes(ctx context.Context) (map[string]string, error) {
	var mu sync.Mutex
	without := map[string]bool{} // a key so far
	err := c.client.ForEachMaster(ctx, func(_ context.Context, server *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		without[server.Options().Addr] = true
		return nil
	})
	homes := map[string]string{}
	for k := 0; err == nil && len(without) > 0 && k < maxCanaries; k++ {
		key := "sr:c:" + strconv.Itoa(k)
		var server *redis.Client
		if server, err = c.client.MasterForKey(ctx, key); err != nil {
			break
		}
		if addr := server.Options().Addr; without[addr] {
			delete(without, addr)
			homes[key] = addr
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return homes, nil
}

// watchShards has the tombstones written anew when a shard has lost something.
func (l *Log) watchShards(client *redis.ClusterClient) {
	c := newCanaries(client)
	for {
		ctx, cancel := context.WithTimeout(l.ctx, canaryEvery)
		lost, err := c.check(ctx)
		cancel()
		if err != nil && l.ctx.Err() == nil {
			l.logger.Warn("looking at the shards of Redis", "err", err)
		}
		if lost {
			l.logger.Warn("a shard of Redis has lost something; writing the tombstones of sessions anew")
			signal(l.untombed)
		}
		if !pause(l.ctx, canaryEvery) {
			return
		}
	}
}
