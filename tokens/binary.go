package tokens

import (
	"encoding/binary"
	"time"
)

// The sealed plaintexts are binary: a cookie has 4 KiB for everything. All
// integers are big-endian and of fixed length, so each content has exactly one
// encoding, and nothing may follow.

// writer appends the fields of a plaintext.
type writer struct{ out []byte }

func (w *writer) byte(v byte)     { w.out = append(w.out, v) }
func (w *writer) uint32(v uint32) { w.out = binary.BigEndian.AppendUint32(w.out, v) }
func (w *writer) uint64(v uint64) { w.out = binary.BigEndian.AppendUint64(w.out, v) }

// block writes a length of two bytes and the bytes.
func (w *writer) block(v []byte) {
	w.out = binary.BigEndian.AppendUint16(w.out, uint16(len(v)))
	w.out = append(w.out, v...)
}

func (w *writer) text(s string) { w.block([]byte(s)) }

func (w *writer) time(t time.Time) { w.uint32(uint32(t.Unix())) }

// fields reads them back. The first fault sticks, and what is read after it is
// zero; done reports it.
type fields struct {
	in    []byte
	bad   bool
	whole string // what in began as, for word to take parts of; "": each is made
}

func (f *fields) take(n int) []byte {
	if f.bad || n > len(f.in) {
		f.bad = true
		return nil
	}
	v := f.in[:n:n]
	f.in = f.in[n:]
	return v
}

// word is what take has just given, as a text.
func (f *fields) word(b []byte) string {
	if f.whole == "" {
		return string(b)
	}
	at := len(f.whole) - len(f.in)
	return f.whole[at-len(b) : at]
}

func (f *fields) byte() byte {
	if v := f.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (f *fields) uint32() uint32 {
	if v := f.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (f *fields) uint64() uint64 {
	if v := f.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (f *fields) block() []byte {
	if v := f.take(2); v != nil {
		return f.take(int(binary.BigEndian.Uint16(v)))
	}
	return nil
}

// text reads a text that names somebody.
func (f *fields) text() string {
	s := string(f.block())
	f.demand(validText(s, maxText) == nil)
	return s
}

func (f *fields) texts() []string {
	n := int(f.byte())
	var list []string
	for i := 0; i < n && !f.bad; i++ {
		list = append(list, f.text())
	}
	return list
}

// time reads seconds since 1970, not 0.
func (f *fields) time() time.Time {
	v := f.uint32()
	f.demand(v != 0)
	return time.Unix(int64(v), 0).UTC()
}

// demand notes a fault unless ok.
func (f *fields) demand(ok bool) { f.bad = f.bad || !ok }

// done reports whether everything was there and nothing is left.
func (f *fields) done() bool { return !f.bad && len(f.in) == 0 }
