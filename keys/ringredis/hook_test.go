package ringredis_test

import (
	"context"
	"net"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// meddler stands between the ring and Redis and does something before each
// look, and, once, before or after the next write is carried out.
type meddler struct {
	mu            sync.Mutex
	look          func() error // an error is what the looker gets to see
	before, after func() error // and the writer
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
		if !strings.HasPrefix(cmd.Name(), "eval") {
			return next(ctx, cmd)
		}
		err := m.meddle(cmd, &m.before)
		if err == nil {
			err = next(ctx, cmd)
		}
		if err == nil && isWrite(cmd) {
			err = m.meddle(cmd, &m.after)
		}
		if err != nil {
			cmd.SetErr(err)
		}
		return err
	}
}

func (m *meddler) meddle(cmd redis.Cmder, f *func() error) error {
	if isWrite(cmd) {
		return m.take(f)()
	}
	if m.look == nil {
		return nil
	}
	return m.look()
}

func (m *meddler) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (m *meddler) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
