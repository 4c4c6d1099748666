package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// print writes rows as a table, or value as JSON, as -o says.
func (a *app) print(value any, head []string, rows [][]string) error {
	if a.format == "json" {
		return a.printJSON(value)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(head, "\t"))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = printable(cell)
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func (a *app) printJSON(value any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		return err
	}
	_, err := io.WriteString(a.stdout, plainJSON(b.String()))
	return err
}

// plainJSON writes what a terminal would obey rather than show as escapes:
// characters beyond ASCII stand in texts alone, where that is the same JSON.
func plainJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < 0x7f || unicode.IsGraphic(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// printable keeps what others chose (names, claims) from moving the cursor of
// whoever looks at a table, from turning its text around, and from its columns:
// what does not show itself is escaped.
func printable(s string) string {
	if s == "" {
		return "-"
	}
	return shown(s)
}

// shown is text with escapes for controls, for what changes the direction of
// writing or has no width, and for what is not UTF-8.
func shown(s string) string {
	var b strings.Builder
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// moment is a time in a table; the zero time is not known yet.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func words(list []string) string { return strings.Join(list, " ") }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
