package authsvc

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// result is what a search has found.
type result struct {
	states, transitions int
	bad                 string
	trace               []string
}

// search visits every state that can be reached, the nearest first, and stops
// at the first broken invariant.
func (m *model) search() result {
	type node struct {
		parent int32
		event  uint8
	}
	var res result
	first := m.canon(m.start())
	nodes, level := []node{{-1, 0}}, []world{first}
	seen, base := map[world]struct{}{first: {}}, 0
	for len(level) > 0 {
		var next []world
		for i, w := range level {
			for n, e := range m.events(w, false) {
				res.transitions++
				if e.bad != "" {
					res.states, res.bad = len(nodes), e.bad
					path := []uint8{uint8(n)}
					for at := int32(base + i); nodes[at].parent >= 0; at = nodes[at].parent {
						path = append(path, nodes[at].event)
					}
					res.trace = m.replay(path)
					return res
				}
				to := m.canon(e.to)
				if _, known := seen[to]; known {
					continue
				}
				seen[to] = struct{}{}
				nodes = append(nodes, node{int32(base + i), uint8(n)})
				next = append(next, to)
			}
		}
		base += len(level)
		level = next
	}
	res.states = len(nodes)
	return res
}

// replay tells what happened, from the events' numbers, the last first.
func (m *model) replay(path []uint8) (told []string) {
	w := m.canon(m.start())
	for i := len(path) - 1; i >= 0; i-- {
		e := m.events(w, true)[path[i]]
		told = append(told, fmt.Sprintf("tick %d: %s; the store holds %+v", w.now, e.what, e.to.store))
		w = m.canon(e.to)
	}
	return told
}

// scenario is what a test looks through: who is there, and how many faults happen
// in a run of `make test` and in one of `make model`.
type scenario struct {
	name                 string
	thief, retry, logout bool
	faults, full         uint8
}

var scenarios = []scenario{
	{"two tabs with one jar", false, false, false, 1, 2},
	{"two tabs that send retry ids", false, true, false, 0, 2},
	{"two tabs and a logout", false, false, true, 0, 1},
	{"an owner and a thief", true, false, false, 0, 1},
	{"an owner, a thief and a logout", true, false, true, 0, 0},
}

func (c scenario) model() *model {
	m := &model{thief: c.thief, retry: c.retry, logout: c.logout, faults: c.faults, step: Step, settle: Settle}
	if os.Getenv("SEALRING_FULL") != "" {
		m.faults = c.full
	}
	return m
}

// The invariants hold in every state of two replicas, two clients and faults.
func TestTheModelOfRefreshHoldsInEveryState(t *testing.T) {
	for _, c := range scenarios {
		t.Run(c.name, func(t *testing.T) {
			if os.Getenv("SEALRING_FULL") == "" {
				t.Parallel()
			}
			m, began := c.model(), time.Now()
			res := m.search()
			t.Logf("%d states, %d transitions, up to %d faults, %v", res.states, res.transitions, m.faults, time.Since(began).Round(time.Second))
			if res.bad != "" {
				t.Errorf("%s\n%s", res.bad, strings.Join(res.trace, "\n"))
			}
		})
	}
}
