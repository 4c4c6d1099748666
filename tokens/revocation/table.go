package revocation

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"time"
)

// table holds the entries of one type. It never changes. Its pages are those
// of linear hashing: there is one for every pageFill entries, and one more or
// less at a time, by a split of one page in two or a merger of two. So a table
// of any size grows without ever being copied, but for its directory.
type table struct {
	pages []*page // nil: empty
	n     int
}

// pageFill is how many entries a page has on average before there is one page
// more. A page has from three quarters to twice as many, which suits the sizes
// that memory comes in: other numbers near by take up to a byte more an entry.
const pageFill = 640

// hash spreads ids. It need not withstand an attacker: an id that a stranger
// could choose has passed through SHA-256, or comes from the issuer's random
// source. Its lowest bits choose the page, the highest the place there and the
// word of the filter, those between the bits in that word.
func hash(id *[16]byte) uint64 {
	hi, lo := bits.Mul64(
		binary.LittleEndian.Uint64(id[:])^0x9e3779b97f4a7c15,  // 2^64 over the golden ratio
		binary.LittleEndian.Uint64(id[8:])^0xd6e8feb86659fd93) // an odd constant with as many zeros as ones
	return hi ^ lo
}

// find returns where the entry with an id is, whose hash is h: the nil page if
// there is none.
func (t *table) find(id *[16]byte, h uint64) (*page, int) {
	if len(t.pages) == 0 {
		return nil, 0
	}
	p := t.pages[t.place(h)]
	if p == nil || !p.may(h) {
		return nil, 0
	}
	return p.find(id, h)
}

// place returns the number of the page for a hash: as many low bits of it as
// number all pages, or one less where there is no such page yet.
func (t *table) place(h uint64) int {
	n := uint64(len(t.pages))
	mask := uint64(1)<<bits.Len64(n-1) - 1
	i := h & mask
	if i >= n {
		i &= mask >> 1
	}
	return int(i)
}

// buddy returns the page that page i was split off from.
func buddy(i int) int { return i &^ topBit(i) }

func topBit(i int) int { return 1 << (bits.Len(uint(i)) - 1) }

// draft is a table that is being changed. The directory is copied before the
// first change.
type draft struct {
	table
	own bool
}

// change copies the directory, once.
func (d *draft) change() {
	if !d.own {
		d.pages, d.own = slices.Clone(d.pages), true
	}
}

func (d *draft) set(i int, p *page) {
	d.change()
	d.n += p.len() - d.pages[i].len()
	d.pages[i] = p
}

// add merges items in. Room is made first, so that what comes into an empty
// table is not split again and again.
func (d *draft) add(now time.Time, items []item, entries []Entry) {
	if len(items) == 0 {
		return
	}
	for len(d.pages)*pageFill < d.n+len(items) {
		d.grow(now)
	}
	for i := range items {
		items[i].page = uint32(d.place(items[i].h))
	}
	slices.SortFunc(items, func(a, b item) int {
		if c := cmp.Compare(a.page, b.page); c != 0 {
			return c
		}
		if c := cmp.Compare(a.h, b.h); c != 0 {
			return c
		}
		return bytes.Compare(entries[a.at].ID[:], entries[b.at].ID[:])
	})
	for len(items) > 0 {
		i, n := items[0].page, 1
		for n < len(items) && items[n].page == i {
			n++
		}
		d.set(int(i), d.pages[i].live(now).with(items[:n], entries))
		items = items[n:]
	}
}

// grow splits one page.
func (d *draft) grow(now time.Time) {
	d.change()
	i := len(d.pages)
	d.pages = append(d.pages, nil)
	if i > 0 {
		low, high := d.pages[buddy(i)].live(now).split(uint64(topBit(i)))
		d.set(buddy(i), low)
		d.set(i, high)
	}
}

// shrink merges pages while there are twice as many as there need be, but no
// more of them at once than expiry looks at.
func (d *draft) shrink() {
	for range sweepMost {
		if len(d.pages) < 2 || d.n >= len(d.pages)*pageFill/2 {
			break
		}
		i := len(d.pages) - 1
		both := union(d.pages[buddy(i)], d.pages[i])
		d.set(i, nil) // also because the memory behind the end would hold on to it
		d.set(buddy(i), both)
		d.pages = d.pages[:i]
	}
	if d.n == 0 {
		d.pages = nil
	}
}

// expire lets go of what has expired in a page.
func (d *draft) expire(i int, now time.Time) {
	if p := d.pages[i]; p != nil && expired(p.first, now) {
		d.set(i, p.live(now))
	}
}
