package redisclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/sealring-dev/sealring/tokens"
)

// Mode is how the servers belong together.
type Mode int

// The modes.
const (
	Single   Mode = iota // one server
	Sentinel             // a primary that Sentinels name
	Cluster              // many primaries that share the keys
)

// DefaultTimeout is that of Config.
const DefaultTimeout = 300 * time.Millisecond

const (
	poolSize     = 32 // connections, to each server
	maxRedirects = 3  // of a Cluster while slots move
)

// Config says which Redis. ParseURL makes one.
type Config struct {
	Mode Mode
	// Addrs are host:port of the server, of the Sentinels, or of some servers
	// of the Cluster. Required.
	Addrs []string
	// Master is the name by which the Sentinels know the primary. Required with
	// them.
	Master string
	// DB is the number of the database; a Cluster has none but 0.
	DB int
	// Username and Password are those of the servers. Empty: the default user,
	// no password.
	Username string
	Password tokens.Secret
	// TLS is for all connections. Nil: they are in clear. An empty ServerName
	// stands for the host that is dialled.
	TLS *tls.Config
	// Timeout is the longest that one command waits. Zero: DefaultTimeout.
	Timeout time.Duration
}

// New makes a client: a *redis.Client, or a *redis.ClusterClient. It asks Redis
// nothing. The caller closes it.
func New(cfg Config) (redis.UniversalClient, error) {
	if len(cfg.Addrs) == 0 || cfg.Mode == Sentinel && cfg.Master == "" {
		return nil, fmt.Errorf("making a Redis client: %w", ErrURL)
	}
	client := cfg.client(cmp.Or(cfg.Timeout, DefaultTimeout))
	client.AddHook(limit(cmp.Or(cfg.Timeout, DefaultTimeout)))
	return client, nil
}

// client passes on what all forms have in common. Retries are for those who
// know whether a command may be repeated.
func (c Config) client(timeout time.Duration) redis.UniversalClient {
	switch c.Mode {
	case Sentinel:
		return redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: c.Master, SentinelAddrs: c.Addrs, DB: c.DB, Username: c.Username, Password: c.Password.Reveal(),
			TLSConfig: c.TLS, DialTimeout: timeout, DialerRetries: 1, ReadTimeout: timeout, WriteTimeout: timeout,
			ContextTimeoutEnabled: true, MaxRetries: -1, DisableIdentity: true,
			PoolSize: poolSize, MaxActiveConns: poolSize, PoolTimeout: timeout,
		})
	case Cluster:
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: c.Addrs, Username: c.Username, Password: c.Password.Reveal(),
			TLSConfig: c.TLS, DialTimeout: timeout, DialerRetries: 1, ReadTimeout: timeout, WriteTimeout: timeout,
			ContextTimeoutEnabled: true, MaxRedirects: maxRedirects, DisableIdentity: true,
			PoolSize: poolSize, MaxActiveConns: poolSize, PoolTimeout: timeout,
			MaintNotificationsConfig: unnotified(),
		})
	}
	return redis.NewClient(&redis.Options{
		Addr: c.Addrs[0], DB: c.DB, Username: c.Username, Password: c.Password.Reveal(),
		TLSConfig: c.TLS, DialTimeout: timeout, DialerRetries: 1, ReadTimeout: timeout, WriteTimeout: timeout,
		ContextTimeoutEnabled: true, MaxRetries: -1, DisableIdentity: true,
		PoolSize: poolSize, MaxActiveConns: poolSize, PoolTimeout: timeout,
		MaintNotificationsConfig: unnotified(),
	})
}

// unnotified does without the announcements of maintenance that only a hosted
// Redis makes, and without asking for them on each connection.
func unnotified() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// limit is the hook that gives every command its deadline.
type limit time.Duration

func (l limit) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l limit) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(l))
		defer cancel()
		return next(ctx, cmd)
	}
}

func (l limit) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(l))
		defer cancel()
		return next(ctx, cmds)
	}
}

// Check refuses a client, made here or elsewhere, that would not keep to the
// deadline of a call, or that takes another server's keys for those of one
// that is down.
func Check(client redis.UniversalClient) error {
	prompt := true
	switch c := client.(type) {
	case *redis.Client:
		prompt = c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		prompt = c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		return errors.New("a redis.Ring moves keys to other servers when one is down")
	}
	if !prompt {
		return errors.New("the Redis client must have ContextTimeoutEnabled set")
	}
	return nil
}
