package boltstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/revocation"
	bolt "go.etcd.io/bbolt"
)

// maxGroup is how many jobs share one transaction.
const maxGroup = 1024

// job is one caller's part of a transaction. An error of do fails all of it:
// what can be wrong with a call alone is refused before.
type job struct {
	do   func(*change) error
	done chan error
}

// change is a transaction under way.
type change struct {
	tx    *bolt.Tx
	now   time.Time
	last  revocation.Cursor
	added []revocation.Entry // in the order of their cursors
	dirty bool
}

var errUnchanged = errors.New("nothing to write")

// submit waits for a job to be durable and delivered.
func (s *Store) submit(ctx context.Context, do func(*change) error) error {
	j := &job{do: do, done: make(chan error, 1)}
	select {
	case s.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stop:
		return authsvc.ErrStoreClosed
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commitAll is the one goroutine that changes the log: it takes whatever
// waits, and while it syncs the file the next group gathers.
func (s *Store) commitAll() {
	for {
		select {
		case j := <-s.jobs:
			group := s.gather(j)
			err := s.commit(group)
			for _, j := range group {
				j.done <- err
			}
		case <-s.stop:
			return
		}
	}
}

func (s *Store) gather(first *job) []*job {
	group := []*job{first}
	for len(group) < maxGroup {
		select {
		case j := <-s.jobs:
			group = append(group, j)
		default:
			return group
		}
	}
	return group
}

func (s *Store) commit(group []*job) error {
	s.order <- struct{}{}
	defer func() { <-s.order }()
	if err := s.catchUp(); err != nil {
		return err
	}
	c := &change{now: s.now()}
	err := s.update(func(tx *bolt.Tx) error { return c.run(tx, group) })
	switch {
	case errors.Is(err, errUnchanged):
		return nil
	case err != nil:
		s.unsure = true
		return fmt.Errorf("writing to store: %w", err)
	}
	if len(c.added) > 0 {
		s.deliver(s.delta(s.delivered, c.last, c.now, c.added))
	}
	return nil
}

func (c *change) run(tx *bolt.Tx, group []*job) (err error) {
	c.tx = tx
	if c.last, err = lastCursor(tx); err != nil {
		return err
	}
	for _, j := range group {
		if err := j.do(c); err != nil {
			return err
		}
	}
	if !c.dirty {
		return errUnchanged
	}
	if len(c.added) == 0 {
		return nil
	}
	return putLastCursor(tx, c.last)
}

// catchUp tells the followers what the file holds beyond what they have,
// after a commit that failed: where only its last sync did, its entries are
// there, and a repetition would find nothing left to add or deliver.
func (s *Store) catchUp() error {
	if !s.unsure {
		return nil
	}
	b, err := s.since(context.Background(), s.delivered)
	if err != nil {
		return fmt.Errorf("looking after a failed write: %w", err)
	}
	if b.Frame.Pos.Cursor != s.delivered {
		s.deliver(b)
	}
	s.unsure = false
	return nil
}
