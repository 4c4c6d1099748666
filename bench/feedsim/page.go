package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

// weights are the lengths of what is sent, as server-sent events, in bytes.
type weights struct {
	payload float64     // an entry in a frame
	signed  float64     // an entry in a signed frame
	deltas  map[int]int // a delta by its number of entries; 0: a heartbeat
}

var weighed = []int{0, 1, 10, 100, 1000}

// weigh makes deltas of several sizes.
func weigh() (weights, error) {
	w := weights{deltas: map[int]int{}}
	f, err := newFeed(start)
	if err != nil {
		return w, err
	}
	f.startAt(start)
	c := newCrowd(scenarios()[0])
	payloads := map[int]int{}
	for _, n := range weighed {
		entries := make([]revocation.Entry, n)
		for i := range entries {
			_, e := c.next()
			entries[i] = e.OnFeed(entryLife)
		}
		raw, err := (&revocation.Frame{Kind: revocation.Snapshot, Pos: f.pos, AsOf: start, Entries: entries}).MarshalBinary()
		if err != nil {
			return w, err
		}
		payloads[n] = len(raw)
		if w.deltas[n], err = f.send(start, f.pos, entries); err != nil {
			return w, err
		}
	}
	w.payload = float64(payloads[1000]-payloads[0]) / 1000
	w.signed = float64(w.deltas[1000]-w.deltas[0]) / 1000
	return w, nil
}

func (w weights) print(out io.Writer) error {
	t := newTable("sent as one event", "bytes")
	for _, n := range weighed {
		what := "a delta of " + count(float64(n)) + " entries"
		switch n {
		case 0:
			what = "a heartbeat, every second"
		case 1:
			what = "a delta of 1 entry"
		}
		t.row(what, count(float64(w.deltas[n])))
	}
	t.row("each entry more, in the frame", fmt.Sprintf("%.0f", w.payload))
	t.row("each entry more, signed (base64)", fmt.Sprintf("%.1f", w.signed))
	return t.print(out)
}

// printFeed prints what is the same on every machine.
func printFeed(out io.Writer, all []result) error {
	t := newTable("sessions", "revoked", "a second", "on the list", "snapshot", "deltas a second", "entries a delta", "bytes a delta",
		"egress to 10 verifiers", "to 1,000", "to 10,000")
	for _, r := range all {
		t.row(r.cells()...)
	}
	return t.print(out)
}

func (r result) cells() []string {
	seconds := r.watched.Seconds()
	each := float64(r.bytes) / seconds
	return []string{
		count(r.sessions), r.load.name, number(r.perSecond()), count(float64(r.entries)), size(float64(r.snapshot)),
		number(float64(r.deltas) / seconds), number(float64(r.deltaEntries) / float64(r.deltas)), count(float64(r.deltaBytes) / float64(r.deltas)),
		size(10*each) + "/s", size(1000*each) + "/s", size(10_000*each) + "/s",
	}
}

// printMachine prints what was measured here and now.
func printMachine(out io.Writer, all []result) error {
	t := newTable("entries on a verifier's list", "memory", "bytes an entry", "a new verifier takes the snapshot in")
	for _, r := range all {
		taken := number(float64(r.snapshotTaken.Microseconds())/1000) + " ms"
		t.row(count(float64(r.entries)), size(float64(r.memory)), fmt.Sprintf("%.1f", float64(r.memory)/float64(r.entries)), taken)
	}
	return t.print(out)
}

// table is a Markdown table.
type table struct{ b strings.Builder }

func newTable(head ...string) *table {
	t := &table{}
	t.row(head...)
	t.b.WriteString("|" + strings.Repeat("---|", len(head)) + "\n")
	return t
}

func (t *table) row(cells ...string) { t.b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }

func (t *table) print(out io.Writer) error {
	_, err := fmt.Fprintln(out, t.b.String())
	return err
}

// count writes a whole number with commas.
func count(f float64) string {
	s := strconv.FormatFloat(f, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// number writes a number with two digits, or all before the point.
func number(f float64) string {
	if f >= 10 {
		return count(f)
	}
	return strconv.FormatFloat(f, 'g', 2, 64)
}

// size writes a number of bytes with two digits or three.
func size(f float64) string {
	unit := "B"
	for _, bigger := range []string{"kB", "MB", "GB"} {
		if f < 1000 {
			break
		}
		f, unit = f/1000, bigger
	}
	return number(f) + " " + unit
}
