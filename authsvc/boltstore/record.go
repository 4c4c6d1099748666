package boltstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/revocation"
	bolt "go.etcd.io/bbolt"
)

var (
	metaBucket    = []byte("meta")
	entryBucket   = []byte("entries")
	logBucket     = []byte("log")
	refreshBucket = []byte("refresh")
	dataBucket    = []byte("data")

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	big        = binary.BigEndian
)

// Sizes of keys, and of values without their checksum.
const (
	targetLen  = 17
	cursorLen  = 12
	entryLen   = 4 + 4 + 4 + cursorLen
	sidLen     = 16
	refreshLen = 4 + 8 + 8 + 8 + 4
)

// sealed appends the checksum of key and value to the value.
func sealed(key, value []byte) []byte {
	return big.AppendUint32(value, checksum(key, value))
}

func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// opened returns the value without its checksum, after it was found to fit:
// n bytes long, under a key of k bytes.
func opened(bucket, key, value []byte, k, n int) ([]byte, error) {
	if len(key) != k || len(value) != n+4 || big.Uint32(value[n:]) != checksum(key, value[:n]) {
		return nil, fmt.Errorf("%w (a record of %s)", ErrDamaged, bucket)
	}
	return value[:n], nil
}

func targetKey(t revocation.Target) []byte {
	return append([]byte{byte(t.Type)}, t.ID[:]...)
}

func cursorKey(c revocation.Cursor) []byte {
	return big.AppendUint32(big.AppendUint64(make([]byte, 0, cursorLen), c.Ms), c.Seq)
}

func parseCursor(b []byte) revocation.Cursor {
	return revocation.Cursor{Ms: big.Uint64(b), Seq: big.Uint32(b[8:])}
}

// putEntry stores an entry at a cursor, and the cursor in the log.
func putEntry(tx *bolt.Tx, e revocation.Entry, at revocation.Cursor) error {
	key, cursor := targetKey(e.Target()), cursorKey(at)
	v := make([]byte, 0, entryLen+4)
	v = big.AppendUint32(big.AppendUint32(big.AppendUint32(v, e.T), e.Made), e.Exp)
	v = append(v, cursor...)
	if err := tx.Bucket(entryBucket).Put(key, sealed(key, v)); err != nil {
		return err
	}
	log := tx.Bucket(logBucket)
	log.FillPercent = 0.9 // keys only grow
	return log.Put(cursor, sealed(cursor, append([]byte(nil), key...)))
}

// getEntry returns what is kept of a target, and its cursor.
func getEntry(tx *bolt.Tx, target []byte) (e revocation.Entry, at revocation.Cursor, ok bool, err error) {
	v := tx.Bucket(entryBucket).Get(target)
	if v == nil {
		return e, at, false, nil
	}
	e, at, err = parseEntry(target, v)
	return e, at, err == nil, err
}

func parseEntry(key, value []byte) (e revocation.Entry, at revocation.Cursor, err error) {
	v, err := opened(entryBucket, key, value, targetLen, entryLen)
	if err != nil {
		return e, at, err
	}
	e = revocation.Entry{Type: revocation.Type(key[0]), ID: [16]byte(key[1:]),
		T: big.Uint32(v), Made: big.Uint32(v[4:]), Exp: big.Uint32(v[8:])}
	return e, parseCursor(v[12:]), nil
}

// putState stores the state of a living session until end, Unix seconds.
func putState(tx *bolt.Tx, sid []byte, s authsvc.State, end uint32) error {
	v := make([]byte, 0, refreshLen+4)
	v = big.AppendUint32(v, s.Generation)
	v = big.AppendUint64(v, uint64(s.IssuedAt))
	v = big.AppendUint64(v, uint64(s.ParentIssuedAt))
	v = append(v, s.Retry[:]...)
	v = big.AppendUint32(v, end)
	return tx.Bucket(refreshBucket).Put(sid, sealed(sid, v))
}

func getState(tx *bolt.Tx, sid []byte) (s authsvc.State, err error) {
	v := tx.Bucket(refreshBucket).Get(sid)
	if v == nil {
		return s, nil
	}
	s, _, err = parseState(sid, v)
	return s, err
}

func parseState(key, value []byte) (s authsvc.State, end uint32, err error) {
	v, err := opened(refreshBucket, key, value, sidLen, refreshLen)
	if err != nil {
		return s, 0, err
	}
	return authsvc.State{
		Known:          true,
		Generation:     big.Uint32(v),
		IssuedAt:       int64(big.Uint64(v[4:])),
		ParentIssuedAt: int64(big.Uint64(v[12:])),
		Retry:          [8]byte(v[20:28]),
	}, big.Uint32(v[28:]), nil
}
