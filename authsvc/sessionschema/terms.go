package sessionschema

import (
	"bytes"
	"encoding/json"
	"math/bits"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
)

// terms are how a part of a session is counted: by what it adds to a cookie, the
// data in bytes and claims in bits.
type terms interface {
	types(*jsonschema.Schema) []string // of a value; nil: any
	width(rune) int                    // bytes of a character; 0: it can not be there
	textSize(bytes int) int            // of a text of so many bytes
	longest() int                      // bytes of a text that is let in, whatever the schema says
	items() int                        // that an array can have, whatever the schema says
	listSize(items int) int            // of an array, beside its items
	objectSize(members int) int        // of an object, beside its members
	memberSize(member) int
	sizeOf(v any) int       // of a value that the schema has itself
	known(text string) bool // there is a code for it
}

// What is let in whatever a schema says: see package tokens.
const (
	maxClaim   = 255  // bytes of a text in a claim
	maxList    = 255  // texts of a claim
	maxValues  = 1024 // of the data
	maxMembers = 256  // of an object in the data
	maxNumber  = 32   // characters of a number in the data
	maxText    = 8192 // bytes; no token is as long
)

// dataTerms count the data, which is JSON in the one form that the service gives it.
type dataTerms struct{}

func (dataTerms) types(s *jsonschema.Schema) []string {
	if s.Types == nil {
		return nil
	}
	return s.Types.ToStrings()
}

func (dataTerms) width(c rune) int {
	switch {
	case c == '"', c == '\\', c == '\b', c == '\t', c == '\n', c == '\f', c == '\r':
		return 2
	case c < ' ', c == '\u2028', c == '\u2029':
		return len(`\u0000`)
	}
	return max(0, utf8.RuneLen(c)) // a surrogate is none
}

func (dataTerms) textSize(bytes int) int { return len(`""`) + bytes }
func (dataTerms) longest() int           { return maxText }
func (dataTerms) items() int             { return maxValues }
func (dataTerms) listSize(n int) int     { return len(`[]`) + max(0, n-1) }
func (dataTerms) objectSize(n int) int   { return len(`{}`) + max(0, n-1) }
func (dataTerms) memberSize(m member) int {
	return len(encode(m.name)) + len(`:`) + m.size
}

func (dataTerms) known(string) bool { return false }

func (dataTerms) sizeOf(v any) int {
	whole := encode(map[string]any{"v": v})
	if plain, err := authsvc.PlainData(whole); err == nil { // else no data has it
		whole = plain
	}
	return len(whole) - len(`{"v":}`)
}

// claimTerms count the texts of a claim: a cookie, and a refresh token, has each
// with its length in one byte, or the code of one for which there is a table.
type claimTerms struct {
	dataTerms
	names *keys.Names
}

func (claimTerms) width(c rune) int {
	if c < ' ' || c >= 0x7F && c <= 0x9F || c == '\u2028' || c == '\u2029' {
		return 0
	}
	return max(0, utf8.RuneLen(c))
}

func (t claimTerms) code() int              { return bits.Len(uint(t.names.Len())) }
func (t claimTerms) textSize(bytes int) int { return t.code() + 8*(1+bytes) }
func (claimTerms) longest() int             { return maxClaim }
func (claimTerms) items() int               { return maxList }
func (claimTerms) listSize(int) int         { return 8 }
func (t claimTerms) known(text string) bool { _, ok := t.names.Find(text); return ok }
func (t claimTerms) sizeOf(v any) int {
	s, _ := v.(string) // nothing else is in a claim
	if t.known(s) {
		return t.code()
	}
	return t.textSize(len(s))
}

// scopeTerms are those of the scope, which is of ASCII (RFC 6749 §3.3).
type scopeTerms struct{ claimTerms }

func (scopeTerms) width(c rune) int {
	if c <= ' ' || c > '~' || c == '"' || c == '\\' {
		return 0
	}
	return 1
}

// nameTerms count the names of members, which have no escapes.
type nameTerms struct{ dataTerms }

func (nameTerms) types(*jsonschema.Schema) []string { return []string{"string"} }

func (nameTerms) width(c rune) int {
	if n := (dataTerms{}).width(c); c != '"' && c != '\\' && c >= ' ' && n <= utf8.UTFMax {
		return n
	}
	return 0
}

func encode(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // of maps, lists, texts and numbers: can not be
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
