package tokens

import "strings"

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
