package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"
)

// contender is one way to know who is logged in: a handler that serves the good
// requests, in turn, and refuses the bad one.
type contender struct {
	name    string
	about   string // in the plot; empty: it is not in it
	handler http.Handler
	good    []*http.Request
	bad     *http.Request
	before  func() // each turn, outside its time; nil: nothing

	times  []time.Duration // of one request, by turn
	allocs float64         // of one request
}

// served is the application behind all of them.
var served = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

// answer is a ResponseWriter that keeps the status alone.
type answer struct {
	header http.Header
	status int
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return len(b), nil }
func (a *answer) WriteHeader(status int)      { a.status = status }

func (c *contender) ask(a *answer, r *http.Request) int {
	a.status = http.StatusOK
	clear(a.header)
	c.handler.ServeHTTP(a, r)
	return a.status
}

// try fails unless the good are served and the bad is refused: who judges nothing
// is quick.
func (c *contender) try() error {
	a := &answer{header: http.Header{}}
	if c.before != nil {
		c.before()
	}
	for _, r := range c.good {
		if status := c.ask(a, r); status != http.StatusNoContent {
			return fmt.Errorf("%s answers a good request %d", c.name, status)
		}
	}
	if c.bad != nil {
		if status := c.ask(a, c.bad); status/100 != 4 {
			return fmt.Errorf("%s answers a bad request %d", c.name, status)
		}
	}
	return nil
}

// turn asks n times and notes the time of one.
func (c *contender) turn(n int) {
	a := &answer{header: http.Header{}}
	if c.before != nil {
		c.before()
	}
	began := time.Now()
	for i := range n {
		c.ask(a, c.good[i%len(c.good)])
	}
	c.times = append(c.times, time.Since(began)/time.Duration(n))
}

// median is of one request.
func (c *contender) median() time.Duration {
	sorted := slices.Clone(c.times)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

// requests returns how many requests take about so long.
func (c *contender) requests(d time.Duration) int {
	const few = 64
	c.turn(few) // warm
	c.turn(few)
	one := c.times[len(c.times)-1]
	c.times = nil
	n := int(d / max(one, 1))
	if c.before != nil { // each of its requests is good once
		n = min(n, len(c.good))
	}
	return max(n, 8)
}

// measure has all of them take turns.
func measure(all []*contender, rounds int, length time.Duration, progress func(done int)) {
	counts := make([]int, len(all))
	for i, c := range all {
		counts[i] = c.requests(length)
		c.allocs = c.countAllocs()
	}
	for round := range rounds {
		for i := range all {
			i = (i + round) % len(all)
			all[i].turn(counts[i])
		}
		progress(round + 1)
	}
}

func (c *contender) countAllocs() float64 {
	if c.before != nil {
		c.before()
	}
	a, i := &answer{header: http.Header{}}, 0
	return testing.AllocsPerRun(200, func() {
		c.ask(a, c.good[i%len(c.good)])
		i++
	})
}

// printTable prints medians and ratios in Markdown, against the first contender.
func printTable(w io.Writer, all []*contender) {
	fmt.Fprintf(w, "| %s | one request | allocations | times the guard's |\n|---|---|---|---|\n", "who is logged in, by")
	for _, c := range all {
		fmt.Fprintf(w, "| %s | %s | %.0f | %s |\n", c.name, short(c.median()), c.allocs, ratio(c.median(), all[0].median()))
	}
}

func ratio(a, b time.Duration) string {
	switch x := float64(a) / float64(b); {
	case x < 10:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.0f", x)
	}
}

// short rounds to three digits.
func short(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < 100*time.Microsecond:
		return fmt.Sprintf("%.1f µs", float64(d)/1e3)
	default:
		return fmt.Sprintf("%.0f µs", float64(d)/1e3)
	}
}
