package sessionschema

import (
	"math"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sealring-dev/sealring/keys"
)

// formats are the longest texts of those formats that have one.
var formats = map[string]string{
	"date": "2026-12-31",
	"uuid": "ffffffff-ffff-4fff-bfff-ffffffffffff",
	"ipv4": "255.255.255.255",
	"ipv6": "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
}

// text is as long as maxLength, pattern and format let it be, of the characters
// that take the most room.
func (w walk) text(s *jsonschema.Schema, at string) extent {
	n := math.MaxInt // characters
	if s.MaxLength != nil {
		n = min(*s.MaxLength, maxText)
	}
	shape := w.anything()
	if s.Pattern != nil {
		if of, ok := w.shape(s.Pattern.String()); ok {
			shape = of
		}
	}
	if s.Format != nil {
		if longest, ok := formats[s.Format.Name]; ok && len(longest) <= n && len(longest) <= shape.bytes {
			return extent{size: w.textSize(len(longest)), value: w.uncoded(longest)}
		}
	}
	if n == math.MaxInt && shape.most == math.MaxInt {
		return unbounded(at + " (maxLength)")
	}
	text := shape.longest(n)
	bytes := min(shape.size(n), w.longest())
	return extent{size: w.textSize(bytes), value: w.uncoded(w.fitted(text, bytes))}
}

// uncoded is the text, or one of the same size, for which there is no code: where
// a schema has no enum, the largest is not one that the table has.
func (w walk) uncoded(text string) string {
	for i := 1; w.known(text) && i <= keys.MaxNames; i++ {
		text = variant(strings.Repeat("x", len(text)), i)
	}
	return text
}

// fitted is the text at so many bytes: cut where it has more, and longer than the
// pattern may allow where the longest was not found.
func (w walk) fitted(text string, bytes int) string {
	for i, c := range text {
		if bytes < w.width(c) {
			text = text[:i]
			break
		}
		bytes -= w.width(c)
	}
	return text + strings.Repeat("x", bytes)
}

// shape is what is known of all texts that match a pattern, or of its parts.
type shape struct {
	bytes int  // at most; math.MaxInt: no bound
	most  int  // characters, at most; math.MaxInt: no bound
	wide  int  // bytes of the widest character
	char  rune // that one
	parts []shape
}

func (w walk) anything() shape {
	wide := w.widest(0, unicode.MaxRune)
	return shape{bytes: math.MaxInt, most: math.MaxInt, wide: w.width(wide), char: wide}
}

// size is the most bytes of at most n characters.
func (s shape) size(n int) int {
	n = min(n, s.most)
	if n > maxText {
		return s.bytes
	}
	return min(s.bytes, n*s.wide)
}

// longest is a text of at most n characters that takes the most room, if the
// pattern has but one part of any length.
func (s shape) longest(n int) string {
	if len(s.parts) == 0 {
		return strings.Repeat(string(s.char), min(n, s.most, maxText))
	}
	fixed := 0
	for _, p := range s.parts {
		if p.most != math.MaxInt {
			fixed += p.most
		}
	}
	var b strings.Builder
	for _, p := range s.parts {
		room := max(0, n-utf8.RuneCountInString(b.String()))
		if p.most == math.MaxInt {
			room = max(0, n-fixed)
			fixed = n
		}
		b.WriteString(p.longest(room))
	}
	return b.String()
}

// shape reads a pattern. It reports false for one that does not hold from the
// beginning of the text to its end, or that it does not know.
func (w walk) shape(pattern string) (shape, bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil || re.Op != syntax.OpConcat || len(re.Sub) < 2 ||
		re.Sub[0].Op != syntax.OpBeginText || re.Sub[len(re.Sub)-1].Op != syntax.OpEndText {
		return shape{}, false
	}
	return w.all(re.Sub[1 : len(re.Sub)-1])
}

func (w walk) all(parts []*syntax.Regexp) (shape, bool) {
	whole := shape{}
	for _, re := range parts {
		s, ok := w.part(re)
		if !ok {
			return shape{}, false
		}
		whole.bytes, whole.most = add(whole.bytes, s.bytes), add(whole.most, s.most)
		if s.wide > whole.wide {
			whole.wide, whole.char = s.wide, s.char
		}
		whole.parts = append(whole.parts, s)
	}
	return whole, true
}

func (w walk) part(re *syntax.Regexp) (shape, bool) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return shape{}, true
	case syntax.OpLiteral:
		return w.literal(re), true
	case syntax.OpCharClass:
		return w.class(re.Rune), true
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return w.class([]rune{0, unicode.MaxRune}), true
	case syntax.OpCapture:
		return w.part(re.Sub[0])
	case syntax.OpConcat:
		return w.all(re.Sub)
	case syntax.OpQuest:
		return w.part(re.Sub[0])
	case syntax.OpStar, syntax.OpPlus:
		return w.times(re.Sub[0], math.MaxInt)
	case syntax.OpRepeat:
		if re.Max < 0 {
			return w.times(re.Sub[0], math.MaxInt)
		}
		return w.times(re.Sub[0], re.Max)
	case syntax.OpAlternate:
		return w.largest(re.Sub)
	}
	return shape{}, false
}

// literal may be in either case.
func (w walk) literal(re *syntax.Regexp) (whole shape) {
	for _, c := range re.Rune {
		folds := []rune{c, c}
		if re.Flags&syntax.FoldCase != 0 {
			for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
				folds = append(folds, f, f)
			}
		}
		s := w.class(folds)
		whole.parts = append(whole.parts, s)
		whole.bytes, whole.most = whole.bytes+s.bytes, whole.most+1
		if s.wide > whole.wide {
			whole.wide, whole.char = s.wide, s.char
		}
	}
	return whole
}

// class is one character of some ranges.
func (w walk) class(ranges []rune) shape {
	s := shape{most: 1}
	for i := 0; i+1 < len(ranges); i += 2 {
		if c := w.widest(ranges[i], ranges[i+1]); w.width(c) > s.wide {
			s.wide, s.char = w.width(c), c
		}
	}
	s.bytes = s.wide
	return s
}

func (w walk) times(re *syntax.Regexp, n int) (shape, bool) {
	s, ok := w.part(re)
	if !ok || n == math.MaxInt {
		return shape{bytes: math.MaxInt, most: math.MaxInt, wide: s.wide, char: s.char}, ok
	}
	one := s
	s.bytes, s.most, s.parts = times(one.bytes, n), times(one.most, n), nil
	for range min(n, maxText) {
		s.parts = append(s.parts, one)
	}
	return s, true
}

// largest is the part that can be the largest; its bounds are those of all.
func (w walk) largest(parts []*syntax.Regexp) (all shape, ok bool) {
	for _, re := range parts {
		s, ok := w.part(re)
		if !ok {
			return shape{}, false
		}
		if s.bytes < all.bytes {
			s.parts, s.char = all.parts, all.char
		}
		s.bytes, s.most, s.wide = max(s.bytes, all.bytes), max(s.most, all.most), max(s.wide, all.wide)
		all = s
	}
	return all, true
}

// widest is the character of a range that takes the most room.
func (w walk) widest(from, to rune) rune {
	best := from
	for _, c := range []rune{1, '\u2028', '\u2029', to, 0xD7FF, 0xFFFF, 'a', '"', '\\', '!'} {
		if c >= from && c <= to && w.width(c) > w.width(best) {
			best = c
		}
	}
	for c := from; c <= min(to, 0x2F); c++ { // among which there are escapes
		if w.width(c) > w.width(best) {
			best = c
		}
	}
	return best
}

// add and times know no bound.
func add(a, b int) int {
	if a == math.MaxInt || b == math.MaxInt {
		return math.MaxInt
	}
	return a + b
}

func times(a, n int) int {
	if a == math.MaxInt || n > 0 && a > math.MaxInt/2/n {
		return math.MaxInt
	}
	return a * n
}

// variant is a text of the same size that differs with i.
func variant(text string, i int) string {
	chars := []rune(text)
	for at := len(chars) - 1; at >= 0 && i > 0; at-- {
		switch c := chars[at]; {
		case c >= 0x10000:
			chars[at], i = c-rune(i%0x10000), i/0x10000
		case c < ' ':
			chars[at], i = controls[i%len(controls)], i/len(controls)
		case c <= '~':
			chars[at], i = rune('a'+i%26), i/26
		}
	}
	return string(chars)
}

// controls are those that JSON has no short escape for.
var controls = []rune("\x01\x02\x03\x04\x05\x06\x07\x0b\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f")
