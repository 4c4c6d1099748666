package tokens

import (
	"math/bits"

	"github.com/sealring-dev/sealring/keys"
)

// coded writes lists under a sealing key with a table, or without one: one byte
// of count for each list, and for each text its place in the table, in as many bits
// as the number of names has, the highest first; zeroes fill the last byte. The
// place after the last name stands for a text that is not in the table: it is
// in others, in its turn. Whatever is squeezed, these places are not: what a role
// takes is known beforehand. It reports false for more than may be read back.
func (w *writer) coded(table *keys.Names, others *writer, lists ...[]string) bool {
	size := 0
	for _, list := range lists {
		w.byte(byte(len(list)))
	}
	width := bits.Len(uint(table.Len()))
	held, n := uint(0), 0 // the last n bits of held are still to be written
	for _, list := range lists {
		for _, s := range list {
			size += len(s)
			at, ok := table.Find(s)
			if !ok {
				at = table.Len()
				others.short(s)
			}
			held, n = held<<width|uint(at), n+width
			for ; n >= 8; n -= 8 {
				w.byte(byte(held >> (n - 8)))
			}
		}
	}
	if n > 0 {
		w.byte(byte(held << (8 - n)))
	}
	return size <= maxTexts
}

// coded reads them back. The texts of a table that few bits call for are bounded
// as those are that are squeezed.
func (f *fields) coded(table *keys.Names, others *fields, lists ...*[]string) {
	counts := f.take(len(lists))
	total := 0
	for _, n := range counts {
		total += int(n)
	}
	width := bits.Len(uint(table.Len()))
	in := f.take((total*width + 7) / 8)
	if f.bad {
		return
	}
	held, n, size := uint(0), 0, 0
	for i, list := range lists {
		if counts[i] > 0 {
			*list = make([]string, 0, counts[i])
		}
		for range counts[i] {
			for ; n < width; n += 8 {
				held, in = held<<8|uint(in[0]), in[1:]
			}
			n -= width
			s := f.name(table, int(held>>n)&(1<<width-1), others)
			if size += len(s); f.bad || size > maxTexts {
				f.bad = true
				return
			}
			*list = append(*list, s)
		}
	}
	f.demand(held&(1<<n-1) == 0)
}

// name is the text at a place. One that is in the table has no other place.
func (f *fields) name(table *keys.Names, at int, others *fields) string {
	if at < table.Len() {
		return table.At(at)
	}
	s := others.short()
	_, known := table.Find(s)
	f.demand(at == table.Len() && !known && !others.bad)
	return s
}
