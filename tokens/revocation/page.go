package revocation

import (
	"bytes"
	"math/bits"
)

// page is an immutable part of a table. Nearly all questions are about what
// is not there, so a filter is asked first. What it can not deny is looked up.
type page struct {
	slots  []slot   // by hash, then by id
	filter []uint64 // of each slot three bits, all in one word
	made   []uint32 // of each slot; nil where no entry has one, as on verifiers
	first  uint32   // the earliest expiry
}

// slot is an entry without what its table and its page know.
type slot struct {
	id     [16]byte
	t, exp uint32
}

func (p *page) len() int {
	if p == nil {
		return 0
	}
	return len(p.slots)
}

func (p *page) entry(typ Type, i int) Entry {
	s := &p.slots[i]
	return Entry{Type: typ, ID: s.id, T: s.t, Made: p.madeAt(i), Exp: s.exp}
}

func (p *page) madeAt(i int) uint32 {
	if p.made == nil {
		return 0
	}
	return p.made[i]
}

const (
	// slotsPerWord is how many entries share a word of the filter: eight bits
	// an entry, with which one question in twenty-five about what is not there
	// goes on to the slots.
	slotsPerWord = 8
	// lineWords are the words of a cache line. A filter is made of whole ones,
	// so that it need not be made anew for each entry more.
	lineWords = 8
)

// filterWords returns how long the filter of n slots is.
func filterWords(n int) int {
	return (n + slotsPerWord*lineWords - 1) / (slotsPerWord * lineWords) * lineWords
}

// may reports false if there is certainly no entry with the hash.
func (p *page) may(h uint64) bool {
	mask := filterBits(h)
	return p.filter[scale(h, len(p.filter))]&mask == mask
}

// enter makes the filter let a hash through.
func (p *page) enter(h uint64) {
	p.filter[scale(h, len(p.filter))] |= filterBits(h)
}

func filterBits(h uint64) uint64 {
	return 1<<(h>>14&63) | 1<<(h>>20&63) | 1<<(h>>26&63)
}

// scale maps a hash to 0..n-1, in its order.
func scale(h uint64, n int) int {
	hi, _ := bits.Mul64(h, uint64(n))
	return int(hi)
}

// find returns where the entry with an id is, whose hash is h: the nil page if
// there is none.
func (p *page) find(id *[16]byte, h uint64) (*page, int) {
	if i := p.rank(id, h); i < len(p.slots) && p.slots[i].id == *id {
		return p, i
	}
	return nil, 0
}

// rank returns how many slots come before an id, whose hash is h. It begins
// where that would be if the hashes were evenly spread, which is a few cache
// lines off.
func (p *page) rank(id *[16]byte, h uint64) int {
	i := scale(h, len(p.slots))
	for i > 0 && !before(&p.slots[i-1].id, id, h) {
		i--
	}
	for i < len(p.slots) && before(&p.slots[i].id, id, h) {
		i++
	}
	return i
}

// before reports whether a comes before the id whose hash is h.
func before(a, id *[16]byte, h uint64) bool {
	if k := hash(a); k != h {
		return k < h
	}
	return bytes.Compare(a[:], id[:]) < 0
}
