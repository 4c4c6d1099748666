package ringredis_test

import (
	"context"
	"net"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// meddler stands between the ring and Redis and does something before or
// after the next write is carried out, once.
type meddler struct {
	mu            sync.Mutex
	before, after func() error // an error is what the writer gets to see
}

// isWrite tells the compare-and-set, which has two arguments, from a look.
func isWrite(cmd redis.Cmder) bool {
	args := cmd.Args()
	return len(args) == 6 && strings.HasPrefix(cmd.Name(), "eval")
}

func (m *meddler) take(f *func() error) func() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	do := *f
	*f = nil
	if do == nil {
		return func() error { return nil }
	}
	return do
}

func (m *meddler) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !isWrite(cmd) {
			return next(ctx, cmd)
		}
		if err := m.take(&m.before)(); err != nil {
			cmd.SetErr(err)
			return err
		}
		err := next(ctx, cmd)
		if err == nil {
			if err = m.take(&m.after)(); err != nil {
				cmd.SetErr(err)
			}
		}
		return err
	}
}

func (m *meddler) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (m *meddler) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
