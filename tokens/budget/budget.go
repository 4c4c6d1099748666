// Package budget says whether an answer survives the way to the browser.
//
// A browser drops an oversized Set-Cookie without a word and keeps the old
// cookie; a proxy turns an oversized header block into a 502. Neither can be
// seen from the server, so it counts before it sends, and refuses with the
// parts that are too big. The package is pure: bytes in, a verdict out.
package budget

import (
	"cmp"
	"fmt"
	"slices"
)

// The limits, in bytes.
const (
	// CookieLimit bounds name and value of one cookie (RFC 6265bis §5.6;
	// Chromium and Firefox do as it says).
	CookieLimit = 4096
	// HeaderLimit bounds the status line and all header lines of an answer
	// with the blank line after them: nginx reads them into one buffer of
	// proxy_buffer_size, a page, and answers 502 beyond it.
	HeaderLimit = 4096
)

// Field is one header line of an answer.
type Field struct{ Name, Value string }

// Cookie is the part of a Set-Cookie line that browsers count.
type Cookie struct{ Name, Value string }

// Part is something that takes room, for the message: a claim and the bytes
// of its JSON.
type Part struct {
	Name  string
	Bytes int
}

// Reply is an answer before it is sent.
type Reply struct {
	Status  string   // status line without the protocol: "200 OK"
	Fields  []Field  // every header line, those of the server (Date) too
	Cookies []Cookie // those among Fields that set a cookie
	Parts   []Part   // what the cookies carry, for the message
}

// OverError says that a reply is over a limit, and what makes it big.
type OverError struct {
	What  string // name of the cookie, or "response header"
	Bytes int    // counted
	Limit int    // allowed
	Parts []Part // the biggest first
}

// Error names the figures and never a value.
func (e *OverError) Error() string {
	return fmt.Sprintf("%s is %d bytes, the limit is %d", e.What, e.Bytes, e.Limit)
}

// Check returns nil when the reply is within every limit, else an *OverError
// for the first cookie that is not, or for the header as a whole.
func Check(r Reply) error {
	for _, c := range r.Cookies {
		if n := c.Size(); n > CookieLimit {
			return over(c.Name, n, CookieLimit, r.Parts)
		}
	}
	if n := r.HeaderSize(); n > HeaderLimit {
		return over("response header", n, HeaderLimit, r.Parts)
	}
	return nil
}

// Size returns the bytes that count against CookieLimit.
func (c Cookie) Size() int { return len(c.Name) + len(c.Value) }

// HeaderSize returns the bytes that count against HeaderLimit, exactly as
// HTTP/1.1 sends them (RFC 9112 §2.1).
func (r Reply) HeaderSize() int {
	n := len("HTTP/1.1 ") + len(r.Status) + len("\r\n") + len("\r\n")
	for _, f := range r.Fields {
		n += len(f.Name) + len(": ") + len(f.Value) + len("\r\n")
	}
	return n
}

func over(what string, n, limit int, parts []Part) error {
	sorted := slices.Clone(parts)
	slices.SortStableFunc(sorted, func(a, b Part) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return &OverError{What: what, Bytes: n, Limit: limit, Parts: sorted}
}
