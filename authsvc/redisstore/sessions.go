package redisstore

import (
	"cmp"
	"context"
	_ "embed" // the step
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// ErrUnavailable says that Redis did not answer in time, or refused. The step
// may have been made, but is not made later.
var ErrUnavailable = errors.New("the Redis of the refresh states can not be used")

// errLate: the step came to its turn after its deadline and was not made.
var errLate = fmt.Errorf("%w: the step came too late", ErrUnavailable)

// errUnplaced: the number of buckets is not known, so nothing was asked.
var errUnplaced = errors.New("it was not reached yet")

var (
	//go:embed state.lua
	stateScript string // what the others begin with
	//go:embed step.lua
	stepScript string
	//go:embed settle.lua
	settleScript string
)

const (
	// latest is the last time, in Unix milliseconds, that a state has room for:
	// in the year 10889.
	latest = 1<<48 - 1
	// longest is the time between a token and its parent, in milliseconds, that
	// a state has room for: 34 years.
	longest = 1<<40 - 1
	// attempts is how often a step is sent that came too late: the first of all
	// does, because the time in Redis is not known yet.
	attempts = 3
)

// Sessions keeps the refresh states in Redis. It is safe for concurrent use
// and has nothing to close but the client it was given.
type Sessions struct {
	client  redis.UniversalClient
	step    *redis.Script
	settle  *redis.Script
	buckets func() uint32
	born    func(tokens.ID) time.Time
	adopt   bool
	away    func() bool
	timeout time.Duration
	clock   clock
}

var _ authsvc.Sessions = (*Sessions)(nil)

// NewSessions makes Sessions of the states that Redis holds. It asks Redis
// nothing. ErrConfig.
func NewSessions(cfg Config) (*Sessions, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("opening the refresh states in Redis: %w", err)
	}
	return &Sessions{
		client:  cfg.Client,
		step:    redis.NewScript(stateScript + stepScript),
		settle:  redis.NewScript(stateScript + settleScript),
		buckets: cfg.Buckets,
		born:    cfg.Born,
		adopt:   cfg.AdoptLost,
		away:    cfg.Away,
		timeout: cmp.Or(cfg.Timeout, DefaultTimeout),
	}, nil
}

// Present implements authsvc.Sessions. Errors: authsvc.ErrBadPresentation,
// authsvc.ErrStoreClosed once the client was closed, or ErrUnavailable, with
// the error of ctx if that has ended, and with authsvc.ErrUnanswered if the
// step may have been made; it is not made after Present has returned.
func (s *Sessions) Present(ctx context.Context, p authsvc.Presentation) (authsvc.Outcome, error) {
	if err := validate(p); err != nil {
		return authsvc.Outcome{}, fmt.Errorf("presenting: %w", err)
	}
	if s.away != nil && s.away() {
		return authsvc.Outcome{}, fmt.Errorf("presenting: %w", ErrUnavailable)
	}
	params := authsvc.Params{Adopt: s.adopt}
	if !s.adopt {
		params.Born = s.born(p.SessionID).UnixMilli()
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	out, err := s.try(ctx, p, params)
	for i := 1; errors.Is(err, errLate) && i < attempts; i++ {
		out, err = s.try(ctx, p, params)
	}
	switch {
	case errors.Is(err, redis.ErrClosed):
		return out, authsvc.ErrStoreClosed
	case err != nil:
		return out, fmt.Errorf("presenting: %w", err)
	}
	return out, nil
}

// try makes the step if it comes to its turn while half of the time is left:
// the other half is for the answer.
func (s *Sessions) try(ctx context.Context, p authsvc.Presentation, params authsvc.Params) (authsvc.Outcome, error) {
	until, _ := ctx.Deadline()
	args := arguments(p, params, s.clock.in(time.Until(until)/2))
	answer, err := s.run(ctx, s.step, p.SessionID, args)
	if err != nil {
		return authsvc.Outcome{}, unavailable(err)
	}
	out, now, err := outcome(p.SessionID, answer)
	if now != 0 {
		s.clock.set(now)
	}
	return out, err
}

// run runs a script on the state of a session, which is in one bucket.
func (s *Sessions) run(ctx context.Context, script *redis.Script, sid tokens.ID, args []any) ([]int64, error) {
	n := s.buckets()
	if n == 0 {
		return nil, errUnplaced
	}
	return script.Run(ctx, s.client, []string{bucketKey(sid, n)}, args...).Int64Slice()
}

// unavailable tells an error after which a script may have run from one after
// which it did not: nobody was reached, or Redis has refused.
func unavailable(err error) error {
	var dial *net.OpError
	var refused redis.Error
	if errors.Is(err, errUnplaced) || errors.As(err, &refused) || errors.Is(err, redis.ErrPoolTimeout) || errors.As(err, &dial) && dial.Op == "dial" {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w: %w", ErrUnavailable, authsvc.ErrUnanswered, err)
}

// Settle implements authsvc.Sessions. Errors as for Present.
func (s *Sessions) Settle(ctx context.Context, p authsvc.Presentation, granted time.Time) (authsvc.Outcome, error) {
	if err := validate(p); err != nil {
		return authsvc.Outcome{}, fmt.Errorf("settling: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	answer, err := s.run(ctx, s.settle, p.SessionID, settleArguments(p, granted.UnixMilli()))
	switch {
	case errors.Is(err, redis.ErrClosed):
		return authsvc.Outcome{}, authsvc.ErrStoreClosed
	case err != nil:
		return authsvc.Outcome{}, fmt.Errorf("settling: %w", unavailable(err))
	}
	out, _, err := outcome(p.SessionID, append(answer, 1))
	return out, err
}

// Now implements authsvc.Sessions: the time in Redis, from its last answer, or
// here before the first.
func (s *Sessions) Now() time.Time {
	if ms := s.clock.in(0); ms != 0 {
		return time.UnixMilli(ms)
	}
	return time.Now()
}

// settleArguments are the ARGV of settle.lua.
func settleArguments(p authsvc.Presentation, granted int64) []any {
	return []any{
		p.Generation, p.IssuedAt, retryHash(p), p.Bound, cmp.Or(p.Grace, authsvc.DefaultGrace).Milliseconds(), granted,
		endOf(p), p.ParentIssuedAt, p.FirstAttempt, p.LastAttempt, bucketField(p.SessionID),
	}
}

// endOf is the Exp of an entry that revokes the session.
func endOf(p authsvc.Presentation) uint32 {
	return revocation.SessionEntry(p.SessionID, p.SessionEnd, p.SessionEnd).Exp
}

func validate(p authsvc.Presentation) error {
	if p.IssuedAt > latest || p.Generation > 0 && p.IssuedAt-p.ParentIssuedAt > longest {
		return fmt.Errorf("token times: %w", authsvc.ErrBadPresentation)
	}
	return p.Validate()
}

// arguments are the ARGV of the step. After the deadline, by the clock of
// Redis, it is not made.
func arguments(p authsvc.Presentation, params authsvc.Params, deadline int64) []any {
	born := params.Born
	if params.Adopt {
		born = 0 // no token is older
	}
	return []any{
		p.Generation, p.IssuedAt, p.ParentIssuedAt,
		retryHash(p), p.Bound, cmp.Or(p.Grace, authsvc.DefaultGrace).Milliseconds(),
		p.FirstAttempt, p.LastAttempt, endOf(p), born, deadline, bucketField(p.SessionID),
	}
}

// retryHash is the begin of the one in authsvc.State; "" without an id. To
// guess one ends the session, unless it is right at the first attempt.
func retryHash(p authsvc.Presentation) []byte {
	if p.Retry == [8]byte{} {
		return nil
	}
	return p.Retry[:retryBytes]
}

// outcome reads the answer of the step: a verdict and its row, with the newest
// token or with the times of the revocation, and the time in Redis.
func outcome(sid tokens.ID, answer []int64) (out authsvc.Outcome, now int64, err error) {
	n := len(answer)
	if n < 2 || answer[0] < 0 || answer[0] > int64(authsvc.StateLost) {
		return out, 0, fmt.Errorf("reading an answer of the step: %w", ErrUnavailable)
	}
	now, out.Verdict = answer[n-1], authsvc.Verdict(answer[0])
	if n > 2 {
		out.Row = uint8(answer[1])
	}
	switch v := out.Verdict; {
	case n == 6 && v.Granted():
		out.Generation, out.IssuedAt, out.ParentIssuedAt = uint32(answer[2]), answer[3], answer[4]
		return out, now, nil
	case n == 6 && v == authsvc.Theft, n == 5 && v == authsvc.Revoked:
		out.Revocation = revocation.Entry{Type: revocation.Session, ID: sid, T: uint32(answer[2]), Exp: uint32(answer[3])}
		if v == authsvc.Theft {
			out.Generation = uint32(answer[4])
		}
		return out, now, nil
	case n == 2 && v == authsvc.StateLost:
		return out, now, nil
	case n == 2 && v == 0:
		return authsvc.Outcome{}, now, errLate
	}
	return authsvc.Outcome{}, 0, fmt.Errorf("reading an answer of the step: %w", ErrUnavailable)
}
