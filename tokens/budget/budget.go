// Package budget says whether an answer survives the way to the browser, and
// the cookies in it the way back.
//
// A browser drops an oversized Set-Cookie without a word and keeps the old
// cookie; a proxy turns an oversized header block into a 502, and an oversized
// Cookie line into a 400 that no handler ever sees. None of this can be seen
// from the server, so it counts before it sends, and refuses with the parts
// that are too big. The package is pure: bytes in, a verdict out.
//
// What is counted is a Measure of a Reply; what is allowed is a Limit, which
// belongs to the Profile of one browser, proxy or server:
//
//	portable, err := budget.Find(budget.Portable)
//	err = portable.Check(reply) // nil, or an *OverError
//
// The limits are those of the programs' default settings. Those that are not
// marked as Documented the package's tests ask the program for, which is that of
// Debian 12: the largest answer or request that fits passes, and one byte more
// does not. The others are what the vendor says.
package budget

import (
	"cmp"
	"fmt"
	"slices"
)

// Part is something that takes room, for the message: a claim and the bytes
// of its JSON.
type Part struct {
	Name  string
	Bytes int
}

// Reply is an answer before it is sent.
type Reply struct {
	Status  string   // status line without the protocol: "200 OK"
	Fields  []Field  // every header line but Set-Cookie, those of the server (Date) too
	Cookies []Cookie // each becomes a Set-Cookie line
	Parts   []Part   // what the cookies carry, for the message
}

// Reading is what one limit says of a reply.
type Reading struct {
	Limit Limit
	What  string // name of the cookie, or of what else was counted
	Bytes int    // counted as Limit counts
}

// Left is the headroom: how many bytes more would pass, negative for how many
// are too many.
func (r Reading) Left() int { return r.Limit.Bytes - r.Bytes }

// OverError says that a reply is over a limit, and what makes it big.
type OverError struct {
	Reading
	Parts []Part // the biggest first
}

// Error names the figures and never a value.
func (e *OverError) Error() string {
	return fmt.Sprintf("%s is %d bytes, the limit is %d (%s)", e.What, e.Bytes, e.Limit.Bytes, e.Limit.Profile)
}

// Read counts the reply under every limit of the profile.
func (p Profile) Read(r Reply) []Reading {
	response, later := r.Response(), r.Later()
	readings := make([]Reading, len(p.Limits))
	for i, l := range p.Limits {
		what, bytes := l.count(r, response, later)
		readings[i] = Reading{Limit: l, What: what, Bytes: bytes}
	}
	return readings
}

// Tightest is the reading that has the least left for a larger session: what is
// within a limit that no session comes nearer to is the last.
func Tightest(readings []Reading) Reading {
	return slices.MinFunc(readings, func(a, b Reading) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Left(), b.Left()))
	})
}

// rank: an attribute is the same in every session.
func (r Reading) rank() int {
	if r.Limit.Measure == CookieAttribute && r.Left() >= 0 {
		return 1
	}
	return 0
}

// Check returns nil when the reply is within every limit of the profile, else
// an *OverError for the first that it is not within.
func (p Profile) Check(r Reply) error { return Judge(p.Read(r), r.Parts) }

// Judge is Check of readings that were taken before.
func Judge(readings []Reading, parts []Part) error {
	for _, reading := range readings {
		if reading.Left() < 0 {
			sorted := slices.Clone(parts)
			slices.SortStableFunc(sorted, func(a, b Part) int { return cmp.Compare(b.Bytes, a.Bytes) })
			return &OverError{Reading: reading, Parts: sorted}
		}
	}
	return nil
}
