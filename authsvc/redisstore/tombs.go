package redisstore

import (
	"context"
	_ "embed" // the script
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

//go:embed tomb.lua
var tombScript string

// tombs writes the tombstones of revoked sessions beside their refresh states,
// so that logout wins the race with a refresh at another replica that has not
// heard of it yet. It is no more than that: whoever has heard of it asks no
// state at all.
type tombs struct {
	client  redis.UniversalClient
	buckets func() uint32
	script  *redis.Script
}

func newTombs(client redis.UniversalClient, buckets func() uint32) *tombs {
	return &tombs{client, buckets, redis.NewScript(stateScript + tombScript)}
}

const tombBatch = 500

// write ends the sessions that the entries revoke.
func (t *tombs) write(ctx context.Context, entries []revocation.Entry) error {
	for batch := range slices.Chunk(entries, tombBatch) {
		err := t.send(ctx, batch, t.script.EvalSha)
		if redis.HasErrorPrefix(err, "NOSCRIPT") { // on some server; it knows it by this
			err = t.send(ctx, batch, t.script.Eval)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return nil
}

func (t *tombs) send(ctx context.Context, entries []revocation.Entry, run evaluation) error {
	buckets := t.buckets()
	if buckets == 0 {
		return errUnplaced
	}
	_, err := t.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, e := range entries {
			run(ctx, p, []string{bucketKey(e.ID, buckets)}, tombArguments(e)...)
		}
		return nil
	})
	return err
}

// tombArguments are the ARGV of tomb.lua.
func tombArguments(e revocation.Entry) []any { return []any{e.T, e.Exp, bucketField(e.ID)} }

// evaluation is a way to run a script: by its text or by its hash.
type evaluation func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

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
