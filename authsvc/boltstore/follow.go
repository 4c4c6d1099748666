package boltstore

import (
	"context"
	"sync"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/revocation"
	bolt "go.etcd.io/bbolt"
)

// follower is one Follow under way. Batches are handed over and answered one
// by one: whoever appends waits for the answer.
type follower struct {
	batches chan authsvc.Batch
	seen    chan struct{}
	gone    chan struct{} // closed when its Follow returns
}

type followers struct {
	sync.Mutex
	all map[*follower]struct{}
}

// Follow implements authsvc.Log.
func (s *Store) Follow(ctx context.Context, deliver func(authsvc.Batch)) error {
	f := &follower{make(chan authsvc.Batch), make(chan struct{}, 1), make(chan struct{})}
	defer s.followers.leave(f)
	tx, now, err := s.join(ctx, f)
	if err != nil {
		return err
	}
	first, err := s.snapshot(tx, now)
	if err != nil {
		return err
	}
	deliver(first)
	for {
		select {
		case b := <-f.batches:
			deliver(b)
			f.seen <- struct{}{}
		case <-ctx.Done():
			return ctx.Err()
		case <-s.stop:
			return authsvc.ErrStoreClosed
		}
	}
}

// join begins to read the file between two appends and makes sure that the
// follower gets all that come after.
func (s *Store) join(ctx context.Context, f *follower) (tx *bolt.Tx, now time.Time, err error) {
	select {
	case s.order <- struct{}{}:
		defer func() { <-s.order }()
	case <-ctx.Done():
		return nil, now, ctx.Err()
	case <-s.stop:
		return nil, now, authsvc.ErrStoreClosed
	}
	if err := s.catchUp(); err != nil {
		return nil, now, err
	}
	now = s.now()
	err = guard(func() error {
		tx, err = s.db.Begin(false)
		return err
	})
	if err == nil {
		s.followers.join(f)
	}
	return tx, now, closedError(err)
}

func (s *Store) snapshot(tx *bolt.Tx, now time.Time) (b authsvc.Batch, err error) {
	err = guard(func() error {
		defer func() { _ = tx.Rollback() }() // of a read: can not fail
		last, err := lastCursor(tx)
		if err != nil {
			return err
		}
		entries, err := entriesAfter(tx, revocation.Cursor{}, now)
		b = authsvc.Batch{Frame: revocation.Frame{
			Kind:    revocation.Snapshot,
			Pos:     revocation.Position{Epoch: s.meta.epoch, Cursor: last},
			AsOf:    now,
			Entries: entries,
		}}
		return err
	})
	return b, err
}

// deliver hands a batch to every follower and waits for all of them. Under
// order.
func (s *Store) deliver(b authsvc.Batch) {
	s.delivered = b.Frame.Pos.Cursor
	all := s.followers.list()
	for _, f := range all {
		select {
		case f.batches <- b:
		case <-f.gone:
		}
	}
	for _, f := range all {
		select {
		case <-f.seen:
		case <-f.gone:
		}
	}
}

func (fs *followers) join(f *follower) {
	fs.Lock()
	defer fs.Unlock()
	if fs.all == nil {
		fs.all = make(map[*follower]struct{})
	}
	fs.all[f] = struct{}{}
}

func (fs *followers) leave(f *follower) {
	fs.Lock()
	defer fs.Unlock()
	delete(fs.all, f)
	close(f.gone)
}

func (fs *followers) list() []*follower {
	fs.Lock()
	defer fs.Unlock()
	all := make([]*follower, 0, len(fs.all))
	for f := range fs.all {
		all = append(all, f)
	}
	return all
}
