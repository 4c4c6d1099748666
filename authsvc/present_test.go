package authsvc

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
	"pgregory.net/rapid"
)

const (
	grace = 10_000 // ms
	ct    = 1_000_000
	cp    = 900_000
)

var sid = tokens.ID{1}

// shown is a presentation of generation g, issued at i.
func shown(g uint32, i int64) Presentation {
	return Presentation{SessionID: sid, Generation: g, IssuedAt: i, ParentIssuedAt: i / 2,
		SessionEnd: time.UnixMilli(90_000_000)}
}

func withRetry(p Presentation, id string) Presentation { p.Retry = retry(id); return p }
func bound(p Presentation) Presentation                { p.Bound = true; return p }

func retry(id string) (h [8]byte) {
	if id != "" {
		h = RetryHash(sid, id)
	}
	return h
}

// fifth is the state of a session in its fifth generation.
func fifth(retryID string) State {
	return State{Known: true, Generation: 5, IssuedAt: ct, ParentIssuedAt: cp, Retry: retry(retryID)}
}

func newest(g uint32, i, p int64) State {
	return State{Known: true, Generation: g, IssuedAt: i, ParentIssuedAt: p}
}

func TestStep(t *testing.T) {
	dead := fifth("")
	dead.Dead = revocation.SessionEntry(sid, time.UnixMilli(ct), time.UnixMilli(90_000_000))
	advanced := func(s State, retryID string) State {
		s.Retry = retry(retryID)
		return s
	}
	const late = ct + grace + 1
	for name, c := range map[string]struct {
		state State
		shown Presentation
		now   int64
		want  Verdict
		next  State // the successor's state; ignored for Theft
	}{
		"row 1: a dead session, by its newest token": {dead, shown(5, ct), ct, Revoked, dead},
		"row 1: a dead session, by its parent":       {dead, bound(shown(4, cp)), ct, Revoked, dead},

		"never refreshed, too young: stays without state": {State{}, shown(0, ct), ct + grace, Same, State{}},
		"never refreshed: advances":                       {State{}, shown(0, ct), late, Advance, newest(1, late, ct)},
		"state lost, too young: taken over":               {State{}, shown(7, ct), ct + grace, Same, newest(7, ct, ct/2)},
		"state lost: taken over and advanced":             {State{}, shown(7, ct), late, Advance, newest(8, late, ct)},

		"row 2: the newest, just issued":              {fifth("x"), shown(5, ct), ct, Same, fifth("x")},
		"row 2: the newest, as old as the grace":      {fifth("x"), shown(5, ct), ct + grace, Same, fifth("x")},
		"row 2: the newest, a millisecond older":      {fifth("x"), shown(5, ct), late, Advance, newest(6, late, ct)},
		"row 2: an advance remembers the retry id":    {fifth("x"), withRetry(shown(5, ct), "y"), late, Advance, advanced(newest(6, late, ct), "y")},
		"row 2: the clock went back":                  {fifth(""), shown(5, ct), ct - 5000, Same, fifth("")},
		"row 2: store behind, same generation":        {fifth("x"), shown(5, ct+1), ct + 2, Same, newest(5, ct+1, (ct+1)/2)},
		"row 2: store behind, later generation":       {fifth(""), shown(9, ct+1), ct + 2, Same, newest(9, ct+1, (ct+1)/2)},
		"row 2: store behind, old enough to advance":  {fifth(""), shown(9, ct+1), late + 1, Advance, newest(10, late+1, ct+1)},
		"row 2: a sibling a millisecond older":        {fifth("x"), shown(5, ct-1), ct, Same, fifth("x")},
		"row 2: a sibling older by the grace":         {fifth("x"), shown(5, ct-grace), ct, Same, fifth("x")},
		"row 2: a sibling advances the newest":        {fifth(""), shown(5, ct-grace), late, Advance, newest(6, late, ct)},
		"row 3: same generation, older than siblings": {fifth(""), shown(5, ct-grace-1), ct, Theft, State{}},
		"row 3: later generation, issued at once":     {fifth(""), shown(6, ct), ct, Theft, State{}},
		"row 3: later generation, issued before":      {fifth(""), shown(6, ct-1), ct, Theft, State{}},

		"row 4: the parent, at once":                        {fifth("x"), shown(4, cp), ct, Replay, fifth("x")},
		"row 4: the parent, as late as the grace":           {fifth("x"), shown(4, cp), ct + grace, Replay, fifth("x")},
		"row 4: a sibling of the parent, older":             {fifth(""), shown(4, cp-grace), ct, Replay, fifth("")},
		"row 4: a sibling of the parent, younger":           {fifth(""), shown(4, cp+grace), ct, Replay, fifth("")},
		"row 6: the parent, a millisecond too late":         {fifth("x"), shown(4, cp), late, Theft, State{}},
		"row 6: no sibling of the parent, older":            {fifth(""), shown(4, cp-grace-1), ct, Theft, State{}},
		"row 6: no sibling of the parent, younger":          {fifth(""), shown(4, cp+grace+1), ct, Theft, State{}},
		"row 5: the parent with its retry id, at any age":   {fifth("x"), withRetry(shown(4, cp), "x"), 80_000_000, Replay, fifth("x")},
		"row 5: the parent with its bound key, at any age":  {fifth(""), bound(shown(4, cp)), 80_000_000, Replay, fifth("")},
		"row 6: the parent with another retry id":           {fifth("x"), withRetry(shown(4, cp), "y"), late, Theft, State{}},
		"row 6: no retry id was used, none is given":        {fifth(""), shown(4, cp), late, Theft, State{}},
		"row 6: no retry id was used, one is given":         {fifth(""), withRetry(shown(4, cp), "x"), late, Theft, State{}},
		"row 5: a sibling of the parent with the retry id":  {fifth("x"), withRetry(shown(4, cp+grace), "x"), late, Replay, fifth("x")},
		"row 6: too young a sibling with the retry id":      {fifth("x"), withRetry(shown(4, cp+grace+1), "x"), late, Theft, State{}},
		"row 5: a sibling of the parent with the bound key": {fifth(""), bound(shown(4, cp-grace)), late, Replay, fifth("")},
		"row 6: too old a sibling with the bound key":       {fifth(""), bound(shown(4, cp-grace-1)), late, Theft, State{}},
		"row 6: the grandparent, at once":                   {fifth("x"), shown(3, cp/2), ct, Theft, State{}},
		"row 6: the grandparent, with all there is":         {fifth("x"), bound(withRetry(shown(3, cp), "x")), ct, Theft, State{}},
	} {
		t.Run(name, func(t *testing.T) {
			next, out := Step(c.state, c.shown, Params{}, c.now)
			if out.Verdict != c.want {
				t.Fatalf("%v, want %v", out.Verdict, c.want)
			}
			if row := fmt.Sprintf("row %d:", out.Row); !strings.HasPrefix(name, row) && (out.Row != 2 || c.state.Known) {
				t.Errorf("by %s", row)
			}
			switch {
			case c.want == Theft:
				want := revocation.SessionEntry(sid, time.UnixMilli(c.now), c.shown.SessionEnd)
				if next.Dead != want || out.Revocation != want || out.Generation != c.state.Generation {
					t.Errorf("tombstone %+v, outcome %+v, want %+v", next.Dead, out.Revocation, want)
				}
			case c.want == Revoked && out.Revocation != c.state.Dead:
				t.Errorf("outcome %+v", out.Revocation)
			case next != c.next:
				t.Errorf("state %+v, want %+v", next, c.next)
			}
			if out.Verdict.Granted() && c.next.Known && newest(out.Generation, out.IssuedAt, out.ParentIssuedAt) !=
				newest(c.next.Generation, c.next.IssuedAt, c.next.ParentIssuedAt) {
				t.Errorf("token %+v, but state %+v", out, c.next)
			}
		})
	}
}

func TestStepTellsALostStoreFromAFreshSession(t *testing.T) {
	for name, c := range map[string]struct {
		g     uint32
		i     int64
		adopt bool
		want  Verdict
	}{
		"issued when the store began":                {0, ct, false, Same},
		"issued before, a login":                     {0, ct - 1, false, StateLost},
		"issued before, refreshed":                   {3, ct - 1, false, StateLost},
		"issued before, to be adopted":               {0, ct - 1, true, Same},
		"issued before, refreshed, to be adopted":    {3, ct - 1, true, Same},
		"issued after, refreshed: state fell behind": {3, ct + 1, false, Same},
	} {
		t.Run(name, func(t *testing.T) {
			next, out := Step(State{}, shown(c.g, c.i), Params{Born: ct, Adopt: c.adopt}, ct)
			if out.Verdict != c.want {
				t.Errorf("%v, want %v", out.Verdict, c.want)
			}
			if c.want == StateLost && next != (State{}) {
				t.Errorf("state %+v", next)
			}
		})
	}
	if _, out := Step(fifth(""), shown(5, ct), Params{Born: ct + 1}, ct); out.Verdict != Same {
		t.Errorf("a session that the store knows: %v", out.Verdict)
	}
}

func TestRetryHashBelongsToItsSession(t *testing.T) {
	if a := RetryHash(sid, "x"); a == RetryHash(tokens.ID{2}, "x") || a == [8]byte{} {
		t.Error("one id gives one hash everywhere")
	}
}

func TestUnfitPresentationsAreRefused(t *testing.T) {
	if err := shown(0, 5).Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Presentation){
		"no session":               func(p *Presentation) { p.SessionID = tokens.ID{} },
		"issued before 1970":       func(p *Presentation) { p.IssuedAt, p.ParentIssuedAt = -1, -1 },
		"parent before 1970":       func(p *Presentation) { p.ParentIssuedAt = -1 },
		"parent younger":           func(p *Presentation) { p.ParentIssuedAt = p.IssuedAt + 1 },
		"no end":                   func(p *Presentation) { p.SessionEnd = time.Time{} },
		"a negative grace":         func(p *Presentation) { p.Grace = -1 },
		"a grace beyond its limit": func(p *Presentation) { p.Grace = MaxGrace + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			p := shown(3, 5)
			spoil(&p)
			if err := p.Validate(); !errors.Is(err, ErrBadPresentation) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// family plays a session with its tokens in one store, and knows what the
// protocol promises in terms of time alone: when each token was rotated out.
type family struct {
	state   State
	now     int64
	issued  []Presentation
	rotated map[uint32]int64 // generation -> when its successor was made
	dead    bool
}

func (f *family) present(p Presentation) Outcome {
	p.Grace = grace * time.Millisecond
	next, out := Step(f.state, p, Params{}, f.now)
	f.state = next
	if out.Verdict == Advance {
		f.rotated[p.Generation] = f.now
		f.issued = append(f.issued, token(out))
	}
	f.dead = f.dead || out.Verdict == Theft
	return out
}

func token(o Outcome) Presentation {
	p := shown(o.Generation, o.IssuedAt)
	p.ParentIssuedAt = o.ParentIssuedAt
	return p
}

// P1 to P4 of the protocol, without a loss of the store: whoever presents
// whatever was ever issued, whenever.
func TestWithoutLossTimeAloneDecides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &family{now: ct, issued: []Presentation{shown(0, ct)}, rotated: map[uint32]int64{}}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			f.now += rapid.Int64Range(0, 2*grace).Draw(t, "ms")
			last := len(f.issued) - 1
			p := f.issued[max(0, last-rapid.IntRange(0, 3).Draw(t, "back"))]
			wasDead, current := f.dead, f.issued[last]
			out := f.present(p)
			at, out2 := f.rotated[p.Generation], newest(out.Generation, out.IssuedAt, out.ParentIssuedAt)
			switch {
			case wasDead: // P4
				expect(t, out, Revoked)
			case p == current && f.now-p.IssuedAt <= grace:
				expect(t, out, Same)
				sameToken(t, out2, current)
			case p == current:
				expect(t, out, Advance)
				sameToken(t, out2, f.issued[last+1])
			case f.now-at <= grace: // P1, P2: the one successor
				expect(t, out, Replay)
				sameToken(t, out2, f.issued[p.Generation+1])
			default: // P3
				expect(t, out, Theft)
			}
		}
	})
}

func expect(t *rapid.T, out Outcome, want Verdict) {
	t.Helper()
	if out.Verdict != want {
		t.Fatalf("%v, want %v", out.Verdict, want)
	}
}

func sameToken(t *rapid.T, s State, p Presentation) {
	t.Helper()
	if s.Generation != p.Generation || s.IssuedAt != p.IssuedAt || s.ParentIssuedAt != p.ParentIssuedAt {
		t.Fatalf("answered with %+v, want %+v", s, p)
	}
}

// P2 across losses of the store: a client that always presents the newest
// token it was given, or within the grace the one before it, is never taken
// for a thief, though the store once forgets its last writes, or everything.
func TestAnHonestClientIsNeverAThief(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &family{now: ct, rotated: map[uint32]int64{}}
		jar, before, changed := shown(0, ct), shown(0, ct), int64(0)
		history := []State{{}}
		loss := rapid.IntRange(0, 20).Draw(t, "loss")
		for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
			f.now += rapid.Int64Range(0, 2*grace).Draw(t, "ms")
			if step == loss {
				f.state = rapid.SampledFrom(history).Draw(t, "forgets")
			}
			p := jar
			if f.now-changed <= grace && rapid.Bool().Draw(t, "late tab") {
				p = before
			}
			out := f.present(p)
			if !out.Verdict.Granted() {
				t.Fatalf("%v for %+v", out.Verdict, p)
			}
			history = append(history, f.state)
			if got := token(out); got != jar {
				before, jar, changed = jar, got, f.now
			}
		}
	})
}
