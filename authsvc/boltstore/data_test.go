package boltstore

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	bolt "go.etcd.io/bbolt"
)

func write(t *testing.T, s *Store, head []byte, text string, life time.Duration, sid tokens.ID) {
	t.Helper()
	cells := map[string][]byte{authsvc.DataHead: []byte(text), "cart": []byte(text)}
	written, err := s.Write(context.Background(), sid, head, cells, s.now().Add(life))
	if err != nil || !written {
		t.Fatal(written, err)
	}
}

func read(t *testing.T, s *Store, sid tokens.ID) string {
	t.Helper()
	cells, err := s.Read(context.Background(), sid, authsvc.DataHead, "cart")
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.Join(cells, []byte(" ")))
}

// What is left of a session that has ended is nothing, to who asks at once, and
// some time later on the disk.
func TestDataEndsWithItsSession(t *testing.T) {
	c := newClock()
	s := open(t, filepath.Join(t.TempDir(), "store.db"), c)
	short, long := tokens.NewID(), tokens.NewID()
	write(t, s, nil, "a", time.Minute, short)
	write(t, s, nil, "b", time.Hour, long)
	c.pass(2 * time.Minute)
	if got := read(t, s, short) + read(t, s, long); got != " b b" {
		t.Errorf("read %q", got)
	}
	records := func() (n int) {
		s.sweep(c.now().Add(-sweepAfter))
		if err := s.view(t.Context(), func(tx *bolt.Tx) error { n = tx.Bucket(dataBucket).Stats().KeyN; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := records()
	c.pass(sweepAfter)
	if after := records(); before != 4 || after != 2 {
		t.Errorf("%d records, and later %d, want 4 and 2", before, after)
	}
	write(t, s, nil, "c", time.Hour, short) // which begins anew
}

func TestAFileOfBeforeGetsAPlaceForData(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "store.db"), newClock()
	filled(t, path)
	s := open(t, path, c)
	err := s.update(func(tx *bolt.Tx) error { return tx.DeleteBucket(dataBucket) })
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	s, sid := open(t, path, c), tokens.NewID()
	write(t, s, nil, "a", time.Hour, sid)
	if got := read(t, s, sid); got != "a a" {
		t.Errorf("read %q", got)
	}
}

func TestDamagedDataIsNotOpened(t *testing.T) {
	for name, damage := range map[string]func(b *bolt.Bucket, k, v []byte) error{
		"a changed value":     func(b *bolt.Bucket, k, v []byte) error { v[5] ^= 1; return b.Put(k, v) },
		"under another name":  func(b *bolt.Bucket, k, v []byte) error { return b.Put(append(bytes.Clone(k), 'x'), v) },
		"a value cut short":   func(b *bolt.Bucket, k, v []byte) error { return b.Put(k, v[:7]) },
		"a key that is short": func(b *bolt.Bucket, k, v []byte) error { return b.Put([]byte("x"), sealed([]byte("x"), v)) },
	} {
		t.Run(name, func(t *testing.T) {
			path, c := filepath.Join(t.TempDir(), "store.db"), newClock()
			s, sid := open(t, path, c), tokens.NewID()
			write(t, s, nil, "a", time.Hour, sid)
			err := s.update(func(tx *bolt.Tx) error {
				b := tx.Bucket(dataBucket)
				k, v := b.Cursor().First()
				return damage(b, bytes.Clone(k), bytes.Clone(v))
			})
			if err = errors.Join(err, s.Close()); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(path, Options{}); !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v", err)
			}
		})
	}
}
