package redisstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed" // the step
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// ErrUnavailable says that Redis did not answer in time, or refused. The step
// may have been made.
var ErrUnavailable = errors.New("the Redis of the refresh states can not be used")

//go:embed step.lua
var stepScript string

const (
	// latest is the last time, in Unix milliseconds, that a state has room for:
	// in the year 10889.
	latest = 1<<48 - 1
	// linger is how much longer than its session a state is kept: the clock of
	// Redis may be ahead of ours, and a state that goes early would let
	// replaced tokens in again.
	linger = time.Minute
)

// Sessions keeps the refresh states in Redis. It is safe for concurrent use
// and has nothing to close but the client it was given.
type Sessions struct {
	client  redis.UniversalClient
	step    *redis.Script
	born    func(tokens.ID) time.Time
	adopt   bool
	timeout time.Duration
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
		step:    redis.NewScript(stepScript),
		born:    cfg.Born,
		adopt:   cfg.AdoptLost,
		timeout: cmp.Or(cfg.Timeout, DefaultTimeout),
	}, nil
}

// Present implements authsvc.Sessions. Errors: authsvc.ErrBadPresentation,
// authsvc.ErrStoreClosed once the client was closed, that of ctx, or
// ErrUnavailable.
func (s *Sessions) Present(ctx context.Context, p authsvc.Presentation) (authsvc.Outcome, error) {
	if err := validate(p); err != nil {
		return authsvc.Outcome{}, fmt.Errorf("presenting: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return authsvc.Outcome{}, err
	}
	params := authsvc.Params{Adopt: s.adopt}
	if !s.adopt {
		params.Born = s.born(p.SessionID).UnixMilli()
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	answer, err := s.step.Run(ctx, s.client, []string{stateKey(p.SessionID)}, arguments(p, params)...).Int64Slice()
	switch {
	case errors.Is(err, redis.ErrClosed):
		return authsvc.Outcome{}, authsvc.ErrStoreClosed
	case err != nil:
		return authsvc.Outcome{}, fmt.Errorf("presenting: %w: %w", ErrUnavailable, err)
	}
	return outcome(p.SessionID, answer)
}

func validate(p authsvc.Presentation) error {
	if p.IssuedAt > latest { // its parent is older
		return fmt.Errorf("token times: %w", authsvc.ErrBadPresentation)
	}
	return p.Validate()
}

func stateKey(sid tokens.ID) string { return "sr:f:" + string(sid[:]) }

// arguments are the ARGV of the step.
func arguments(p authsvc.Presentation, params authsvc.Params) []any {
	born := params.Born
	if params.Adopt {
		born = 0 // no token is older
	}
	return []any{
		p.Generation, p.IssuedAt, p.ParentIssuedAt,
		retryHash(p), p.Bound, cmp.Or(p.Grace, authsvc.DefaultGrace).Milliseconds(),
		p.SessionEnd.Add(linger).UnixMilli(), revocation.SessionEntry(p.SessionID, p.SessionEnd, p.SessionEnd).Exp, born,
	}
}

// retryHash is that of authsvc.State; "" without an id.
func retryHash(p authsvc.Presentation) []byte {
	if p.RetryID == "" {
		return nil
	}
	sum := sha256.Sum256(append(p.SessionID[:], p.RetryID...))
	return sum[:8]
}

// outcome reads the answer of the step: a verdict with the newest token, or
// with the times of the revocation.
func outcome(sid tokens.ID, answer []int64) (out authsvc.Outcome, err error) {
	if len(answer) > 0 && answer[0] <= int64(authsvc.StateLost) {
		out.Verdict = authsvc.Verdict(answer[0])
	}
	switch n := len(answer); {
	case n == 4 && out.Verdict.Granted():
		out.Generation, out.IssuedAt, out.ParentIssuedAt = uint32(answer[1]), answer[2], answer[3]
	case n == 3 && (out.Verdict == authsvc.Theft || out.Verdict == authsvc.Revoked):
		out.Revocation = revocation.Entry{Type: revocation.Session, ID: sid, T: uint32(answer[1]), Exp: uint32(answer[2])}
	case n == 1 && out.Verdict == authsvc.StateLost:
	default:
		return authsvc.Outcome{}, fmt.Errorf("reading an answer of the step: %w", ErrUnavailable)
	}
	return out, nil
}
