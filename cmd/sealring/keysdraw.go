package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sealring-dev/sealring/keys"
)

// The columns of a timeline: 80 altogether.
const (
	kidColumn  = 2
	barColumn  = kidColumn + shortKID + 2
	barWidth   = 48
	lineLength = 80
)

// ink is what the bars are made of.
type ink struct {
	states map[keys.State]rune
	now    rune
	before rune // the bar began earlier
	death  rune // the moment of a revocation
	cut    string
}

var (
	fineInk = ink{map[keys.State]rune{
		keys.Standby: '░', keys.Signing: '█', keys.VerifyOnly: '▒', keys.Revoked: '×',
	}, '│', '◂', '╳', "…"}
	plainInk = ink{map[keys.State]rune{
		keys.Standby: '.', keys.Signing: '#', keys.VerifyOnly: '=', keys.Revoked: 'x',
	}, '|', '<', 'X', "..."}
)

// The colours of states (ECMA-48 SGR): what one should look at is bright.
var paints = map[keys.State]string{
	keys.Standby: "36", keys.Signing: "1;32", keys.VerifyOnly: "33", keys.Revoked: "1;31", keys.Retired: "2",
}

const bold = "1"

// pen draws timelines.
type pen struct {
	ink    ink
	colour bool
}

func (p pen) paint(style, s string) string {
	if !p.colour || style == "" || s == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

// draw makes lines of at most 80 columns.
func (p pen) draw(t *timeline) string {
	var b strings.Builder
	line := func(s string) { b.WriteString(strings.TrimRight(s, " ") + "\n") }
	line(p.paint(bold, "Key ring") + fmt.Sprintf(", generation %d, at %s", t.Generation, t.Now.Format("2006-01-02 15:04:05 UTC")))
	line("")
	line(p.axis(t))
	last := keys.Purpose("")
	for _, k := range t.Keys {
		if k.Purpose != last {
			last = k.Purpose
			line(p.paint(bold, strings.ToUpper(makes[k.Purpose][:1])+makes[k.Purpose][1:]) + fmt.Sprintf(" (%s, %s)", k.Purpose, k.Alg))
		}
		line(strings.Repeat(" ", kidColumn) + short8(k.KID) + "  " + p.bar(t, k) + "  " + p.paint(paints[k.State], t.standing(k)))
	}
	line("")
	line(p.legend())
	for i, k := range t.revoked() {
		if i == 0 {
			line("")
			line(p.paint(bold, "Revoked"))
		}
		line(entry(t, k.RevokedAt, k.Purpose, k.KID, p.fit(k.Reason)))
	}
	if len(t.Next) > 0 {
		line("")
		line(p.paint(bold, "Next"))
	}
	for _, s := range t.Next {
		line(entry(t, s.At, s.Purpose, s.KID, s.text))
	}
	return b.String()
}

// reasonWidth is what is left for the text of an entry.
const reasonWidth = lineLength - 50

// entry is a line of what happened, or will.
func entry(t *timeline, at time.Time, p keys.Purpose, kid, text string) string {
	return fmt.Sprintf("  %-11s %s  %-6s  %s  %s", away(at, t.Now), at.UTC().Format("2006-01-02 15:04"), p, short8(kid), text)
}

// fit makes a stranger's text fit for an entry, and cuts it to its width; plain
// ink writes ASCII alone.
func (p pen) fit(text string) string {
	if text = shown(text); p.ink.now < utf8.RuneSelf {
		text = ascii(text)
	}
	runes := []rune(text)
	if len(runes) <= reasonWidth {
		return text
	}
	return string(runes[:reasonWidth-utf8.RuneCountInString(p.ink.cut)]) + p.ink.cut
}

// ascii is a text that was shown, with escapes for the rest, too.
func ascii(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// revoked are the keys that were, the last first.
func (t *timeline) revoked() []life {
	list := slices.DeleteFunc(slices.Clone(t.Keys), func(k life) bool { return k.RevokedAt.IsZero() })
	slices.SortStableFunc(list, func(a, b life) int { return b.RevokedAt.Compare(a.RevokedAt) })
	return list
}

// column is where on the bar a moment falls, which may be beyond its ends.
func (t *timeline) column(at time.Time) int {
	return int(float64(at.Sub(t.From)) / float64(t.To.Sub(t.From)) * barWidth)
}

// axis names the ends of the stretch, and now.
func (p pen) axis(t *timeline) string {
	form := "2 Jan 15:04"
	if t.To.Sub(t.From) > 4*24*time.Hour {
		form = "2 Jan"
	}
	from, to, now := t.From.Format(form), t.To.Format(form), t.column(t.Now)
	axis := []rune(strings.Repeat(" ", barWidth))
	at := min(max(now-1, 0), barWidth-3)
	if len(from) < at {
		copy(axis, []rune(from))
	}
	if barWidth-len(to) > at+3 {
		copy(axis[barWidth-len(to):], []rune(to))
	}
	copy(axis[at:], []rune("now"))
	return strings.Repeat(" ", barColumn) + string(axis)
}

// bar is a key's life, with the mark of now over it.
func (p pen) bar(t *timeline, k life) string {
	cells := make([]keys.State, barWidth)
	for _, s := range k.Spans {
		from, to := t.column(s.From), barWidth
		if !s.To.IsZero() {
			to = t.column(s.To)
		}
		if to < 0 || from >= barWidth {
			continue
		}
		for i := max(from, 0); i < min(max(to, from+1), barWidth); i++ { // at least one column
			cells[i] = s.State
		}
	}
	runes := make([]rune, barWidth)
	for i, state := range cells {
		if runes[i] = ' '; state != "" {
			runes[i] = p.ink.states[state]
		}
	}
	if len(k.Spans) > 0 && k.Spans[0].From.Before(t.From) && cells[0] != "" {
		runes[0] = p.ink.before
	}
	runes[min(max(t.column(t.Now), 0), barWidth-1)] = p.ink.now
	if died := t.column(k.RevokedAt); !k.RevokedAt.IsZero() && died >= 0 && died < barWidth {
		runes[died] = p.ink.death
	}
	return p.painted(cells, runes)
}

// painted writes runs of one state in its colour.
func (p pen) painted(cells []keys.State, runes []rune) string {
	var b strings.Builder
	for i := 0; i < len(cells); {
		j := i
		for j < len(cells) && cells[j] == cells[i] && (runes[j] == p.ink.now) == (runes[i] == p.ink.now) {
			j++
		}
		style := paints[cells[i]]
		if runes[i] == p.ink.now {
			style = bold
		}
		b.WriteString(p.paint(style, string(runes[i:j])))
		i = j
	}
	return b.String()
}

// standing says where a key stands, in at most 18 columns.
func (t *timeline) standing(k life) string {
	for _, s := range k.Spans {
		switch {
		case k.State == keys.Standby && s.State == keys.Signing:
			return verbsOf(k.Purpose).does + " in " + brief(s.From.Sub(t.Now))
		case k.State == keys.VerifyOnly && s.State == keys.VerifyOnly && !s.To.IsZero():
			return "verify-only " + brief(s.To.Sub(t.Now))
		}
	}
	if k.State == keys.Revoked {
		return "revoked " + away(k.RevokedAt, t.Now)
	}
	if k.State == keys.Signing && verbsOf(k.Purpose).does == "seals" {
		return "sealing"
	}
	return string(k.State)
}

func (p pen) legend() string {
	parts := []string{}
	for _, s := range []struct {
		state keys.State
		what  string
	}{{keys.Standby, "standby"}, {keys.Signing, "signs or seals"}, {keys.VerifyOnly, "still verified or opened"}, {keys.Revoked, "revoked"}} {
		parts = append(parts, p.paint(paints[s.state], string(p.ink.states[s.state]))+" "+s.what)
	}
	return "  " + strings.Join(parts, "   ")
}
