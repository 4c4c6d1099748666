package boltstore

import (
	"fmt"

	"github.com/sealring-dev/sealring/tokens/revocation"
	bolt "go.etcd.io/bbolt"
)

const format = 1

// meta is what a file says about itself.
type meta struct {
	epoch uint64            // of its log; random, never zero
	born  int64             // when it was made, Unix milliseconds
	last  revocation.Cursor // of the newest append; it outlives the entry
}

var (
	formatKey = []byte("format")
	epochKey  = []byte("epoch")
	bornKey   = []byte("born")
	lastKey   = []byte("last")
)

func (m meta) create(b *bolt.Bucket) error {
	values := map[string][]byte{
		string(formatKey): {format},
		string(epochKey):  big.AppendUint64(nil, m.epoch),
		string(bornKey):   big.AppendUint64(nil, uint64(m.born)),
		string(lastKey):   cursorKey(m.last),
	}
	for k, v := range values {
		if err := b.Put([]byte(k), sealed([]byte(k), v)); err != nil {
			return err
		}
	}
	return nil
}

// readMeta refuses another format before it looks at anything else.
func readMeta(b *bolt.Bucket) (m meta, err error) {
	if b == nil {
		return m, fmt.Errorf("no meta data: %w", ErrFormat)
	}
	f, err := metaValue(b, formatKey, 1)
	if err != nil {
		return m, err
	}
	if f[0] != format {
		return m, fmt.Errorf("format %d: %w", f[0], ErrFormat)
	}
	epoch, err := metaValue(b, epochKey, 8)
	if err != nil {
		return m, err
	}
	born, err := metaValue(b, bornKey, 8)
	if err != nil {
		return m, err
	}
	last, err := metaValue(b, lastKey, cursorLen)
	if err != nil {
		return m, err
	}
	return meta{epoch: big.Uint64(epoch), born: int64(big.Uint64(born)), last: parseCursor(last)}, nil
}

func metaValue(b *bolt.Bucket, key []byte, n int) ([]byte, error) {
	return opened(metaBucket, key, b.Get(key), len(key), n)
}

func lastCursor(tx *bolt.Tx) (revocation.Cursor, error) {
	v, err := metaValue(tx.Bucket(metaBucket), lastKey, cursorLen)
	if err != nil {
		return revocation.Cursor{}, err
	}
	return parseCursor(v), nil
}

func putLastCursor(tx *bolt.Tx, c revocation.Cursor) error {
	return tx.Bucket(metaBucket).Put(lastKey, sealed(lastKey, cursorKey(c)))
}
