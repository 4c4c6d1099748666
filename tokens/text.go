package tokens

import (
	"strings"
	"unicode/utf8"
)

// validText checks a text that names somebody: not empty, not too long, UTF-8,
// no control characters.
func validText(s string, limit int) error {
	switch {
	case s == "":
		return faultEmpty
	case len(s) > limit:
		return faultLong
	case !utf8.ValidString(s):
		return faultUTF8
	case hasControl(s):
		return faultControl
	}
	return nil
}

// hasControl looks at characters only where there may be one.
func hasControl(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7F {
			return strings.ContainsFunc(s[i:], control)
		}
	}
	return false
}

// control reports the C0 and C1 controls and DEL, and the line separators that
// some readers break lines at.
func control(c rune) bool {
	return c < 0x20 || c >= 0x7F && c <= 0x9F || c == 0x2028 || c == 0x2029
}

// scopeToken reports whether s is one scope of RFC 6749 §3.3: printable ASCII
// without blank, quote and backslash.
func scopeToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// splitScope takes a scope claim apart: tokens with one blank between two.
func splitScope(s string) ([]string, error) {
	n := strings.Count(s, " ") + 1
	if n > maxList {
		return nil, faultList
	}
	list := strings.SplitN(s, " ", n) // which would else make room for as many as it may give
	for _, token := range list {
		if !scopeToken(token) || len(token) > maxText {
			return nil, faultScope
		}
	}
	return list, nil
}
