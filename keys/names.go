package keys

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of Names: so that every key of a full ring, and of a key set, can have a
// table.
const (
	MaxNames      = 1024
	MaxNamesBytes = 8 << 10 // of their JSON, one text with a line end between two
	maxName       = 255
)

// ErrNames says that names can not be a table.
var ErrNames = errors.New("unusable names")

// Names is an immutable table of names, of roles say, that are long and come in
// many sessions: what a sealing key seals has the place of one instead of its
// text. The table belongs to the key, and stays what it is for as long as
// anything is opened with the key. The nil table is empty.
type Names struct {
	text  string   // all of them, a line end between two
	ends  []uint16 // in text
	order []uint16 // their places, by name
}

// NewNames makes a table of at most MaxNames different names, of 1 to 255 bytes
// of UTF-8 each without control characters and MaxNamesBytes together; nil of
// none. It fails with ErrNames.
func NewNames(list []string) (*Names, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if i := slices.IndexFunc(list, func(s string) bool { return strings.Contains(s, "\n") }); i >= 0 {
		return nil, fmt.Errorf("%w: %q has a line end", ErrNames, clip(list[i]))
	}
	return parseNames(strings.Join(list, "\n"))
}

func parseNames(text string) (*Names, error) {
	if sizeInJSON(text) > MaxNamesBytes {
		return nil, fmt.Errorf("%w: more than %d bytes of JSON", ErrNames, MaxNamesBytes)
	}
	lines := strings.Count(text, "\n") + 1
	n := &Names{text: text, ends: make([]uint16, 0, lines), order: make([]uint16, 0, lines)}
	from := 0
	for name := range strings.SplitSeq(text, "\n") {
		switch {
		case len(n.ends) == MaxNames:
			return nil, fmt.Errorf("%w: more than %d", ErrNames, MaxNames)
		case name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
			return nil, fmt.Errorf("%w: %q is not 1 to %d bytes without control characters", ErrNames, clip(name), maxName)
		}
		n.order = append(n.order, uint16(len(n.ends)))
		n.ends = append(n.ends, uint16(from+len(name)))
		from += len(name) + 1
	}
	slices.SortFunc(n.order, func(a, b uint16) int { return strings.Compare(n.at(a), n.at(b)) })
	for i := range n.order[1:] {
		if name := n.at(n.order[i]); name == n.at(n.order[i+1]) {
			return nil, fmt.Errorf("%w: %q twice", ErrNames, clip(name))
		}
	}
	return n, nil
}

// sizeInJSON is the size of a text as encoding/json writes it.
func sizeInJSON(text string) int {
	n := len(`""`) + len(text)
	for _, c := range text {
		switch c {
		case '"', '\\', '\n':
			n++
		case '<', '>', '&':
			n += len(`\u003c`) - len(`<`)
		case '\u2028', '\u2029':
			n += len(`\u2028`) - len("\u2028")
		}
	}
	return n
}

func (n *Names) at(i uint16) string {
	from := uint16(0)
	if i > 0 {
		from = n.ends[i-1] + 1
	}
	return n.text[from:n.ends[i]]
}

// Len returns how many names there are.
func (n *Names) Len() int {
	if n == nil {
		return 0
	}
	return len(n.ends)
}

// At returns the name at place i, from 0 to Len - 1.
func (n *Names) At(i int) string { return n.at(uint16(i)) }

// Find returns the place of a name; false if it is not in the table.
func (n *Names) Find(name string) (int, bool) {
	if n == nil {
		return 0, false
	}
	i, ok := slices.BinarySearchFunc(n.order, name, func(at uint16, name string) int { return strings.Compare(n.at(at), name) })
	if !ok {
		return 0, false
	}
	return int(n.order[i]), true
}

// joined is the table as one text; "" of the empty one.
func (n *Names) joined() string {
	if n == nil {
		return ""
	}
	return n.text
}

// names reads a table; an absent one is empty.
func (o *object) names(name string) *Names {
	text := strings.Clone(o.optional(name))
	if text == "" {
		return nil
	}
	n, err := parseNames(text)
	if err != nil {
		o.fail(name, "a table of different names")
	}
	return n
}
