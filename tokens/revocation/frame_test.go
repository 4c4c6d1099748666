package revocation

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sample() *Frame {
	return &Frame{
		Kind:      Delta,
		PrevEpoch: 0x1122334455667788,
		Prev:      Cursor{1772366400000, 3},
		Pos:       Position{0x1122334455667788, Cursor{1772366400250, 1}},
		AsOf:      noon.Add(250 * time.Millisecond),
		Entries: []Entry{
			SessionEntry(tokens.ID{0: 0xa0, 15: 0x0a}, noon, noon.Add(30*time.Minute)),
			SubjectEntry(iss, "ann", noon, noon.Add(12*time.Hour)),
		},
	}
}

func TestFrameIsWrittenAsEver(t *testing.T) {
	const file = "testdata/delta.hex"
	raw, err := sample().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, []byte(hex.EncodeToString(raw)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(raw); got != strings.TrimSpace(string(golden)) {
		t.Errorf("%s", got)
	}
	if len(raw) != 54+2*25 {
		t.Errorf("%d bytes", len(raw))
	}
	if f, err := ParseFrame(raw); err != nil || !reflect.DeepEqual(f, sample()) {
		t.Errorf("%+v, %v", f, err)
	}
}

func drawFrame(t *rapid.T) *Frame {
	cursor := rapid.Custom(func(t *rapid.T) Cursor {
		return Cursor{rapid.Uint64Range(0, 3).Draw(t, "ms"), rapid.Uint32Range(0, 3).Draw(t, "seq")}
	})
	f := &Frame{
		Kind:      Kind(rapid.IntRange(0, 4).Draw(t, "kind")),
		PrevEpoch: rapid.Uint64Range(0, 2).Draw(t, "prev epoch"),
		Prev:      cursor.Draw(t, "prev"),
		Pos:       Position{rapid.Uint64Range(0, 2).Draw(t, "epoch"), cursor.Draw(t, "cur")},
		AsOf:      time.UnixMilli(rapid.Int64Range(-1, 2).Draw(t, "as of")).UTC(),
		Entries:   rapid.SliceOfN(rapid.Custom(anyEntry), 0, 3).Draw(t, "entries"),
	}
	if rapid.Bool().Draw(t, "fit") { // by chance alone hardly any is
		f.Kind, f.PrevEpoch, f.Pos.Epoch, f.Prev = Delta, 1, 1, Cursor{}
		f.AsOf = time.UnixMilli(max(f.AsOf.UnixMilli(), 0)).UTC()
	}
	for i := range f.Entries {
		f.Entries[i].Made = 0
	}
	if len(f.Entries) == 0 {
		f.Entries = nil
	}
	return f
}

func TestFrameComesBackOrIsNotWritten(t *testing.T) {
	written := 0
	rapid.Check(t, func(t *rapid.T) {
		f := drawFrame(t)
		raw, err := f.MarshalBinary()
		if err != nil {
			return
		}
		written++
		if got, err := ParseFrame(raw); err != nil || !reflect.DeepEqual(got, f) {
			t.Fatalf("%+v became %+v, %v", f, got, err)
		}
	})
	if written == 0 {
		t.Error("none was written")
	}
}

func TestUnfitFramesAreNeitherWrittenNorRead(t *testing.T) {
	for name, spoil := range map[string]func(*Frame){
		"no kind":                             func(f *Frame) { f.Kind = 0 },
		"a kind from the future":              func(f *Frame) { f.Kind = 4 },
		"no epoch":                            func(f *Frame) { f.Pos.Epoch, f.PrevEpoch = 0, 0 },
		"a delta across epochs":               func(f *Frame) { f.PrevEpoch++ },
		"a delta that goes back":              func(f *Frame) { f.Prev = Cursor{f.Pos.Cursor.Ms, f.Pos.Cursor.Seq + 1} },
		"a snapshot that follows a cursor":    func(f *Frame) { f.Kind, f.PrevEpoch = Snapshot, 0 },
		"a snapshot that follows an epoch":    func(f *Frame) { f.Kind, f.Prev = Snapshot, Cursor{} },
		"a snapshot of no epoch":              func(f *Frame) { *f = Frame{Kind: Snapshot, AsOf: noon} },
		"a rebase within an epoch":            func(f *Frame) { f.Kind = Rebase },
		"a rebase from nowhere":               func(f *Frame) { f.Kind, f.PrevEpoch = Rebase, 0 },
		"a time before 1970":                  func(f *Frame) { f.AsOf = time.UnixMilli(-1) },
		"the zero time":                       func(f *Frame) { f.AsOf = time.Time{} },
		"a time after 9999":                   func(f *Frame) { f.AsOf = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"an entry of no type":                 func(f *Frame) { f.Entries[0].Type = 0 },
		"an entry of a type from the future":  func(f *Frame) { f.Entries[0].Type = Claims + 1 },
		"an entry for everything with an id":  func(f *Frame) { f.Entries[1].Type = All },
		"an entry for a session without one":  func(f *Frame) { f.Entries[0].ID = [16]byte{} },
		"more entries than a verifier is for": func(f *Frame) { f.Entries = make([]Entry, MaxFrameEntries+1) },
	} {
		t.Run(name, func(t *testing.T) {
			f := sample()
			spoil(f)
			if _, err := f.MarshalBinary(); !errors.Is(err, ErrInvalid) {
				t.Errorf("written: %v", err)
			}
			if got, err := ParseFrame(forced(f)); !errors.Is(err, ErrInvalid) {
				t.Errorf("read: %+v, %v", got, err)
			}
		})
	}
}

// forced writes a frame without asking whether it is fit.
func forced(f *Frame) []byte {
	es := f.Entries[:min(len(f.Entries), 2)]
	good := sample()
	good.Entries = good.Entries[:len(es)]
	b, _ := good.MarshalBinary()
	b[1] = byte(f.Kind)
	put := func(at int, n int, v uint64) {
		for i := range n {
			b[at+i] = byte(v >> (8 * (n - 1 - i)))
		}
	}
	put(2, 8, f.Pos.Epoch)
	put(10, 8, f.PrevEpoch)
	put(18, 8, f.Prev.Ms)
	put(26, 4, uint64(f.Prev.Seq))
	put(30, 8, f.Pos.Cursor.Ms)
	put(38, 4, uint64(f.Pos.Cursor.Seq))
	put(42, 8, uint64(f.AsOf.UnixMilli()))
	put(50, 4, uint64(len(f.Entries)))
	for i, e := range es {
		b[54+i*25] = byte(e.Type)
		copy(b[55+i*25:], e.ID[:])
	}
	return b
}

func TestFrameOfAnotherLengthOrVersionIsRefused(t *testing.T) {
	raw, err := sample().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for n := range raw {
		if _, err := ParseFrame(raw[:n]); !errors.Is(err, ErrInvalid) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	for _, more := range [][]byte{{0}, make([]byte, 25)} {
		if _, err := ParseFrame(append(raw[:len(raw):len(raw)], more...)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%d bytes more: %v", len(more), err)
		}
	}
	raw[0]++
	if _, err := ParseFrame(raw); !errors.Is(err, ErrInvalid) {
		t.Errorf("another version: %v", err)
	}
}

func FuzzParseFrame(f *testing.F) {
	raw, _ := sample().MarshalBinary()
	f.Add(raw)
	f.Add(raw[:54])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := ParseFrame(b)
		if err != nil {
			return
		}
		again, err := frame.MarshalBinary()
		if err != nil || string(again) != string(b) {
			t.Errorf("%x became %x, %v", b, again, err)
		}
	})
}

func TestTheLargestFrameFitsItsSignature(t *testing.T) {
	const headerAndSignature = 1024
	size := base64.RawURLEncoding.EncodedLen(frameHead + frameEntry*MaxFrameEntries)
	if size+headerAndSignature > tokens.MaxBytesLen {
		t.Errorf("%d characters, a signed value may have %d", size, tokens.MaxBytesLen)
	}
}

func TestAdvance(t *testing.T) {
	at := func(epoch, ms uint64) Position { return Position{epoch, Cursor{Ms: ms}} }
	delta := func(prev, cur uint64) Frame {
		return Frame{Kind: Delta, PrevEpoch: 1, Prev: Cursor{Ms: prev}, Pos: at(1, cur)}
	}
	for name, c := range map[string]struct {
		frame Frame
		from  Position
		want  Position
		ok    bool
	}{
		"the next one":                     {delta(5, 7), at(1, 5), at(1, 7), true},
		"one that overlaps":                {delta(3, 7), at(1, 5), at(1, 7), true},
		"an old one":                       {delta(3, 4), at(1, 5), at(1, 5), true},
		"a heartbeat":                      {delta(5, 5), at(1, 5), at(1, 5), true},
		"one after a gap":                  {delta(6, 7), at(1, 5), at(1, 5), false},
		"a heartbeat after a gap":          {delta(7, 7), at(1, 5), at(1, 5), false},
		"one of another epoch":             {delta(5, 7), at(2, 5), at(2, 5), false},
		"one before any snapshot":          {delta(5, 7), Position{}, Position{}, false},
		"a snapshot":                       {Frame{Kind: Snapshot, Pos: at(3, 9)}, at(1, 20), at(3, 9), true},
		"a rebase from here":               {Frame{Kind: Rebase, PrevEpoch: 1, Prev: Cursor{Ms: 5}, Pos: at(2, 1)}, at(1, 5), at(2, 1), true},
		"a rebase from beyond here":        {Frame{Kind: Rebase, PrevEpoch: 1, Prev: Cursor{Ms: 6}, Pos: at(2, 1)}, at(1, 5), at(1, 5), false},
		"a rebase that was already obeyed": {Frame{Kind: Rebase, PrevEpoch: 1, Prev: Cursor{Ms: 5}, Pos: at(2, 1)}, at(2, 4), at(2, 4), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := c.frame.Advance(c.from); got != c.want || ok != c.ok {
				t.Errorf("%v %v, want %v %v", got, ok, c.want, c.ok)
			}
		})
	}
}
