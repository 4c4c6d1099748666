package authsvc

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

func TestSettle(t *testing.T) {
	dead := fifth("")
	dead.Dead = revocation.SessionEntry(sid, time.UnixMilli(ct), time.UnixMilli(90_000_000))
	unclaimed := fifth("")
	unclaimed.Retry = Unclaimed
	const late = ct + grace + 1
	for name, c := range map[string]struct {
		state State
		shown Presentation
		at    int64
		want  Verdict
		next  State // ignored for Theft
	}{
		"row 1: a dead session":                                    {dead, shown(5, ct), ct, Revoked, dead},
		"row 2: our own advance, whose answer was lost":            {fifth("x"), withRetry(shown(4, cp), "x"), ct, Replay, unclaimed},
		"row 2: however late that is found":                        {fifth("x"), withRetry(shown(4, cp), "x"), 80_000_000, Replay, unclaimed},
		"row 3: replaced a millisecond longer than the grace":      {fifth("y"), withRetry(shown(4, cp), "x"), late, Theft, State{}},
		"row 3: without any retry id":                              {fifth(""), shown(4, cp), late, Theft, State{}},
		"row 2: by a sibling of the parent":                        {fifth("x"), withRetry(shown(4, cp+grace), "x"), late, Replay, unclaimed},
		"row 3: too young a sibling":                               {fifth("x"), withRetry(shown(4, cp+grace+1), "x"), late, Theft, State{}},
		"row 3: the grandparent, shown when it was that already":   {fifth(""), shown(3, cp/2), late, Theft, State{}},
		"row 3: an ancestor, shown when it was no parent any more": {fifth(""), shown(2, cp/3), cp + grace + 1, Theft, State{}},
		"row 3: an older token of the newest generation":           {fifth(""), shown(5, ct-grace-1), late, Theft, State{}},
		"row 4: replaced no longer than the grace":                 {fifth(""), shown(4, cp), ct + grace, Same, fifth("")},
		"row 4: replaced after it was granted":                     {fifth(""), shown(4, cp), ct - 1, Same, fifth("")},
		"row 4: the grandparent, shown when it was the parent":     {fifth(""), shown(3, cp/2), ct + grace, Same, fifth("")},
		"row 4: an ancestor, replaced after it was granted":        {fifth(""), shown(2, cp/3), cp + grace, Same, fifth("")},
		"row 4: the bound key":                                     {fifth(""), bound(shown(4, cp)), late, Same, fifth("")},
		"row 4: what was unclaimed before":                         {unclaimed, shown(4, cp), late, Same, unclaimed},
		"row 4: the newest, at any age":                            {fifth(""), shown(5, ct), 80_000_000, Same, fifth("")},
		"row 4: a later lineage, that the store has lost":          {fifth(""), shown(6, ct+1), 80_000_000, Same, fifth("")},
		"row 4: a session of which nothing is kept":                {State{}, shown(4, cp), 80_000_000, Same, State{}},
	} {
		t.Run(name, func(t *testing.T) {
			next, out := Settle(c.state, c.shown, c.at)
			if out.Verdict != c.want {
				t.Fatalf("%v, want %v", out.Verdict, c.want)
			}
			if row := fmt.Sprintf("row %d:", out.Row); !strings.HasPrefix(name, row) {
				t.Errorf("by %s", row)
			}
			if c.want == Theft {
				if next.Dead.Type != revocation.Session || out.Revocation != next.Dead {
					t.Errorf("kept %+v, to append %+v", next.Dead, out.Revocation)
				}
			} else if next != c.next {
				t.Errorf("keeps %+v, want %+v", next, c.next)
			}
		})
	}
}

func TestTheParentOfAnUnclaimedTokenIsGoodUntilTheNextAdvance(t *testing.T) {
	s := fifth("")
	s.Retry = Unclaimed
	parent, newest := shown(4, cp), shown(5, ct)
	const late = 50_000_000
	for range 2 {
		next, out := Step(s, parent, Params{}, late)
		if out.Verdict != Replay || out.Generation != 5 || next != s {
			t.Fatalf("%+v", out)
		}
	}
	s, out := Step(s, newest, Params{}, late)
	if out.Verdict != Advance {
		t.Fatalf("%+v", out)
	}
	if _, out = Step(s, parent, Params{}, late+1); out.Verdict != Theft {
		t.Errorf("after the next advance: %v", out.Verdict)
	}
}
