package main

import (
	"fmt"
	"strconv"
	"strings"
)

// scale draws budget reports, in lines of at most 80 columns.
type scale struct {
	pen
	full, empty string
}

const (
	claimBar   = 40
	readingBar = 16
)

func (a *app) scale() scale {
	s := scale{pen{colour: a.colours()}, "#", "."}
	if a.utf8() {
		s.full, s.empty = "█", "░"
	}
	return s
}

// Colours of how much is left (ECMA-48 SGR).
const (
	ample, scarce, spent = "32", "33", "1;31"
)

func (s scale) draw(r *budgetReport) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n", s.paint(bold, shown(r.File)), s.verdict(r))
	s.drawClaims(&b, r)
	if len(r.Readings) > 0 {
		b.WriteString("\n")
		s.drawReadings(&b, r)
	}
	return b.String()
}

func (s scale) verdict(r *budgetReport) string {
	if r.Fault != "" {
		return s.paint(spent, r.Fault)
	}
	v := r.least()
	if v.Left < 0 {
		return s.paint(spent, fmt.Sprintf("%s bytes too many for %s", grouped(-v.Left), v.Profile))
	}
	return s.paint(v.colour(), "fits") + fmt.Sprintf(", %s bytes left (%s)", grouped(v.Left), v.Profile)
}

func (s scale) drawClaims(b *strings.Builder, r *budgetReport) {
	s.line(b, "%-10s %9s%s", "CLAIM", "BYTES", added(r.compared, "ADDED"))
	most := 1
	for _, c := range r.Claims {
		most = max(most, c.Bytes)
	}
	for _, c := range r.Claims {
		s.line(b, "%-10s %9s%s  %s", c.Name, grouped(c.Bytes), added(r.compared, signed(c.Added)), s.bar(c.Bytes, most, claimBar, ""))
	}
}

func (s scale) drawReadings(b *strings.Builder, r *budgetReport) {
	s.line(b, "%-10s %-16s%9s%s %11s %11s", "PROFILE", "MEASURE", "BYTES", added(r.compared, "ADDED"), "LIMIT", "LEFT")
	for _, v := range r.tightest() {
		s.line(b, "%-10s %-16s%9s%s %11s %11s  %s", v.Profile, v.Measure, grouped(v.Bytes), added(r.compared, signed(v.Added)),
			grouped(v.Limit), grouped(v.Left), s.paint(v.colour(), s.bar(v.Bytes, v.Limit, readingBar-room(r), s.empty)))
	}
}

// room is what the column of what was added takes of the bars.
func room(r *budgetReport) int {
	if r.compared {
		return columnAdded
	}
	return 0
}

const columnAdded = 8

func (s scale) line(b *strings.Builder, format string, args ...any) {
	b.WriteString(strings.TrimRight("  "+fmt.Sprintf(format, args...), " ") + "\n")
}

// bar is n of most, and at least a mark of anything.
func (s scale) bar(n, most, width int, rest string) string {
	full := min((n*width+most-1)/most, width)
	return strings.Repeat(s.full, full) + strings.Repeat(rest, width-full)
}

// colour is by what is left: nothing, less than a tenth, or more.
func (v readingView) colour() string {
	switch {
	case v.Left < 0:
		return spent
	case v.Left*10 < v.Limit:
		return scarce
	}
	return ample
}

// added is a column that is there only where something was compared.
func added(compared bool, cell string) string {
	if !compared {
		return ""
	}
	return fmt.Sprintf("%*s", columnAdded, cell)
}

func signed(n *int) string {
	switch {
	case n == nil:
		return "-"
	case *n < 0:
		return grouped(*n)
	}
	return "+" + grouped(*n)
}

// grouped writes 12345 as 12,345.
func grouped(n int) string {
	digits, sign := strconv.Itoa(n), ""
	if n < 0 {
		digits, sign = digits[1:], "-"
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
