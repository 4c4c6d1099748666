package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sealring-dev/sealring/keys"
)

func (a *app) keysTimeline() *cobra.Command {
	c := &cobra.Command{
		Use: "timeline", Short: "Draw each key's life, and what comes next",
		Long: `Draw the life of each key as a bar over time, with a mark where now is, and list
what comes next. States have colours on a terminal (NO_COLOR switches them off);
without a UTF-8 locale the bars are plain ASCII.`,
		Args: cobra.NoArgs,
	}
	onlyLooks(c)
	return a.printing(a.command(c, ringOnly, func(ctx context.Context, _ []string) error {
		f, err := a.openRing(ctx)
		if err != nil {
			return err
		}
		t := newTimeline(f.Ring(), time.Now())
		if a.format == "json" {
			return a.printJSON(t)
		}
		p := pen{colour: a.colours(), ink: plainInk}
		if a.utf8() {
			p.ink = fineInk
		}
		_, err = a.stdout.Write([]byte(p.draw(t)))
		return err
	}))
}

// colours reports whether standard output shows them and nobody objects.
func (a *app) colours() bool {
	f, ok := a.stdout.(*os.File)
	return ok && a.env["NO_COLOR"] == "" && a.env["TERM"] != "dumb" && term.IsTerminal(int(f.Fd()))
}

// utf8 reports whether the locale says that text is UTF-8 (POSIX: the first of
// these that is set counts).
func (a *app) utf8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(a.env[name]); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// timeline is a ring's keys over a stretch of time.
type timeline struct {
	Generation uint64    `json:"generation"`
	Now        time.Time `json:"now"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Keys       []life    `json:"keys"`
	Next       []step    `json:"next"`
}

// life is one key's.
type life struct {
	KID       string       `json:"kid"`
	Purpose   keys.Purpose `json:"purpose"`
	Alg       keys.Alg     `json:"alg"`
	State     keys.State   `json:"state"`
	RevokedAt time.Time    `json:"revoked_at,omitzero"`
	Reason    string       `json:"reason,omitempty"`
	Spans     []span       `json:"spans"`
}

// span is a stretch of one state; without an end it goes on.
type span struct {
	State keys.State `json:"state"`
	From  time.Time  `json:"from"`
	To    time.Time  `json:"to,omitzero"`
}

func newTimeline(ring *keys.Ring, now time.Time) *timeline {
	now = now.UTC()
	t := &timeline{Generation: ring.Generation(), Now: now, Keys: []life{}, Next: upcoming(ring, now)}
	for _, p := range keys.Purposes() {
		chain, _ := chainOf(ring, p)
		for _, k := range ring.Keys() {
			if k.Purpose == p {
				state, _ := ring.State(k.ID, now)
				t.Keys = append(t.Keys, life{k.ID, p, k.Alg, state, k.RevokedAt, k.Reason, spansOf(k, successorOf(k, chain))})
			}
		}
	}
	t.frame(now)
	return t
}

// successorOf is when another key began, or begins, to sign in k's place.
func successorOf(k keys.Key, chain []keys.Key) time.Time {
	for i, c := range chain {
		if c.ID == k.ID && i+1 < len(chain) {
			return chain[i+1].SignFrom
		}
	}
	return time.Time{}
}

// spansOf are the stretches of a key's life, in order and without gaps.
func spansOf(k keys.Key, successor time.Time) []span {
	at := []struct {
		state keys.State
		from  time.Time
	}{
		{keys.Standby, k.PublishAt},
		{keys.Signing, k.SignFrom},
		{keys.VerifyOnly, successor},
	}
	end := k.VerifyUntil
	if !k.RevokedAt.IsZero() {
		end = k.RevokedAt
	}
	var spans []span
	for _, s := range at {
		if s.from.IsZero() || !end.IsZero() && !s.from.Before(end) {
			continue
		}
		if n := len(spans); n > 0 {
			if spans[n-1].To = s.from; !spans[n-1].To.After(spans[n-1].From) {
				spans = spans[:n-1]
			}
		}
		spans = append(spans, span{State: s.state, From: s.from})
	}
	if n := len(spans); n > 0 {
		spans[n-1].To = end
	}
	if !k.RevokedAt.IsZero() {
		spans = append(spans, span{keys.Revoked, k.RevokedAt, k.VerifyUntil})
	}
	return spans
}

// frame chooses the stretch to draw: up to the last moment that is known, not
// counting a rotation that will be due some time, and not so far back that
// what is to come is squeezed.
func (t *timeline) frame(now time.Time) {
	ahead, due := time.Duration(0), time.Duration(0)
	for _, s := range t.Next {
		if s.Step == stepDue {
			due = max(due, s.At.Sub(now))
		} else {
			ahead = max(ahead, s.At.Sub(now))
		}
	}
	past := time.Duration(0)
	for _, k := range t.Keys {
		for _, s := range k.Spans {
			past = max(past, now.Sub(s.From))
			if s.State == keys.Revoked {
				ahead = max(ahead, s.To.Sub(now))
			}
		}
	}
	if ahead == 0 {
		ahead = max(due, time.Hour)
	}
	ahead += ahead / 8
	past = max(min(past+past/16, 2*ahead), ahead/16)
	t.From, t.To = now.Add(-past).Truncate(time.Second), now.Add(ahead).Truncate(time.Second)
}
