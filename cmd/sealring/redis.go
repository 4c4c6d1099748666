package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/keys/redisclient"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

// redisUses are the settings of commands that work with the shared Redis.
var redisUses = []string{"redis", "redis_password", "redis_ca_file"}

// quietRedis drops what go-redis logs about each connection that it can not
// make: what comes of it is an error, and is told once where it matters.
type quietRedis struct{}

func (quietRedis) Printf(context.Context, string, ...any) {}

// shared says whether there is a Redis that replicas share.
func (s *settings) shared() bool { return s.Redis != "" }

// openRedis makes the client of the Redis that is set. It asks Redis nothing.
func (s *settings) openRedis() (redis.UniversalClient, error) {
	cfg, err := s.redisConfig()
	if err != nil {
		return nil, err
	}
	return redisclient.New(cfg)
}

// client is the client of the Redis that is set, nil if there is none. It is
// closed when the command ends.
func (a *app) client() (redis.UniversalClient, error) {
	if a.redis != nil || !a.settings.shared() {
		return a.redis, nil
	}
	var err error
	a.redis, err = a.settings.openRedis()
	return a.redis, err
}

func (a *app) closeClient() error {
	if a.redis == nil {
		return nil
	}
	return a.redis.Close()
}

// ringPlace is where the key ring is by the settings.
func (a *app) ringPlace() (ringPlace, error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	return a.settings.ringIn(client), nil
}

// openRing opens the key ring for a command, and says what was amiss with it.
func (a *app) openRing(ctx context.Context) (ringStore, error) {
	place, err := a.ringPlace()
	if err != nil {
		return nil, err
	}
	ring, err := a.settings.openRing(ctx, place)
	if s, ok := ring.(*ringredis.Shared); ok && s.Found() != nil {
		a.say("Note: %v (generation %d of the key ring, known to be in Redis %s)", s.Found(), s.Ring().Generation(), away(s.Checked(), time.Now()))
	}
	return ring, err
}

func (s *settings) redisConfig() (redisclient.Config, error) {
	cfg, err := redisclient.ParseURL(s.Redis)
	from := s.origin["redis"]
	switch {
	case err != nil:
		return cfg, usagef("%s: %w", from, err)
	case cfg.Password != "" && !strings.HasPrefix(from, "SEALRING_"):
		return cfg, usagef("%s has a password in it, which others can read there: leave it out, and give it as SEALRING_REDIS_PASSWORD or in a file with --redis-password-file (redis_password_file in the configuration file); or give the whole URL as SEALRING_REDIS or SEALRING_REDIS_FILE", from)
	case cfg.Password != "" && s.RedisPassword != "":
		return cfg, usagef("both %s and %s have a password; which one is meant?", from, s.origin["redis_password"])
	case cfg.TLS == nil && s.RedisCAFile != "":
		return cfg, usagef("%s is set, but %s is not under TLS: begin it with rediss", s.origin["redis_ca_file"], from)
	}
	if s.RedisPassword != "" {
		cfg.Password = s.RedisPassword
	}
	if s.RedisCAFile != "" {
		if cfg.TLS.RootCAs, err = readCAs(s.RedisCAFile); err != nil {
			return cfg, usagef("%s: %w", s.origin["redis_ca_file"], err)
		}
	}
	return cfg, nil
}

func readCAs(path string) (*x509.CertPool, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("%s holds no certificate (PEM)", path)
	}
	return pool, nil
}
