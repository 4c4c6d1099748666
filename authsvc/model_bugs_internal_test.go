package authsvc

import (
	"strings"
	"testing"
	"time"
)

// Each bug that others have had, or that is one line away, breaks an invariant
// in the model: it is no model in which nothing can fail.
func TestTheModelOfRefreshFindsEveryPlantedBug(t *testing.T) {
	tabs, thief := scenario{}, scenario{thief: true}
	for _, c := range []struct {
		name   string
		in     scenario
		faults uint8
		plant  func(*model)
		broken string // the invariant
	}{
		{"grace for any generation", thief, 0, func(m *model) { m.step = graceForAll }, "P3"},
		{"the parent is good at any age", thief, 0, func(m *model) { m.step = parentForEver }, "P3"},
		{"read and written apart", tabs, 0, func(m *model) { m.tornStep = true }, "P1"},
		{"an advance at the age of the grace, and not after it", tabs, 0, func(m *model) { m.step = advanceTooSoon }, "P2"},
		{"the state is lost with a restart", tabs, 1, func(m *model) { m.loseCounter = true }, "P"},
		{"an advance without the store", tabs, 1, func(m *model) { m.forkDegrade = true }, "P"},
		{"what was asked in vain is forgotten", tabs, 1, func(m *model) { m.step = stepForgets }, "P2"},
		{"a lost answer is not settled", tabs, 1, func(m *model) { m.settle = settleForgets }, "P2"},
		{"what was granted without the store is not judged", thief, 1, func(m *model) { m.settle = settleNothing }, "P"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := c.in.model()
			m.faults = c.faults
			c.plant(m)
			res := m.search()
			if !strings.HasPrefix(res.bad, c.broken) {
				t.Fatalf("%d states, and what is broken is %q, not %s\n%s", res.states, res.bad, c.broken, strings.Join(res.trace, "\n"))
			}
			t.Logf("%s, after %d states, %d steps", res.bad, res.states, len(res.trace))
		})
	}
}

func graceForAll(s State, p Presentation, params Params, now int64) (State, Outcome) {
	state, out := Step(s, p, params, now)
	if out.Verdict == Theft && now-s.IssuedAt <= p.grace().Milliseconds() {
		return s, granted(Replay, 4, s)
	}
	return state, out
}

func parentForEver(s State, p Presentation, params Params, now int64) (State, Outcome) {
	state, out := Step(s, p, params, now)
	if out.Verdict == Theft && uint64(p.Generation)+1 == uint64(s.Generation) {
		return s, granted(Replay, 4, s)
	}
	return state, out
}

func advanceTooSoon(s State, p Presentation, params Params, now int64) (State, Outcome) {
	state, out := Step(s, p, params, now)
	if out.Verdict == Same {
		p.Grace -= time.Millisecond
		return Step(s, p, params, now)
	}
	return state, out
}

func stepForgets(s State, p Presentation, params Params, now int64) (State, Outcome) {
	p.FirstAttempt, p.LastAttempt = 0, 0
	return Step(s, p, params, now)
}

func settleNothing(s State, p Presentation, _ int64) (State, Outcome) {
	return s, granted(Same, 4, p.state())
}

func settleForgets(s State, p Presentation, at int64) (State, Outcome) {
	state, out := Settle(s, p, at)
	if out.Verdict == Replay {
		return s, out
	}
	return state, out
}
