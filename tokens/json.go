package tokens

import (
	"slices"
	"strconv"
	"strings"
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
	few  [8]string // the first names: most objects have no more, and need no memory
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
	for i := range min(o.n, len(o.few)) {
		if o.few[i] == name {
			return faultDuplicate
		}
	}
	if slices.Contains(o.many, name) {
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

// name reads the name of a member.
func (r *reader) name() (string, error) {
	s, escaped, err := r.quoted()
	if err == nil && escaped {
		err = faultEscape
	}
	return s, err
}

// text reads a string of at most limit bytes.
func (r *reader) text(limit int) (string, error) {
	s, escaped, err := r.quoted()
	if err != nil {
		return "", err
	}
	if escaped {
		if s, err = unescape(s); err != nil {
			return "", err
		}
	}
	if len(s) > limit {
		return "", faultLong
	}
	return s, nil
}

// quoted consumes a string and returns what stands between its quotes.
func (r *reader) quoted() (s string, escaped bool, err error) {
	if !r.take('"') {
		return "", false, faultString
	}
	start := r.pos
	for r.pos < len(r.in) {
		switch c := r.in[r.pos]; {
		case c == '"':
			r.pos++
			return r.in[start : r.pos-1], escaped, nil
		case c < ' ':
			return "", false, faultSyntax
		case c == '\\':
			escaped = true
			r.pos += 2
		default:
			r.pos++
		}
	}
	return "", false, faultSyntax
}

// unescape resolves the escapes of RFC 8259 §7.
func unescape(s string) (string, error) {
	var out strings.Builder
	out.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out.WriteByte(s[i])
			continue
		}
		if i++; s[i] == 'u' {
			c, n, err := unescapeUnicode(s[i+1:])
			if err != nil {
				return "", err
			}
			out.WriteRune(c)
			i += n
			continue
		}
		c, ok := unescapeByte(s[i])
		if !ok {
			return "", faultSyntax
		}
		out.WriteByte(c)
	}
	return out.String(), nil
}

func unescapeByte(c byte) (byte, bool) {
	switch c {
	case '"', '\\', '/':
		return c, true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	}
	return 0, false
}

// unescapeUnicode reads what follows \u: four digits, or a surrogate pair. n is
// how many bytes that took.
func unescapeUnicode(s string) (c rune, n int, err error) {
	c, ok := hex4(s)
	if !ok {
		return 0, 0, faultSyntax
	}
	if c < 0xD800 || c > 0xDFFF {
		return c, 4, nil
	}
	if c > 0xDBFF || len(s) < 6 || s[4] != '\\' || s[5] != 'u' {
		return 0, 0, faultSurrogate
	}
	low, ok := hex4(s[6:])
	if !ok || low < 0xDC00 || low > 0xDFFF {
		return 0, 0, faultSurrogate
	}
	return (c-0xD800)<<10 + (low - 0xDC00) + 0x10000, 10, nil
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var v rune
	for i := range 4 {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			v = v<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			v = v<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// integer reads a number that is written in plain digits: no sign, fraction,
// exponent or leading zero, and between low and high, both ≥ 0.
func (r *reader) integer(low, high int64) (int64, error) {
	s, err := r.number()
	if err != nil {
		return 0, faultInteger
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, faultInteger
		}
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < low || v > high {
		return 0, faultRange
	}
	return v, nil
}

// number consumes any number of RFC 8259 §6 that a float64 can hold.
func (r *reader) number() (string, error) {
	r.space()
	start, exponent := r.pos, false
	r.accept("-")
	if !r.accept("0") && r.digits() == 0 {
		return "", faultSyntax
	}
	if r.accept(".") && r.digits() == 0 {
		return "", faultSyntax
	}
	if r.accept("eE") {
		exponent = true
		r.accept("+-")
		if r.digits() == 0 {
			return "", faultSyntax
		}
	}
	s := r.in[start:r.pos]
	if len(s) > maxNumber {
		return "", faultRange
	}
	if exponent {
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			return "", faultRange
		}
	}
	return s, nil
}

// accept consumes one byte of the set.
func (r *reader) accept(set string) bool {
	if r.pos == len(r.in) {
		return false
	}
	for i := range len(set) {
		if r.in[r.pos] == set[i] {
			r.pos++
			return true
		}
	}
	return false
}

func (r *reader) digits() int {
	start := r.pos
	for r.pos < len(r.in) && r.in[r.pos] >= '0' && r.in[r.pos] <= '9' {
		r.pos++
	}
	return r.pos - start
}
