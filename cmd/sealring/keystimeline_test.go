package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sealring-dev/sealring/keys"
)

var update = flag.Bool("update", false, "write the golden files anew")

// ringStart is when the rings of the golden files were made.
var ringStart = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// ringStories are rings in all states, and when one looks at them.
func ringStories(t *testing.T) map[string]struct {
	ring *keys.Ring
	now  time.Time
} {
	t.Helper()
	type story = struct {
		ring *keys.Ring
		now  time.Time
	}
	fresh, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, ringStart)
	must(t, err)
	week := ringStart.Add(7 * 24 * time.Hour)
	rotated := turned(t, fresh, week)
	scheduled := turned(t, rotated, week.Add(2*time.Hour))
	dead := week.Add(3 * time.Hour)
	current, err := rotated.Current(keys.AccessToken, dead)
	must(t, err)
	revoked, err := rotated.Revoke(current.ID, "laptop stolen", dead)
	must(t, err)
	burnt, err := revoked.Current(keys.Feed, dead)
	must(t, err)
	twice, err := revoked.Revoke(burnt.ID, "müll \u202e"+strings.Repeat("so many words ", 20), dead.Add(9*time.Hour))
	must(t, err)
	return map[string]story{
		"burnt":     {twice, dead.Add(9 * time.Hour)},
		"fresh":     {fresh, ringStart.Add(time.Minute)},
		"rotated":   {rotated, week.Add(90 * time.Minute)},
		"scheduled": {scheduled, week.Add(10 * time.Hour)},
		"revoked":   {revoked, dead.Add(5 * time.Minute)},
	}
}

func turned(t *testing.T, r *keys.Ring, now time.Time) *keys.Ring {
	t.Helper()
	for _, p := range usePurposes["sig"] {
		var err error
		r, err = r.Rotate(p, keys.Plan{}, now)
		must(t, err)
	}
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// named gives the random keys names that stay, by their order in the ring.
func named(ring *keys.Ring, drawn string) string {
	for i, k := range ring.Keys() {
		drawn = strings.ReplaceAll(drawn, short8(k.ID), fmt.Sprintf("kid%05d", i))
	}
	return drawn
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "timeline", name)
	if *update {
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(want, []byte(got)) {
		t.Errorf("%s: drawn\n%s\nwant\n%s", name, got, want)
	}
}

func TestATimelineLooksAsItAlwaysDid(t *testing.T) {
	for name, s := range ringStories(t) {
		t.Run(name, func(t *testing.T) {
			line := newTimeline(s.ring, s.now)
			// Keys that were published at one moment stand in the order of their
			// random names, except for the states: those are in the drawing.
			golden(t, name+".txt", named(s.ring, pen{ink: fineInk}.draw(line)))
			golden(t, name+"-ascii.txt", named(s.ring, pen{ink: plainInk}.draw(line)))
		})
	}
}

func TestATimelineFitsItsColumns(t *testing.T) {
	for name, s := range ringStories(t) {
		line := newTimeline(s.ring, s.now)
		for _, i := range []ink{fineInk, plainInk} {
			drawn := pen{ink: i}.draw(line)
			for l := range strings.Lines(drawn) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(l, "\n")); n > lineLength {
					t.Errorf("%s: a line of %d columns: %s", name, n, l)
				}
			}
			if i.now == '|' && strings.ContainsFunc(drawn, func(r rune) bool { return r >= 0x80 }) {
				t.Errorf("%s: plain ink is not ASCII", name)
			}
		}
	}
}

// A key that was revoked neither signs nor verifies after its end, whatever
// was planned for it, and everybody can see why.
func TestARevokedKeyIsShownWithItsEnd(t *testing.T) {
	s := ringStories(t)["revoked"]
	views, rows := viewKeys(s.ring, s.now)
	dead := ringStart.Add(7*24*time.Hour + 3*time.Hour)
	for i, v := range views {
		if v.State != keys.Revoked {
			if v.KeptUntil != (time.Time{}) || rows[i][7] != "" || rows[i][8] != "" {
				t.Errorf("%+v: shown as revoked", v)
			}
			continue
		}
		if !v.SignUntil.Equal(dead) || !v.VerifyUntil.Equal(dead) || !v.RevokedAt.Equal(dead) || !v.KeptUntil.After(dead.Add(24*time.Hour)) {
			t.Errorf("%+v", v)
		}
		if rows[i][5] != moment(dead) || rows[i][6] != moment(dead) || rows[i][7] != moment(dead) || rows[i][8] != "laptop stolen" {
			t.Errorf("%q", rows[i])
		}
	}
	standby := func(r *keys.Ring) keys.Key {
		_, k := chainOf(r, keys.AccessToken)
		return *k
	}(s.ring)
	ring, err := s.ring.Revoke(standby.ID, "", s.now)
	must(t, err)
	for _, k := range ring.Keys() {
		if v := viewKey(ring, k, s.now); k.ID == standby.ID && (!v.SignFrom.IsZero() || !v.SignUntil.IsZero()) {
			t.Errorf("it never signed: %+v", v)
		}
	}
}

func TestColoursOnlyPaint(t *testing.T) {
	s := ringStories(t)["revoked"]
	line := newTimeline(s.ring, s.now)
	painted := pen{ink: fineInk, colour: true}.draw(line)
	for state, style := range paints {
		if state != keys.Retired && !strings.Contains(painted, "\x1b["+style+"m") {
			t.Errorf("no %s in its colour", state)
		}
	}
	bare := painted
	for _, style := range []string{"0", bold, "36", "1;32", "33", "1;31", "2"} {
		bare = strings.ReplaceAll(bare, "\x1b["+style+"m", "")
	}
	if bare != (pen{ink: fineInk}).draw(line) {
		t.Error("the colours move something")
	}
}

func TestATimelinesJSONIsTheWholeLife(t *testing.T) {
	s := ringStories(t)["revoked"]
	raw, err := json.Marshal(newTimeline(s.ring, s.now))
	must(t, err)
	var back timeline
	must(t, json.Unmarshal(raw, &back))
	states := map[keys.State]int{}
	for _, k := range back.Keys {
		states[k.State]++
		for i, span := range k.Spans {
			if i > 0 && !k.Spans[i-1].To.Equal(span.From) {
				t.Errorf("%s: a gap before %v", k.KID, span)
			}
		}
		if k.State == keys.Revoked && (k.Reason != "laptop stolen" || len(k.Spans) != 3 || k.Spans[1].State != keys.Signing) {
			t.Errorf("the revoked key: %+v", k)
		}
	}
	if states[keys.Signing] != 4 || states[keys.Standby] != 4 || states[keys.VerifyOnly] != 2 || states[keys.Revoked] != 1 {
		t.Errorf("states %v", states)
	}
}

func TestColoursAreForATerminalThatWantsThem(t *testing.T) {
	a := newApp(nil, nil, &bytes.Buffer{}, nil)
	if a.colours() {
		t.Error("colours into a pipe")
	}
	for env, want := range map[string]bool{
		"LANG=C.UTF-8": true, "LANG=en_US.utf8": true, "LANG=C": false, "": false,
		"LC_ALL=C LANG=C.UTF-8": false, "LC_CTYPE=C.UTF-8 LANG=C": true,
	} {
		a := newApp(strings.Fields(env), nil, nil, nil)
		if a.utf8() != want {
			t.Errorf("%q: %v", env, !want)
		}
	}
}
