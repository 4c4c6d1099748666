package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// The page in RESULTS.md is what the code does. Everyday runs look at the
// scenarios of the fewest sessions; SEALRING_FULL=1 at all.
func TestThePageIsAsCommitted(t *testing.T) {
	committed, err := os.ReadFile("../../RESULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	w, err := weigh()
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := w.print(&page); err != nil {
		t.Fatal(err)
	}
	var all []result
	for _, s := range scenarios() {
		if s.sessions > 1e6 && os.Getenv("SEALRING_FULL") == "" {
			continue
		}
		r, err := s.simulate()
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		all = append(all, r)
	}
	if err := printFeed(&page, all); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(page.String()) {
		if !strings.Contains(string(committed), line) {
			t.Errorf("RESULTS.md lacks the line\n%s", line)
		}
	}
}

func TestTheCommittedPageHasEveryScenario(t *testing.T) {
	committed, err := os.ReadFile("../../RESULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios() {
		if row := "\n| " + count(s.sessions) + " | " + s.load.name + " | "; strings.Count(string(committed), row) != 1 {
			t.Errorf("not one row of %s", s)
		}
	}
}

func TestTheFirstAfterAQuietMomentIsSentAtOnceAndTheNextTogether(t *testing.T) {
	for name, c := range map[string]struct {
		ms      []int // when each is appended
		deltas  int   // sent by then
		entries int
	}{
		"one alone":                               {[]int{150}, 1, 1},
		"two close together":                      {[]int{150, 160}, 1, 1},
		"a third when the second has left":        {[]int{150, 160, 300}, 2, 2},
		"a fifth after a tenth takes all along":   {[]int{150, 160, 170, 180, 251}, 2, 5},
		"a quiet moment between them":             {[]int{150, 400}, 2, 2},
		"a heartbeat takes along what is waiting": {[]int{950, 999, 1001}, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := newTestFeed(t)
			dice := newCrowd(scenarios()[0])
			for _, ms := range c.ms {
				now := start.Add(time.Duration(ms) * time.Millisecond)
				if err := f.passTo(now); err != nil {
					t.Fatal(err)
				}
				_, e := dice.next()
				if err := f.append(now, e); err != nil {
					t.Fatal(err)
				}
			}
			if f.deltas != c.deltas || f.entries != c.entries || f.verifier.list.Len() != c.entries {
				t.Errorf("%d entries in %d deltas, %d on the list; want %d in %d", f.entries, f.deltas, f.verifier.list.Len(), c.entries, c.deltas)
			}
		})
	}
}

func newTestFeed(t *testing.T) *feed {
	t.Helper()
	f, err := newFeed(start)
	if err != nil {
		t.Fatal(err)
	}
	f.startAt(start)
	return f
}

func TestAHeartbeatIsSentEverySecond(t *testing.T) {
	f := newTestFeed(t)
	if err := f.passTo(start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if f.beats != 60 || f.beatBytes/f.beats < 200 || f.deltas != 0 {
		t.Errorf("%d heartbeats of %d bytes, %d deltas", f.beats, f.beatBytes, f.deltas)
	}
}

func TestAVerifierNoticesAGapAndAForgery(t *testing.T) {
	f := newTestFeed(t)
	at := func(ms uint64) revocation.Position {
		return revocation.Position{Epoch: epoch, Cursor: revocation.Cursor{Ms: uint64(start.UnixMilli()) + ms}}
	}
	f.pos = at(1)
	if _, err := f.send(start, at(2), nil); err == nil || !strings.Contains(err.Error(), "gap") {
		t.Errorf("a gap: %v", err)
	}
	if err := f.verifier.take("a.b.c", start); err == nil {
		t.Error("a forgery was taken")
	}
	jws, _, err := newTestFeed(t).snapshot(start)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.VerifyBytes(tokens.TypFeed, jws[0], f.verifier.src, start); err == nil {
		t.Error("another issuer's snapshot was taken")
	}
}

func TestNumbersAreWrittenForPeople(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(1234567.4), "1,234,567"},
		{number(0.5787), "0.58"}, {number(9.96), "10"}, {number(2893.5), "2,894"},
		{size(25), "25 B"}, {size(1500), "1.5 kB"}, {size(25_400_000), "25 MB"}, {size(2e9), "2 GB"}, {size(5e12), "5,000 GB"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}
