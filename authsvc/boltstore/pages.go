package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt trusts its pages, maps them into memory and walks them in goroutines
// of its own: one wrong bit can end the process with a fault that nobody can
// catch. So before bbolt is let near a file for writing, the tree is walked
// here with plain reads. The format is bbolt's version 2, which has not
// changed since 2014 and is in the byte order of the machine:
//
//	page    id 8, flags 2, count 2, overflow pages 4, elements, keys and values
//	meta    magic 4, version 4, page size 4, flags 4, root 8, sequence 8,
//	        freelist 8, high water 8, transaction 8, FNV-1a of the above 8
//	branch  position of the key 4, its length 4, child page 8
//	leaf    flags 4, position of the key 4, its length 4, the value's 4
const (
	pageHead    = 16
	elementLen  = 16
	metaLen     = 64
	boltMagic   = 0xed0cdaed
	branchPage  = 1
	leafPage    = 2
	bucketFlag  = 1
	maxDepth    = 32
	maxOverflow = 1 << 20 // pages
)

var native = binary.NativeEndian

// tree is the walk through one file.
type tree struct {
	file io.ReaderAt
	page int64  // bytes
	high uint64 // pages from here on are not in use
	seen []bool // by page
}

// checkPages walks the tree of the newest valid meta page.
func checkPages(file io.ReaderAt, size int64, pageSize int) error {
	t := &tree{file: file, page: int64(pageSize)}
	root, err := t.readMetas()
	if err != nil {
		return err
	}
	if t.high > uint64(size/t.page) {
		return fmt.Errorf("%w (cut off: %d bytes of %d)", ErrDamaged, size, t.high*uint64(t.page))
	}
	t.seen = make([]bool, t.high)
	return t.walk(root, nil, nil, 0)
}

// readMetas takes the newer of the two meta pages. A torn one is no damage: a
// commit that never ended tears it, and the other says how things were before.
func (t *tree) readMetas() (root uint64, err error) {
	newest := uint64(0)
	for i := range int64(2) {
		var b [metaLen]byte
		if _, err := t.file.ReadAt(b[:], i*t.page+pageHead); err != nil {
			continue
		}
		sum := fnv.New64a()
		_, _ = sum.Write(b[:56])
		valid := native.Uint32(b[:]) == boltMagic && native.Uint64(b[56:]) == sum.Sum64()
		if txid := native.Uint64(b[48:]); valid && txid >= newest {
			newest, root, t.high = txid, native.Uint64(b[16:]), native.Uint64(b[40:])
		}
	}
	if t.high == 0 {
		return 0, fmt.Errorf("%w (no valid meta page)", ErrDamaged)
	}
	return root, nil
}

func (t *tree) damaged(id uint64, what string) error {
	return fmt.Errorf("%w (page %d: %s)", ErrDamaged, id, what)
}

// walk checks a page and all below it. Its keys are from first on, and before
// last where that is not nil.
func (t *tree) walk(id uint64, first, last []byte, depth int) error {
	body, err := t.read(id)
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return t.damaged(id, "too deep")
	}
	return t.elements(id, body, first, last, depth)
}

// read takes a page, with those that it overflows into, out of the pages not
// seen yet.
func (t *tree) read(id uint64) ([]byte, error) {
	if id < 2 || id >= t.high {
		return nil, t.damaged(id, "out of bounds")
	}
	var head [pageHead]byte
	if _, err := t.file.ReadAt(head[:], int64(id)*t.page); err != nil {
		return nil, err
	}
	n := uint64(native.Uint32(head[12:])) + 1
	if native.Uint64(head[:]) != id || n > maxOverflow || id+n > t.high {
		return nil, t.damaged(id, "not what it says")
	}
	for i := id; i < id+n; i++ {
		if t.seen[i] {
			return nil, t.damaged(i, "used twice")
		}
		t.seen[i] = true
	}
	body := make([]byte, int64(n)*t.page)
	_, err := t.file.ReadAt(body, int64(id)*t.page)
	return body, err
}

func (t *tree) elements(id uint64, body, first, last []byte, depth int) error {
	flags, count := native.Uint16(body[8:]), int(native.Uint16(body[10:]))
	if flags != branchPage && flags != leafPage || flags == branchPage && count == 0 ||
		pageHead+count*elementLen > len(body) {
		return t.damaged(id, "no branch and no leaf")
	}
	before := first
	for i := range count {
		key, value, ok := element(body, i, flags)
		if !ok {
			return t.damaged(id, "an element beyond its end")
		}
		if before != nil && bytes.Compare(key, before) < boundary(i) || last != nil && bytes.Compare(key, last) >= 0 {
			return t.damaged(id, "keys out of order")
		}
		if err := t.below(id, body, i, flags, key, value, last, depth); err != nil {
			return err
		}
		before = key
	}
	return nil
}

// boundary is how a key compares at least with the one before: the first may
// equal what the parent says, the others are larger.
func boundary(i int) int {
	if i == 0 {
		return 0
	}
	return 1
}

// element returns the key of the i-th element of a page, and the value in a
// leaf.
func element(body []byte, i int, flags uint16) (key, value []byte, ok bool) {
	at := uint64(pageHead + i*elementLen)
	e := body[at:]
	pos, ksize, vsize := uint64(native.Uint32(e)), uint64(native.Uint32(e[4:])), uint64(0)
	if flags == leafPage {
		pos, ksize, vsize = uint64(native.Uint32(e[4:])), uint64(native.Uint32(e[8:])), uint64(native.Uint32(e[12:]))
	}
	start := at + pos
	if start+ksize+vsize > uint64(len(body)) || pos < elementLen {
		return nil, nil, false
	}
	return body[start : start+ksize], body[start+ksize : start+ksize+vsize], true
}

// below goes on to what an element leads to: a child page, or a bucket.
func (t *tree) below(id uint64, body []byte, i int, flags uint16, key, value, last []byte, depth int) error {
	e := body[pageHead+i*elementLen:]
	switch {
	case flags == branchPage:
		if i+1 < int(native.Uint16(body[10:])) {
			next, _, ok := element(body, i+1, flags)
			if !ok {
				return t.damaged(id, "an element beyond its end")
			}
			last = next
		}
		return t.walk(native.Uint64(e[8:]), key, last, depth+1)
	case native.Uint32(e) > bucketFlag:
		return t.damaged(id, "an element of no kind")
	case native.Uint32(e) == bucketFlag:
		return t.bucket(id, value, depth)
	}
	return nil
}

// bucket checks a bucket: its root page and sequence, or a page within the
// value.
func (t *tree) bucket(id uint64, value []byte, depth int) error {
	if len(value) < 16 {
		return t.damaged(id, "a bucket too short")
	}
	if root := native.Uint64(value); root != 0 {
		return t.walk(root, nil, nil, depth+1)
	}
	inline := value[16:]
	if len(inline) < pageHead || native.Uint16(inline[8:]) != leafPage {
		return t.damaged(id, "no page in a bucket")
	}
	return t.elements(id, inline, nil, nil, depth+1)
}
