package boltstore

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	bolt "go.etcd.io/bbolt"
)

// Read implements authsvc.Data.
func (s *Store) Read(ctx context.Context, sid tokens.ID, names ...string) ([][]byte, error) {
	cells := make([][]byte, len(names))
	err := s.view(ctx, func(tx *bolt.Tx) error {
		for i, name := range names {
			cell, err := getCell(tx, sid, name, s.now())
			if err != nil {
				return err
			}
			cells[i] = bytes.Clone(cell)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return cells, nil
}

// Write implements authsvc.Data.
func (s *Store) Write(ctx context.Context, sid tokens.ID, head []byte, cells map[string][]byte, end time.Time) (bool, error) {
	if err := authsvc.CheckCells(cells); err != nil {
		return false, fmt.Errorf("writing data: %w", err)
	}
	written := make(chan bool, 1)
	err := s.submit(ctx, func(c *change) error {
		is, err := getCell(c.tx, sid, authsvc.DataHead, c.now)
		if err != nil {
			return err
		}
		same := bytes.Equal(is, head) && (is == nil) == (head == nil)
		written <- same
		if !same {
			return nil
		}
		c.dirty = true
		return putCells(c.tx, sid, cells, endSeconds(end))
	})
	if err != nil {
		return false, err
	}
	return <-written, nil
}

func cellKey(sid tokens.ID, name string) []byte { return append(sid[:len(sid):len(sid)], name...) }

// getCell returns a cell, which is the file's own memory; nil if there is none,
// or its session has ended.
func getCell(tx *bolt.Tx, sid tokens.ID, name string, now time.Time) ([]byte, error) {
	key := cellKey(sid, name)
	v := tx.Bucket(dataBucket).Get(key)
	if v == nil {
		return nil, nil
	}
	cell, end, err := parseCell(key, v)
	if err != nil || int64(end) <= now.Unix() {
		return nil, err
	}
	return cell, nil
}

func putCells(tx *bolt.Tx, sid tokens.ID, cells map[string][]byte, end uint32) error {
	b := tx.Bucket(dataBucket)
	for name, cell := range cells {
		key := cellKey(sid, name)
		var err error
		if cell == nil {
			err = b.Delete(key)
		} else {
			err = b.Put(key, sealed(key, append(big.AppendUint32(make([]byte, 0, len(cell)+8), end), cell...)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func parseCell(key, value []byte) (cell []byte, end uint32, err error) {
	if len(key) < sidLen || len(value) < 8 {
		return nil, 0, fmt.Errorf("%w (a record of %s)", ErrDamaged, dataBucket)
	}
	v, err := opened(dataBucket, key, value, len(key), len(value)-4)
	if err != nil {
		return nil, 0, err
	}
	return v[4:], big.Uint32(v), nil
}

func cellExpiry(k, v []byte) (uint32, error) {
	_, end, err := parseCell(k, v)
	return end, err
}
