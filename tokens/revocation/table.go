package revocation

import (
	"encoding/binary"
	"math"
	"math/bits"
	"time"
)

// table is an immutable hash table: open addressing, linear probing, three
// slots in five taken, 32 bytes a slot. A slot of type 0 is free. Nearly all
// questions are about what is not there, so a bitmap is asked first: 16 bits
// an entry, one of them set. What it can not deny is looked up.
type table struct {
	slots   []Entry
	bitmap  []uint64
	n       int
	count   [All + 1]int // by type, so that a type that is not there is not looked for
	sweepAt uint32       // when enough will have expired to make a rebuild worth while
}

// Tables up to this size are rebuilt whenever anything in them has expired,
// larger ones when an eighth has.
const eager = 1024

// newTable returns the merge of the tables without what has expired, nil if
// nothing is left.
func newTable(ts levels, now time.Time) *table {
	n := 0
	for _, t := range ts {
		n += t.live(now)
	}
	if n == 0 {
		return nil
	}
	t := &table{slots: make([]Entry, n+n*2/3+1), bitmap: make([]uint64, n/4+1)}
	for _, from := range ts {
		for _, e := range from.slots {
			if e.Type != 0 && !e.Expired(now) {
				t.put(e)
			}
		}
	}
	t.sweepAt = t.expiryOfShare()
	return t
}

// tableOf returns a throw-away table whose slots are the entries themselves,
// for newTable to merge.
func tableOf(entries []Entry) *table { return &table{slots: entries} }

func (t *table) live(now time.Time) (n int) {
	for i := range t.slots {
		if t.slots[i].Type != 0 && !t.slots[i].Expired(now) {
			n++
		}
	}
	return n
}

// put adds an entry, or merges it with the one on the same target. Only while
// the table is being built.
func (t *table) put(e Entry) {
	h := hash(e.Type, &e.ID)
	i := t.slot(h)
	for t.slots[i].Type != 0 {
		if t.slots[i].Type == e.Type && t.slots[i].ID == e.ID {
			t.slots[i] = t.slots[i].Merge(e)
			return
		}
		if i++; i == len(t.slots) {
			i = 0
		}
	}
	word, bit := t.bit(h)
	t.bitmap[word] |= bit
	t.slots[i] = e
	t.n++
	t.count[e.Type]++
}

// find returns the entry on a target, whose hash is h, or nil.
func (t *table) find(typ Type, id *[16]byte, h uint64) *Entry {
	if word, bit := t.bit(h); t.count[typ] == 0 || t.bitmap[word]&bit == 0 {
		return nil
	}
	for i := t.slot(h); ; {
		switch e := &t.slots[i]; {
		case e.Type == 0:
			return nil
		case e.ID == *id && e.Type == typ:
			return e
		}
		if i++; i == len(t.slots) {
			i = 0
		}
	}
}

// slot is where a search begins, from the upper half of a hash.
func (t *table) slot(h uint64) int {
	hi, _ := bits.Mul64(h, uint64(len(t.slots)))
	return int(hi)
}

// bit is a target's place in the bitmap, from the lower half of its hash.
func (t *table) bit(h uint64) (word int, bit uint64) {
	hi, lo := bits.Mul64(bits.RotateLeft64(h, 32), uint64(len(t.bitmap)))
	return int(hi), 1 << (lo >> 58)
}

// hash spreads targets. It need not withstand an attacker: an id that a
// stranger could choose has passed through SHA-256, or comes from the issuer's
// random source.
func hash(typ Type, id *[16]byte) uint64 {
	hi, lo := bits.Mul64(
		binary.LittleEndian.Uint64(id[:])^0x9e3779b97f4a7c15+uint64(typ), // 2^64 over the golden ratio
		binary.LittleEndian.Uint64(id[8:])^0xd6e8feb86659fd93)            // an odd constant with as many zeros as ones
	return hi ^ lo
}

// expiryOfShare returns the time by which an eighth of the entries, or in an
// eager table the first, will have expired, give or take a 64th of the span.
func (t *table) expiryOfShare() uint32 {
	first, last := uint32(math.MaxUint32), uint32(0)
	for _, e := range t.slots {
		if e.Type != 0 {
			first, last = min(first, e.Exp), max(last, e.Exp)
		}
	}
	if t.n <= eager {
		return first
	}
	width := (last-first)/64 + 1
	var histogram [64]int
	for _, e := range t.slots {
		if e.Type != 0 {
			histogram[(e.Exp-first)/width]++
		}
	}
	gone := 0
	for i, n := range histogram {
		if gone += n; gone >= t.n/8 {
			return uint32(min(uint64(first)+uint64(i+1)*uint64(width), math.MaxUint32))
		}
	}
	return last
}
