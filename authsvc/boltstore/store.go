package boltstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/revocation"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Options are what Open may be told. The zero Options are right for a
// service.
type Options struct {
	// Now is the clock that appends, presentations and expiry go by. Nil:
	// time.Now.
	Now func() time.Time
	// Sweep is how often expired entries and refresh states are removed.
	// Zero: 1 min.
	Sweep time.Duration
	// AdoptLost accepts a refresh token that is older than the file and of
	// which the file knows nothing. False: authsvc.StateLost, since the
	// store that knew whether its session was revoked is gone.
	AdoptLost bool
}

// Store is an open store file. It is safe for concurrent use.
type Store struct {
	db    *bolt.DB
	now   func() time.Time
	adopt bool
	meta  meta // epoch and birth; its cursor is that of the opening

	jobs  chan *job
	stop  chan struct{} // closed by Close
	close func() error
	tasks sync.WaitGroup // the committer and the sweeper

	// order is held by whoever changes the log and tells the followers, or
	// joins them: all of them see one sequence. The two after it are under it.
	order     chan struct{}
	delivered revocation.Cursor // what the followers have
	unsure    bool              // a commit failed: the file may hold more than delivered

	followers followers

	update func(func(*bolt.Tx) error) error // a guarded db.Update; tests let it fail
}

var (
	_ authsvc.Log      = (*Store)(nil)
	_ authsvc.Sessions = (*Store)(nil)
	_ authsvc.Data     = (*Store)(nil)
)

// Open opens the store file at path, or makes it, readable by its owner
// alone. One process has it open at a time: ErrLocked after a second of
// waiting for another. ErrPermission, if others could read or write the file,
// or it is none; ErrDamaged, ErrFormat for content that is not as this package
// left it. All of it is read and checked first, about a second for a million
// entries. Call Close.
func Open(path string, opt Options) (*Store, error) {
	s := &Store{
		now:   opt.Now,
		adopt: opt.AdoptLost,
		jobs:  make(chan *job),
		stop:  make(chan struct{}),
		order: make(chan struct{}, 1),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if opt.Sweep == 0 {
		opt.Sweep = time.Minute
	}
	if err := s.open(path); err != nil {
		return nil, fmt.Errorf("opening store %s: %w", path, err)
	}
	s.delivered = s.meta.last
	s.close = sync.OnceValue(s.shut)
	s.tasks.Go(s.commitAll)
	s.tasks.Go(func() { s.sweepEvery(opt.Sweep) })
	return s, nil
}

// Close ends every Follow, waits for what is being written and closes the
// file. What still waits to be written gets authsvc.ErrStoreClosed, as does
// every later call. It must not be called from within a delivery.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	close(s.stop)
	s.tasks.Wait()
	if err := guard(s.db.Close); err != nil {
		return fmt.Errorf("closing store: %w", err)
	}
	return nil
}

// view runs a function on one consistent state of the file.
func (s *Store) view(ctx context.Context, f func(*bolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return closedError(guard(func() error { return s.db.View(f) }))
}

func closedError(err error) error {
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return authsvc.ErrStoreClosed
	}
	return err
}
