package boltstore

import (
	"context"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// sweepRead and sweepWrite bound what one transaction of the sweeper
	// looks at and removes, so that nobody waits for it for long.
	sweepRead  = 4096
	sweepWrite = 512
	// sweepAfter is how long things stay beyond their expiry: whoever judges
	// a token may allow for a clock that is behind.
	sweepAfter = 10 * time.Minute
)

// sweepEvery removes what has expired, now and then.
func (s *Store) sweepEvery(d time.Duration) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.sweep(s.now().Add(-sweepAfter)) // a fault shows where somebody waits for an answer
		case <-s.stop:
			return
		}
	}
}

// sweep removes every entry, refresh state and cell that had expired by a time.
func (s *Store) sweep(by time.Time) {
	s.sweepBucket(entryBucket, entryExpiry, by)
	s.sweepBucket(refreshBucket, stateExpiry, by)
	s.sweepBucket(dataBucket, cellExpiry, by)
}

// expiry returns the expiry of a record, Unix seconds.
type expiry func(key, value []byte) (uint32, error)

func entryExpiry(k, v []byte) (uint32, error) {
	e, _, err := parseEntry(k, v)
	return e.Exp, err
}

func stateExpiry(k, v []byte) (uint32, error) {
	_, end, err := parseState(k, v)
	return end, err
}

func (s *Store) sweepBucket(bucket []byte, of expiry, by time.Time) {
	var from []byte
	for more := true; more; {
		select {
		case <-s.stop:
			return
		default:
		}
		keys, next, err := s.findExpired(bucket, of, by, from)
		if err != nil || s.remove(bucket, of, by, keys) != nil {
			return // the next round begins anew
		}
		from, more = next, next != nil
	}
}

// findExpired looks at some records from a key on, and returns the keys of
// the expired ones and where to go on, nil at the end.
func (s *Store) findExpired(bucket []byte, of expiry, by time.Time, from []byte) (keys [][]byte, next []byte, err error) {
	err = s.view(context.Background(), func(tx *bolt.Tx) error {
		c := tx.Bucket(bucket).Cursor()
		k, v := c.Seek(from)
		for n := 0; k != nil; k, v = c.Next() {
			if n++; n > sweepRead || len(keys) == sweepWrite {
				next = append([]byte(nil), k...)
				return nil
			}
			exp, err := of(k, v)
			if err != nil {
				return err
			}
			if int64(exp) <= by.Unix() {
				keys = append(keys, append([]byte(nil), k...))
			}
		}
		return nil
	})
	return keys, next, err
}

// remove deletes the records that are still expired: one may have been raised
// in between.
func (s *Store) remove(bucket []byte, of expiry, by time.Time, keys [][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	return s.update(func(tx *bolt.Tx) error {
		for _, k := range keys {
			v := tx.Bucket(bucket).Get(k)
			if v == nil {
				continue
			}
			if exp, err := of(k, v); err != nil || int64(exp) > by.Unix() {
				continue
			}
			if err := removeRecord(tx, bucket, k, v); err != nil {
				return err
			}
		}
		return nil
	})
}

func removeRecord(tx *bolt.Tx, bucket, k, v []byte) error {
	if string(bucket) == string(entryBucket) {
		_, at, err := parseEntry(k, v)
		if err != nil {
			return err
		}
		if err := tx.Bucket(logBucket).Delete(cursorKey(at)); err != nil {
			return err
		}
	}
	return tx.Bucket(bucket).Delete(k)
}
