package ringredis

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/redisclient"
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
	// MarkPath is the file of the highest generation seen, one to each
	// process, in a folder that exists. Empty: there is none, and a restarted
	// process does not notice that Redis went back meanwhile.
	MarkPath string
	// Timeout is the longest wait for one answer of Redis. Zero: DefaultTimeout.
	Timeout time.Duration
	// Poll is how often Watch looks, give or take a quarter. Zero: DefaultPoll.
	Poll time.Duration
}

func (c Config) check() error {
	switch {
	case c.Client == nil:
		return fmt.Errorf("%w: Client is missing", ErrConfig)
	case c.Namespace == "":
		return fmt.Errorf("%w: Namespace is missing", ErrConfig)
	case c.Master.ID() == "":
		return fmt.Errorf("%w: Master is missing", ErrConfig)
	case c.Timeout < 0 || c.Poll < 0:
		return fmt.Errorf("%w: Timeout or Poll is negative", ErrConfig)
	}
	if err := ringfile.CheckNamespace(c.Namespace); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if err := redisclient.Check(c.Client); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}
