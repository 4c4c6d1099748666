package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrMalformed says that a ring or a key set is not what its format demands.
var ErrMalformed = errors.New("malformed")

// What a document may hold, far beyond what ours do, so that reading it needs
// no more memory than a few times its size.
const (
	maxDepth   = 8    // nested objects and lists
	maxMembers = 256  // of one object
	maxValues  = 2048 // members and elements of all together; 64 keys have 1,300
)

// checkJSON refuses what encoding/json would let pass: too much, bytes that
// are not UTF-8, deep nesting, an object that has a name twice, and escapes in
// a name, which only serve to hide one. It returns the document, and whatever
// is read from it later is a part of that string.
func checkJSON(data []byte, limit int) (string, error) {
	if len(data) > limit {
		return "", fmt.Errorf("%w: %d bytes, at most %d are read", ErrMalformed, len(data), limit)
	}
	if !utf8.Valid(data) {
		return "", fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	c := checker{cursor: cursor{in: string(data)}}
	if err := c.value(); err != nil {
		return "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	// The checker looks at names and numbers, the library at the grammar: in
	// this order, since the library's memory grows with the depth.
	if !json.Valid(data) {
		return "", fmt.Errorf("%w: %w", ErrMalformed, flawJSON)
	}
	return c.in, nil
}

const flawJSON flaw = "not JSON"

// cursor walks over the text of a document. On what is not JSON it may stop
// anywhere, but not outside.
type cursor struct {
	in  string
	pos int
}

// next is the first byte after white space, 0 at the end.
func (c *cursor) next() byte {
	for ; c.pos < len(c.in); c.pos++ {
		if b := c.in[c.pos]; b != ' ' && b != '\t' && b != '\n' && b != '\r' {
			return b
		}
	}
	return 0
}

// take steps over b, if it comes next.
func (c *cursor) take(b byte) bool {
	if c.next() != b {
		return false
	}
	c.pos++
	return true
}

// quoted steps over a string and returns it with its quotes.
func (c *cursor) quoted() (string, bool) {
	if c.next() != '"' {
		return "", false
	}
	for start, i := c.pos, c.pos+1; i < len(c.in); i++ {
		switch c.in[i] {
		case '\\':
			i++
		case '"':
			c.pos = i + 1
			return c.in[start:c.pos], true
		}
	}
	return "", false
}

// literal steps over a number or one of the three words.
func (c *cursor) literal() bool {
	start := c.pos
	for c.pos < len(c.in) && !strings.ContainsRune(" \t\n\r,:[]{}\"", rune(c.in[c.pos])) {
		c.pos++
	}
	return c.pos > start
}

// skip steps over a value and returns its text. The document was checked.
func (c *cursor) skip() string {
	c.next()
	start, depth := c.pos, 0
	for c.pos < len(c.in) {
		switch c.next() {
		case '{', '[':
			depth++
			c.pos++
		case '}', ']':
			depth--
			c.pos++
		case ',', ':':
			c.pos++
		case '"':
			if _, ok := c.quoted(); !ok {
				return c.in[start:]
			}
		default:
			c.literal()
		}
		if depth == 0 {
			return c.in[start:c.pos]
		}
	}
	return c.in[start:]
}

// checker holds a document to the limits, and its names to being there once.
type checker struct {
	cursor
	depth, values int
	names         []string // of the open objects, the inner ones behind
}

func (c *checker) value() error {
	switch c.next() {
	case '{':
		return c.nested('}', c.member)
	case '[':
		return c.nested(']', func(int) error { return c.element() })
	case '"':
		if _, ok := c.quoted(); !ok {
			return flawJSON
		}
		return nil
	}
	if !c.literal() {
		return flawJSON
	}
	return nil
}

// nested walks an object or a list. first is where the object's names begin.
func (c *checker) nested(end byte, item func(first int) error) error {
	c.pos++
	if c.depth++; c.depth > maxDepth {
		return flaw(fmt.Sprintf("nested deeper than %d", maxDepth))
	}
	first := len(c.names)
	for began := false; !c.take(end); began = true {
		if began && !c.take(',') {
			return flawJSON
		}
		if err := item(first); err != nil {
			return err
		}
	}
	c.names = c.names[:first]
	c.depth--
	return nil
}

func (c *checker) member(first int) error {
	name, ok := c.quoted()
	if !ok || !c.take(':') {
		return flawJSON
	}
	switch known := c.names[first:]; {
	case strings.Contains(name, `\`):
		return flaw("an escape in a name")
	case slices.Contains(known, name):
		return flaw(fmt.Sprintf("the name %q twice in one object", clip(strings.Trim(name, `"`))))
	case len(known) == maxMembers:
		return flaw(fmt.Sprintf("more than %d members in one object", maxMembers))
	}
	c.names = append(c.names, name)
	return c.element()
}

func (c *checker) element() error {
	if c.values++; c.values > maxValues {
		return flaw(fmt.Sprintf("more than %d values", maxValues))
	}
	return c.value()
}

// clip keeps a stranger's text short in a message.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
