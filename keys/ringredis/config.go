package ringredis

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/keys/redisclient"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// ErrConfig says that a Config can not be used.
var ErrConfig = errors.New("unusable configuration")

// Defaults of Config.
const (
	DefaultTimeout = 300 * time.Millisecond
	DefaultPoll    = 2 * time.Second
)

// Config says where the ring is and under which keys.
type Config struct {
	// Client reaches Redis: a *redis.Client of one server or of Sentinel, or
	// a *redis.ClusterClient, best one of package redisclient. It may serve
	// other stores too, and is not closed here. Its option ContextTimeoutEnabled
	// must be set: without it go-redis waits for its own timeouts, five seconds
	// by default and several times over, whatever the deadline of a call.
	// Required.
	Client redis.UniversalClient
	// Namespace keeps several deployments on one Redis apart; it must
	// pass ringfile.CheckNamespace. Required.
	Namespace string
	// Master seals the ring, and opens it. Required.
	Master ringfile.MasterKey
	// Previous are further keys that open it, while the master key is being
	// changed. None: there is no other.
	Previous []ringfile.MasterKey
	// CopyPath is a file for a copy of the ring, sealed as in Redis, in a folder
	// that exists. Processes of one machine may share it. Empty: there is none; a
	// process then starts only where Redis answers, and does not notice that it
	// went back meanwhile.
	CopyPath string
	// Timeout is the longest wait for one answer of Redis. Zero: DefaultTimeout.
	Timeout time.Duration
	// Poll is how often Watch looks, give or take a quarter. Zero: DefaultPoll.
	Poll time.Duration
}

func (c Config) check() error {
	switch {
	case c.Master.ID() == "":
		return fmt.Errorf("%w: Master is missing", ErrConfig)
	case c.Timeout < 0 || c.Poll < 0:
		return fmt.Errorf("%w: Timeout or Poll is negative", ErrConfig)
	}
	return checkRoom(c.Client, c.Namespace)
}

// checkRoom checks what says where a ring is.
func checkRoom(client redis.UniversalClient, namespace string) error {
	switch {
	case client == nil:
		return fmt.Errorf("%w: Client is missing", ErrConfig)
	case namespace == "":
		return fmt.Errorf("%w: Namespace is missing", ErrConfig)
	}
	if err := ringfile.CheckNamespace(namespace); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if err := redisclient.Check(client); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}
