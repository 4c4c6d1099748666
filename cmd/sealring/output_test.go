package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// hostile texts would do something to a terminal, or to who looks at it.
var hostile = map[string]string{
	"\x1b[2J":           `\u001b[2J`,
	"\u009b31m":         `\u009b31m`,
	"a\tb\nc\rd":        `a\u0009b\u000ac\u000dd`,
	"\u202eevil\u2066":  `\u202eevil\u2066`,
	"zero\u200bwidth":   `zero\u200bwidth`,
	"line\u2028break":   `line\u2028break`,
	"\x7f":              `\u007f`,
	"\U000e0041":        `\U000e0041`,
	"\xff\xfe":          `\xff\xfe`,
	"half \xc3":         `half \xc3`,
	"":                  "-",
	"Ann Ünal 安 😀":      "Ann Ünal 安 😀",
	`a\b "c"`:           `a\b "c"`,
	"replaced \ufffd":   "replaced \ufffd",
	"no\u00a0break":     "no\u00a0break",
	"e\u0301 combining": "e\u0301 combining",
}

func TestATableShowsWhatATerminalWouldObey(t *testing.T) {
	for text, want := range hostile {
		if got := printable(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func TestJSONIsPlainAndStillTheSame(t *testing.T) {
	for text := range hostile {
		if !utf8.ValidString(text) {
			continue
		}
		var out bytes.Buffer
		a := newApp(nil, nil, &out, nil)
		must(t, a.printJSON(map[string]string{"x": text, text: "x"}))
		var back map[string]string
		must(t, json.Unmarshal(out.Bytes(), &back))
		if back["x"] != text || back[text] != "x" {
			t.Errorf("%q became %q", text, back)
		}
		if shown(out.String()) != string(bytes.ReplaceAll(out.Bytes(), []byte("\n"), []byte(`\u000a`))) {
			t.Errorf("%q is not plain", out.String())
		}
	}
}
