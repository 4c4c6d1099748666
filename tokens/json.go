package tokens

import (
	"slices"
	"unicode/utf8"
)

// The limits of the strict JSON reader.
const (
	maxDepth   = 8    // nested objects and arrays
	maxMembers = 256  // of one object
	maxValues  = 1024 // of one document, members and elements together
	maxNumber  = 32   // characters of a number
)

// jsonFault is what is wrong with a document, in words that never quote it.
type jsonFault string

func (f jsonFault) Error() string { return string(f) }

// The faults.
const (
	faultUTF8      jsonFault = "not UTF-8"
	faultSyntax    jsonFault = "not JSON"
	faultTrailing  jsonFault = "data after the document"
	faultDepth     jsonFault = "too deep"
	faultCount     jsonFault = "too many values"
	faultDuplicate jsonFault = "duplicate name"
	faultEscape    jsonFault = "escape in a name"
	faultSurrogate jsonFault = "half a surrogate pair"
	faultString    jsonFault = "not a string"
	faultLong      jsonFault = "text too long"
	faultInteger   jsonFault = "not a plain integer"
	faultRange     jsonFault = "number out of range"
)

// reader reads one JSON document (RFC 8259) in a single pass, strictly: the
// text is UTF-8; no object has a name twice, at any depth; names have no
// escapes, since those only serve to hide a name; escapes in values make whole
// characters; integers are plain digits; nothing follows. encoding/json lets
// the last duplicate win, folds case and mends bad UTF-8, and each of these
// lets two readers of one token see two things.
//
// A reader works on the text in place and needs memory only for strings with
// escapes and for the names of the open objects.
type reader struct {
	in     string
	pos    int
	depth  int
	values int
}

func newReader(in string) (reader, error) {
	if !utf8.ValidString(in) {
		return reader{}, faultUTF8
	}
	return reader{in: in}, nil
}

// end checks that nothing but white space is left.
func (r *reader) end() error {
	r.space()
	if r.pos != len(r.in) {
		return faultTrailing
	}
	return nil
}

func (r *reader) space() {
	for r.pos < len(r.in) {
		switch r.in[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// peek returns the first byte of the next token, 0 at the end.
func (r *reader) peek() byte {
	r.space()
	if r.pos == len(r.in) {
		return 0
	}
	return r.in[r.pos]
}

// take consumes c, or says that it is not there.
func (r *reader) take(c byte) bool {
	if r.peek() != c || c == 0 {
		return false
	}
	r.pos++
	return true
}

// enter opens an object or array; leave closes it.
func (r *reader) enter(open byte) error {
	if !r.take(open) {
		return faultSyntax
	}
	if r.depth++; r.depth > maxDepth {
		return faultDepth
	}
	return nil
}

func (r *reader) leave() { r.depth-- }

func (r *reader) count() error {
	if r.values++; r.values > maxValues {
		return faultCount
	}
	return nil
}

// object walks the members of an object: after each name that next returns,
// the caller reads the value.
type object struct {
	r    *reader
	n    int
	mask uint64     // of the names, a bit each: what has none that is set is new
	few  [16]string // the first names: most objects have no more, and need no memory
	many []string
}

func (r *reader) object() (object, error) {
	return object{r: r}, r.enter('{')
}

func (o *object) next() (name string, more bool, err error) {
	r := o.r
	if r.take('}') {
		r.leave()
		return "", false, nil
	}
	if o.n > 0 && !r.take(',') {
		return "", false, faultSyntax
	}
	if name, err = r.name(); err != nil {
		return "", false, err
	}
	if !r.take(':') {
		return "", false, faultSyntax
	}
	return name, true, o.note(name)
}

func (o *object) note(name string) error {
	if bit := nameBit(name); o.mask&bit == 0 {
		o.mask |= bit
	} else if o.has(name) {
		return faultDuplicate
	}
	if o.n < len(o.few) {
		o.few[o.n] = name
	} else {
		o.many = append(o.many, name)
	}
	if o.n++; o.n > maxMembers {
		return faultCount
	}
	return o.r.count()
}

func (o *object) has(name string) bool {
	return slices.Contains(o.few[:min(o.n, len(o.few))], name) || slices.Contains(o.many, name)
}

// nameBit is one of 64 bits, mostly another one for another name.
func nameBit(name string) uint64 {
	if name == "" {
		return 1
	}
	return 1 << ((uint(len(name)) + uint(name[0])*5 + uint(name[len(name)-1])*11) & 63)
}

// array walks the elements of an array: after each more, the caller reads one.
type array struct {
	r     *reader
	began bool
}

func (r *reader) array() (array, error) {
	return array{r: r}, r.enter('[')
}

func (a *array) next() (more bool, err error) {
	if a.r.take(']') {
		a.r.leave()
		return false, nil
	}
	if a.began && !a.r.take(',') {
		return false, faultSyntax
	}
	a.began = true
	return true, a.r.count()
}
