package authsvc

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

// refusals is a Log that remembers whether its last append was refused: a
// service whose disk is full verifies and refreshes on, and nobody can log out.
type refusals struct {
	Log
	now  func() time.Time
	last atomic.Pointer[refusal] // nil: it was not
}

// refusal is since when appends fail, and why the last one has.
type refusal struct {
	since time.Time
	err   error
}

// Append implements Log.
func (r *refusals) Append(ctx context.Context, entries ...revocation.Entry) error {
	err := r.Log.Append(ctx, entries...)
	switch before := r.last.Load(); {
	case err == nil || errors.Is(err, ErrNotShared):
		r.last.Store(nil)
	case errors.Is(err, revocation.ErrInvalid):
	case before != nil:
		r.last.Store(&refusal{before.since, err})
	default:
		r.last.Store(&refusal{r.now(), err})
	}
	return err
}
