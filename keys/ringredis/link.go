package ringredis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/keys/ringfile"
)

// Errors of the way to Redis.
var (
	// ErrUnavailable: Redis did not answer in time, or refused. Nothing is known
	// about the ring in it, and nothing was changed.
	ErrUnavailable = errors.New("the ring's Redis can not be used")
	// ErrUnknown: Redis did not say whether it carried a change out.
	ErrUnknown = errors.New("it is not known whether the change was written")
)

// errOvertaken is ErrUnknown where another ring was found: made of the one
// that was to be written, or in its place.
var errOvertaken = fmt.Errorf("%w: another ring is there by now", ErrUnknown)

const (
	// maxValue is a generation's 20 digits, a colon, and a sealed ring.
	// GETRANGE gives one byte more, so that what is too long is not taken for
	// its beginning.
	maxValue = 21 + ringfile.MaxBytes
	// attempts is how often a write is sent until it is answered.
	attempts = 3
)

// readScript returns the value, cut off where it is too long, or "". It is a
// script because scripts go to the primary.
const readScript = `return redis.call('GETRANGE', KEYS[1], 0, ARGV[1])`

// swapScript puts ARGV[2] in the place of ARGV[1] ("" for none), and says
// whether ARGV[2] is there. It may be repeated.
const swapScript = `
local now = redis.call('GET', KEYS[1]) or ''
if now == ARGV[2] then return 1 end
if now ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`

// link reads and swaps one string in Redis.
type link struct {
	client     redis.UniversalClient
	key        string
	timeout    time.Duration
	read, swap *redis.Script
}

func newLink(client redis.UniversalClient, namespace string, timeout time.Duration) *link {
	return &link{
		client: client, key: "sr:{" + namespace + "}:ks", timeout: timeout,
		read: redis.NewScript(readScript), swap: redis.NewScript(swapScript),
	}
}

// get returns the value, "" if there is none.
func (l *link) get(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	value, err := l.read.Run(ctx, l.client, []string{l.key}, maxValue).Text()
	switch {
	case err != nil && strings.Contains(err.Error(), "WRONGTYPE"):
		return "", fmt.Errorf("%w: the key holds something else than a string", ringfile.ErrDamaged)
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return value, nil
}

// put puts next in the place of was and reports whether it is there now.
// false without an error: another value was found, and next will never be
// written. It keeps asking for an answer, some timeouts long, even if ctx ends
// meanwhile, since the write may be under way; if there is none: ErrUnknown. If
// another value was found only after some silence: errOvertaken.
func (l *link) put(ctx context.Context, was, next string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	ctx = context.WithoutCancel(ctx)
	done, err := l.try(ctx, was, next)
	silent := err != nil
	for i := 1; err != nil && i < attempts; i++ {
		done, err = l.try(ctx, was, next)
	}
	switch {
	case err != nil:
		return false, fmt.Errorf("%w: %w", ErrUnknown, err)
	case silent && !done:
		return false, errOvertaken
	}
	return done, nil
}

func (l *link) try(ctx context.Context, was, next string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	return l.swap.Run(ctx, l.client, []string{l.key}, was, next).Bool()
}

// publish wakes the others. If it fails they look by themselves.
func (l *link) publish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	_ = l.client.Publish(ctx, l.key, "").Err()
}
