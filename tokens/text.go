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
	case strings.ContainsFunc(s, control):
		return faultControl
	}
	return nil
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
	list := strings.SplitN(s, " ", maxList+1)
	if len(list) > maxList {
		return nil, faultList
	}
	for _, token := range list {
		if !scopeToken(token) || len(token) > maxText {
			return nil, faultScope
		}
	}
	return list, nil
}
