package boltstore

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// check reads every record: its checksum, and that entries and log name each
// other.
func (s *Store) check(tx *bolt.Tx) (err error) {
	if s.meta, err = readMeta(tx.Bucket(metaBucket)); err != nil {
		return err
	}
	for _, name := range [][]byte{entryBucket, logBucket, refreshBucket} {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w (no bucket %s)", ErrDamaged, name)
		}
	}
	entries, err := s.checkEntries(tx)
	if err != nil {
		return err
	}
	logged, err := s.checkLog(tx)
	if err != nil {
		return err
	}
	if entries != logged {
		return fmt.Errorf("%w (%d entries, %d in the log)", ErrDamaged, entries, logged)
	}
	err = tx.Bucket(refreshBucket).ForEach(func(k, v []byte) error {
		_, _, err := parseState(k, v)
		return err
	})
	if err != nil || tx.Bucket(dataBucket) == nil { // see addBuckets
		return err
	}
	return tx.Bucket(dataBucket).ForEach(func(k, v []byte) error {
		_, _, err := parseCell(k, v)
		return err
	})
}

func (s *Store) checkEntries(tx *bolt.Tx) (n int, err error) {
	err = tx.Bucket(entryBucket).ForEach(func(k, v []byte) error {
		n++
		e, at, err := parseEntry(k, v)
		if err != nil {
			return err
		}
		if at.Compare(s.meta.last) > 0 {
			return fmt.Errorf("%w (an entry from the future)", ErrDamaged)
		}
		return e.Validate()
	})
	return n, err
}

func (s *Store) checkLog(tx *bolt.Tx) (n int, err error) {
	err = tx.Bucket(logBucket).ForEach(func(k, v []byte) error {
		n++
		target, err := opened(logBucket, k, v, cursorLen, targetLen)
		if err != nil {
			return err
		}
		_, at, ok, err := getEntry(tx, target)
		if err == nil && (!ok || at != parseCursor(k)) {
			err = fmt.Errorf("%w (the log names an entry that is not there)", ErrDamaged)
		}
		return err
	})
	return n, err
}
