package main

import (
	"context"
	"errors"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

// ringStore is where the key ring is kept: in a file or, for replicas that
// share no disk, in Redis. The methods are safe for concurrent use; Ring and
// Checked never block. Update fails with ringfile.ErrConflict if somebody else
// has changed the ring since the copy was read; plan is then not called.
type ringStore interface {
	Ring() *keys.Ring
	Checked() time.Time
	Update(ctx context.Context, plan func(*keys.Ring) (*keys.Ring, error)) (*keys.Ring, error)
	Rewrap(ctx context.Context) error
	Watch(ctx context.Context, changed func(*keys.Ring), failed func(error)) error
}

var (
	_ ringStore = (*ringfile.File)(nil)
	_ ringStore = (*ringredis.Shared)(nil)
)

// changeRing is authsvc.ChangeRing: what a service decides by itself, it
// decides anew on any ring that somebody else has written meanwhile.
func changeRing(store ringStore) func(context.Context, func(*keys.Ring) (*keys.Ring, error)) (*keys.Ring, error) {
	return func(ctx context.Context, plan func(*keys.Ring) (*keys.Ring, error)) (*keys.Ring, error) {
		for {
			ring, err := store.Update(ctx, plan)
			if !errors.Is(err, ringfile.ErrConflict) || ctx.Err() != nil {
				return ring, err
			}
		}
	}
}

// updateRing is Update for a command. What somebody has decided holds if a running
// service has only counted seals meanwhile, and is refused as a conflict if
// anything else has changed.
func updateRing(ctx context.Context, store ringStore, plan func(*keys.Ring) (*keys.Ring, error)) (*keys.Ring, error) {
	for {
		before := store.Ring()
		ring, err := store.Update(ctx, plan)
		if !errors.Is(err, ringfile.ErrConflict) || !store.Ring().Alike(before) || ctx.Err() != nil {
			return ring, err
		}
	}
}
