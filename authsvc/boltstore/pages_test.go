package boltstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// inUse returns where the pages of a kind are, in a sound file.
func inUse(t *testing.T, raw []byte, flags uint16) (offsets []int) {
	t.Helper()
	pages := &tree{file: bytes.NewReader(raw), page: int64(os.Getpagesize())}
	root, err := pages.readMetas()
	if err != nil {
		t.Fatal(err)
	}
	pages.seen = make([]bool, pages.high)
	if err := pages.walk(root, nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	for i, seen := range pages.seen {
		off := i * os.Getpagesize()
		if seen && native.Uint16(raw[off+8:]) == flags && native.Uint16(raw[off+10:]) > 2 {
			offsets = append(offsets, off)
		}
	}
	if len(offsets) == 0 {
		t.Fatalf("no page of kind %d", flags)
	}
	return offsets
}

func TestEveryFaultOfAPageIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	filled(t, path)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	good = used(t, good)
	leaves, branches := inUse(t, good, leafPage), inUse(t, good, branchPage)
	leaf, branch := leaves[len(leaves)-1], branches[0]
	put32 := func(b []byte, at int, v uint32) { native.PutUint32(b[at:], v) }
	for want, spoil := range map[string]func(b []byte) []byte{
		"not what it says":         func(b []byte) []byte { b[leaf]++; return b },
		"no branch and no leaf":    func(b []byte) []byte { b[leaf+8] = 4; return b },
		"used twice":               func(b []byte) []byte { copy(b[branch+40:branch+48], b[branch+24:branch+32]); return b },
		"out of bounds":            func(b []byte) []byte { b[branch+24+6] = 1; return b },
		"an element beyond":        func(b []byte) []byte { put32(b, leaf+pageHead+4, 1<<31); return b },
		"an element of no kind":    func(b []byte) []byte { put32(b, leaf+pageHead, 2); return b },
		"a bucket too short":       func(b []byte) []byte { put32(b, leaf+pageHead, 1); put32(b, leaf+pageHead+12, 4); return b },
		"keys out of order":        func(b []byte) []byte { swapKeys(b[leaf:]); return b },
		"cut off":                  func(b []byte) []byte { return b[:len(b)-1] },
		"no valid meta page":       func(b []byte) []byte { clear(b[:2*os.Getpagesize()]); return b },
		"page 0: out of bounds":    func(b []byte) []byte { clear(b[branch+24 : branch+32]); return b },
		"an element beyond its en": func(b []byte) []byte { put32(b, branch+pageHead+4, 1<<31); return b },
	} {
		t.Run(want, func(t *testing.T) {
			b := spoil(bytes.Clone(good))
			err := checkPages(bytes.NewReader(b), int64(len(b)), os.Getpagesize())
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := checkPages(bytes.NewReader(good), int64(len(good)), os.Getpagesize()); err != nil {
		t.Errorf("the sound file: %v", err)
	}
}

// swapKeys exchanges the first two keys of a leaf page, which are as long.
func swapKeys(page []byte) {
	a, _, _ := element(page, 0, leafPage)
	b, _, _ := element(page, 1, leafPage)
	saved := bytes.Clone(a)
	copy(a, b)
	copy(b, saved)
}
