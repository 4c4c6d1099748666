package main

import (
	"context"
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
