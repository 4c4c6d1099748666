package users

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the longest username, in bytes of UTF-8.
const maxName = 128

// Bounds of a password that is being set (NIST SP 800-63B §3.1.1.2 asks for at
// least eight, and for no rules of composition). At login anything up to the
// maximum is tried, so that raising the minimum locks nobody out.
const (
	minPassword = 8
	maxPassword = 1024
)

// CanonicalName returns the form in which a username is stored and compared:
// in lower case, by Unicode's simple mapping and no locale, and otherwise as
// it is. Nothing is trimmed.
//
// Lower case because a telephone's keyboard capitalises the first letter, and
// because an Ann and an ann who are two people are a trap for everybody else.
// The name is 1 to 128 bytes of valid UTF-8 of which every character can be
// seen or is a space: control and invisible characters are refused (ErrName),
// for they would let two names look the same in a log.
func CanonicalName(name string) (string, error) {
	if len(name) > maxName || !utf8.ValidString(name) {
		return "", fmt.Errorf("%w: a username is 1 to %d bytes of UTF-8", ErrName, maxName)
	}
	for _, r := range name {
		if !unicode.IsGraphic(r) {
			return "", fmt.Errorf("%w: a username has no control or invisible characters", ErrName)
		}
	}
	lower := strings.ToLower(name)
	if lower == "" || len(lower) > maxName { // a few letters grow in lower case
		return "", fmt.Errorf("%w: a username is 1 to %d bytes of UTF-8", ErrName, maxName)
	}
	return lower, nil
}

// CheckPassword says whether a password may be set: 8 to 1024 bytes, any
// bytes. Its error (ErrPassword) does not quote it.
func CheckPassword(password string) error {
	if len(password) < minPassword || len(password) > maxPassword {
		return fmt.Errorf("%w: a password is %d to %d bytes", ErrPassword, minPassword, maxPassword)
	}
	return nil
}

// checkID is for client ids, which travel in URLs, headers and tokens: 1 to
// 64 of the characters that no encoding changes.
func checkID(what, id string) error {
	foreign := func(r rune) bool { return !strings.ContainsRune(idChars, r) }
	if id == "" || len(id) > 64 || strings.ContainsFunc(id, foreign) {
		return fmt.Errorf("%w: a %s is 1 to 64 characters of A-Z a-z 0-9 . _ ~ -", ErrName, what)
	}
	return nil
}

const idChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-"

// checkTokens is for scopes (RFC 6749 §3.3: NQCHAR without space) and roles,
// which share the rule.
func checkTokens(what string, list []string) error {
	for _, s := range list {
		if len(s) > 128 {
			return fmt.Errorf("%w: a %s is 1 to 128 characters", ErrName, what)
		}
		if err := checkGraphic(what, s); err != nil {
			return err
		}
	}
	return nil
}

// checkGraphic allows the printable characters of ASCII but space, quote and
// backslash, which would need escaping in a claim, a header or a log.
func checkGraphic(what, s string) error {
	foreign := func(r rune) bool { return r < 0x21 || r > 0x7e || r == '"' || r == '\\' }
	if s == "" || strings.ContainsFunc(s, foreign) {
		return fmt.Errorf("%w: a %s is not empty and has no spaces, quotes, backslashes or characters outside ASCII", ErrName, what)
	}
	return nil
}
