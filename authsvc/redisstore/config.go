package redisstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/keys/redisclient"
	"github.com/sealring-dev/sealring/tokens"
)

// ErrConfig says that a Config can not be used.
var ErrConfig = errors.New("unusable configuration")

// DefaultTimeout is that of Config and of LogConfig: with what the service does
// beside it, a write is answered within 300 ms.
const DefaultTimeout = 250 * time.Millisecond

// Config says where the states are.
type Config struct {
	// Client reaches Redis: a *redis.Client of one server or of Sentinel, or
	// a *redis.ClusterClient, best one of package redisclient. It may serve
	// other stores too, and is not closed here. Its option ContextTimeoutEnabled
	// must be set: without it go-redis waits for its own timeouts, five seconds
	// by default and several times over, whatever the deadline of a call.
	// Required.
	Client redis.UniversalClient
	// Born tells since when the Redis that keeps this session has forgotten
	// nothing: on a cluster each shard has its own time. A token issued before
	// then, of a session of which nothing is kept, is authsvc.StateLost. It is
	// called for every presentation and must not block. Required, unless
	// AdoptLost is set.
	Born func(tokens.ID) time.Time
	// Buckets tells in how many buckets the states are, such as Log.Buckets:
	// the same for all who go by them, now and as long as they are kept. 0: not
	// known, nothing can be presented. It must not block. Required.
	Buckets func() uint32
	// AdoptLost accepts such tokens all the same, and with them, after a loss,
	// those of sessions whose revocation nobody remembers. False: Born decides.
	AdoptLost bool
	// Timeout is the longest that a presentation waits. Zero: DefaultTimeout.
	Timeout time.Duration
	// Away tells that Redis does not answer, such as Log.Away: nobody waits for
	// it then. Zero: every presentation finds out for itself.
	Away func() bool
}

func (c Config) check() error {
	switch {
	case c.Client == nil:
		return fmt.Errorf("%w: Client is missing", ErrConfig)
	case c.Born == nil && !c.AdoptLost:
		return fmt.Errorf("%w: Born is missing", ErrConfig)
	case c.Buckets == nil:
		return fmt.Errorf("%w: Buckets is missing", ErrConfig)
	case c.Timeout < 0:
		return fmt.Errorf("%w: Timeout is negative", ErrConfig)
	}
	return checkClient(c.Client)
}

func checkClient(client redis.UniversalClient) error {
	if err := redisclient.Check(client); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}
