package redisstore

import (
	"context"
	_ "embed" // the script
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

//go:embed tomb.lua
var tombScript string

// tombs writes the tombstones of revoked sessions beside their refresh states,
// so that logout wins the race with a refresh at another replica that has not
// heard of it yet. It is no more than that: whoever has heard of it asks no
// state at all.
type tombs struct{ client redis.UniversalClient }

func newTombs(client redis.UniversalClient) *tombs { return &tombs{client} }

const tombBatch = 500

// write ends the sessions among the entries.
func (t *tombs) write(ctx context.Context, entries []revocation.Entry) error {
	for len(entries) > 0 {
		n := min(len(entries), tombBatch)
		_, err := t.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, e := range entries[:n] {
				p.Eval(ctx, tombScript, []string{stateKey(e.ID)}, e.T, e.Exp, 0)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		entries = entries[n:]
	}
	return nil
}

func sessionsAmong(entries []revocation.Entry) (sessions []revocation.Entry) {
	for _, e := range entries {
		if e.Type == revocation.Session {
			sessions = append(sessions, e)
		}
	}
	return sessions
}

// entomb writes the tombstones for an append, as far as there is time; the
// channel is closed when that is over. The state of a session in a Redis that
// is away can not be presented either.
func (l *Log) entomb(entries []revocation.Entry) <-chan struct{} {
	over := make(chan struct{})
	sessions := sessionsAmong(entries)
	if len(sessions) == 0 || l.Away() {
		close(over)
		return over
	}
	go func() {
		defer close(over)
		ctx, cancel := context.WithTimeout(l.ctx, l.timeout)
		defer cancel()
		if err := l.tombs.write(ctx, sessions); err != nil {
			l.logger.Warn("writing the tombstone of a session", "err", err)
		}
	}()
	return over
}

// keepTombs writes the tombstones of all revoked sessions anew whenever Redis
// has lost some. A loss while it is at it makes it begin again.
func (l *Log) keepTombs() {
	for {
		select {
		case <-l.untombed:
		case <-l.ctx.Done():
			return
		}
		l.mu.Lock()
		sessions := sessionsAmong(l.known.all(l.now()))
		l.mu.Unlock()
		for len(sessions) > 0 && len(l.untombed) == 0 && l.ctx.Err() == nil {
			n := min(len(sessions), tombBatch)
			ctx, cancel := context.WithTimeout(l.ctx, slowTimeout)
			err := l.tombs.write(ctx, sessions[:n])
			cancel()
			if err != nil {
				l.logger.Warn("writing the tombstones of sessions", "err", err, "left", len(sessions))
				pause(l.ctx, tick)
				continue
			}
			sessions = sessions[n:]
		}
	}
}
