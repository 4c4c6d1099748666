package boltstore

import (
	"context"
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/revocation"
	bolt "go.etcd.io/bbolt"
)

// Append implements authsvc.Log.
func (s *Store) Append(ctx context.Context, entries ...revocation.Entry) error {
	if len(entries) > authsvc.MaxAppend {
		return fmt.Errorf("appending %d entries, more than %d: %w", len(entries), authsvc.MaxAppend, revocation.ErrInvalid)
	}
	for _, e := range entries {
		if err := e.Validate(); err != nil {
			return fmt.Errorf("appending: %w", err)
		}
	}
	entries = append([]revocation.Entry(nil), entries...) // the caller may go before the write
	return s.submit(ctx, func(c *change) error {
		for _, e := range entries {
			if err := c.append(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// append merges an entry into the file and gives it a new cursor, unless it
// adds nothing.
func (c *change) append(e revocation.Entry) error {
	if e.Expired(c.now) {
		return nil
	}
	old, at, ok, err := getEntry(c.tx, targetKey(e.Target()))
	if err != nil {
		return err
	}
	if ok {
		if old.Covers(e) { // with Made zero too: only T and Exp make a difference to anybody
			return nil
		}
		if err := c.tx.Bucket(logBucket).Delete(cursorKey(at)); err != nil {
			return err
		}
	}
	if e.Made == 0 {
		e.Made = uint32(c.now.Unix())
	}
	if ok {
		e = e.Merge(old)
	}
	c.last = c.last.Next(uint64(c.now.UnixMilli()))
	c.added, c.dirty = append(c.added, e), true
	return putEntry(c.tx, e, c.last)
}

// Since implements authsvc.Log.
func (s *Store) Since(ctx context.Context, p revocation.Position) (authsvc.Batch, error) {
	if p.Epoch != s.meta.epoch {
		return authsvc.Batch{}, fmt.Errorf("reading on from %v: %w", p, authsvc.ErrUnknownPosition)
	}
	return s.since(ctx, p.Cursor)
}

// AsOf implements authsvc.Log: nobody else appends to the file.
func (s *Store) AsOf() time.Time { return s.now() }

func (s *Store) since(ctx context.Context, prev revocation.Cursor) (b authsvc.Batch, err error) {
	now := s.now()
	err = s.view(ctx, func(tx *bolt.Tx) error {
		last, err := lastCursor(tx)
		if err != nil {
			return err
		}
		if prev.Compare(last) > 0 {
			return fmt.Errorf("reading on from %v: %w", prev, authsvc.ErrUnknownPosition)
		}
		entries, err := entriesAfter(tx, prev, now)
		b = s.delta(prev, last, now, entries)
		return err
	})
	return b, err
}

func (s *Store) delta(prev, last revocation.Cursor, now time.Time, entries []revocation.Entry) authsvc.Batch {
	return authsvc.Batch{Frame: revocation.Frame{
		Kind:      revocation.Delta,
		PrevEpoch: s.meta.epoch,
		Prev:      prev,
		Pos:       revocation.Position{Epoch: s.meta.epoch, Cursor: last},
		AsOf:      now,
		Entries:   entries,
	}}
}

// entriesAfter returns the entries that stand after a cursor in the log, in
// its order, without the expired ones.
func entriesAfter(tx *bolt.Tx, prev revocation.Cursor, now time.Time) (entries []revocation.Entry, err error) {
	c := tx.Bucket(logBucket).Cursor()
	from := cursorKey(prev)
	k, v := c.Seek(from)
	if string(k) == string(from) {
		k, v = c.Next()
	}
	for ; k != nil; k, v = c.Next() {
		target, err := opened(logBucket, k, v, cursorLen, targetLen)
		if err != nil {
			return nil, err
		}
		e, _, ok, err := getEntry(tx, target)
		if err != nil {
			return nil, err
		}
		if ok && !e.Expired(now) {
			entries = append(entries, e)
		}
	}
	return entries, nil
}
