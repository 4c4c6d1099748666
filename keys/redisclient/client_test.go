package redisclient_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/keys/redisclient"
	"github.com/sealring-dev/sealring/tokens"
)

// quiet drops what go-redis logs about each failed dial.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	goleak.VerifyTestMain(m,
		// It ends by itself, a second after its pool was closed.
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// connect makes a client of a URL, patient enough for a busy machine.
func connect(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	cfg := parsed(t, url)
	cfg.Timeout = 20 * time.Second
	return made(t, cfg)
}

func parsed(t *testing.T, url string) redisclient.Config {
	t.Helper()
	cfg, err := redisclient.ParseURL(tokens.Secret(url))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func made(t *testing.T, cfg redisclient.Config) redis.UniversalClient {
	t.Helper()
	client, err := redisclient.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := redisclient.Check(client); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// works writes and reads some keys, so that each server of a cluster is asked.
func works(t *testing.T, client redis.UniversalClient) {
	t.Helper()
	for _, key := range []string{"sr:{a}", "sr:{b}", "sr:{c}", "sr:{d}", "sr:{e}", "sr:{f}"} {
		if err := client.Set(t.Context(), key, "v "+key, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := client.Get(t.Context(), key).Result(); got != "v "+key || err != nil {
			t.Fatalf("%s = %q, %v", key, got, err)
		}
	}
}

func TestOneServerIsReached(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	works(t, connect(t, server.URL()+"/5"))
	if got := server.Do("INFO", "keyspace").(string); !strings.Contains(got, "db5:keys=6") {
		t.Errorf("the keys are not in database 5: %s", got)
	}
}

func TestUserAndPasswordAreShown(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--user", "ann", "on", ">p@ss/word?", "~*", "+@all")
	server.Do("ACL", "SETUSER", "default", "off")
	works(t, connect(t, "redis://ann:p%40ss%2Fword%3F@"+server.Addr()))
	if err := connect(t, "redis://ann:wrong@"+server.Addr()).Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("with a wrong password: %v", err)
	}
}

func TestASentinelLeadsToThePrimaryBeforeAndAfterAFailover(t *testing.T) {
	t.Parallel()
	group := redistest.StartSentinel(t, 1)
	client := connect(t, "redis-sentinel://127.0.0.1:1,"+group.Sentinel.Addr()+"/"+redistest.MasterName)
	works(t, client)
	group.Replicate()
	group.FailOver()
	for late := time.Now().Add(20 * time.Second); client.Ping(t.Context()).Err() != nil; {
		if time.Now().After(late) {
			t.Fatal("the new primary is not found")
		}
	}
	works(t, client)
}

func TestAClusterIsFoundThroughAnyOfItsServers(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3)
	for _, url := range []string{
		"redis-cluster://" + cluster.Servers[1].Addr(),
		"redis-cluster://127.0.0.1:1," + cluster.Servers[2].Addr(), // the first is down
	} {
		works(t, connect(t, url))
	}
}

// slack is what a busy machine may add to a wait.
const slack = 2 * time.Second

// frozen expects that a command without any deadline of its own is given up.
func frozen(t *testing.T, name string, client redis.UniversalClient) {
	t.Helper()
	pipeline := func(ctx context.Context) error {
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error { return p.Set(ctx, "sr:{a}", "w", 0).Err() })
		return err
	}
	command := func(ctx context.Context) error { return client.Set(ctx, "sr:{a}", "w", 0).Err() }
	for what, do := range map[string]func(context.Context) error{"a command": command, "a pipeline": pipeline} {
		started := time.Now()
		err := do(context.Background())
		if took := time.Since(started); err == nil || took > redisclient.DefaultTimeout+slack {
			t.Errorf("%s, %s: %v after %v", name, what, err, took)
		}
	}
}

func TestAFrozenRedisHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	server, group, cluster := redistest.Start(t), redistest.StartSentinel(t, 0), redistest.StartCluster(t, 3)
	owner := cluster.Owner("sr:{a}")
	for name, c := range map[string]struct {
		url    string
		freeze []*redistest.Server
	}{
		"one server":            {server.URL(), []*redistest.Server{server}},
		"Sentinel, the primary": {"redis-sentinel://" + group.Sentinel.Addr() + "/" + redistest.MasterName, group.Servers},
		"Sentinel, both":        {"redis-sentinel://" + group.Sentinel.Addr() + "/" + redistest.MasterName, append(group.Servers, group.Sentinel)},
		"Cluster, one":          {"redis-cluster://" + cluster.Servers[0].Addr(), []*redistest.Server{owner}},
		"Cluster, all":          {"redis-cluster://" + cluster.Servers[0].Addr(), cluster.Servers},
	} {
		warm, cold := made(t, parsed(t, c.url)), made(t, parsed(t, c.url))
		for late := time.Now().Add(20 * time.Second); warm.Set(t.Context(), "sr:{a}", "v", 0).Err() != nil; {
			if time.Now().After(late) {
				t.Fatalf("%s: never came back", name)
			}
		}
		for _, s := range c.freeze {
			s.Stop()
		}
		frozen(t, name+", with a connection", warm)
		frozen(t, name+", without a connection", cold)
		for _, s := range c.freeze {
			s.Cont()
		}
	}
}

// Many at once wait for no longer than one alone: not for each other's place
// in the pool.
func TestAFrozenRedisHoldsUpNoneOfMany(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := made(t, parsed(t, server.URL()))
	server.Stop()
	started := time.Now()
	done := make(chan error)
	const many = 200
	for range many {
		go func() { done <- client.Ping(context.Background()).Err() }()
	}
	for range many {
		if <-done == nil {
			t.Error("a frozen server answered")
		}
	}
	if took := time.Since(started); took > redisclient.DefaultTimeout+slack {
		t.Errorf("the last of %d waited for %v", many, took)
	}
}

func TestTheTimeoutIsTheOneThatIsSet(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cfg := redisclient.Config{Addrs: []string{server.Addr()}, Timeout: 20 * time.Second}
	client := made(t, cfg)
	works(t, client)
	server.Do("CLIENT", "PAUSE", "1000") // longer than the default timeout
	works(t, client)
}

func TestConfigurationsThatMakeNoClient(t *testing.T) {
	for name, cfg := range map[string]redisclient.Config{
		"nothing":                   {},
		"Sentinels without a name":  {Mode: redisclient.Sentinel, Addrs: []string{"s1:26379"}},
		"a Cluster without servers": {Mode: redisclient.Cluster},
	} {
		if _, err := redisclient.New(cfg); !errors.Is(err, redisclient.ErrURL) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClientsThatAreRefused(t *testing.T) {
	single, cluster := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}), redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}, ContextTimeoutEnabled: true})
	for want, client := range map[string]redis.UniversalClient{"ContextTimeoutEnabled": single, "must have ContextTimeoutEnabled": cluster, "moves keys": ring} {
		if err := redisclient.Check(client); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%T: %v", client, err)
		}
		_ = client.Close()
	}
}
