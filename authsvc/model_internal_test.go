package authsvc

import (
	"fmt"
	"hash/maphash"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// result is what a search has found.
type result struct {
	states, transitions int
	bad                 string
	trace               []string
}

// node is a state that was reached: from which, and by which of its events.
type node struct {
	parent int32
	event  uint8
}

// reached is a state of the next level.
type reached struct {
	world
	node
	bad string
}

// search visits every state that can be reached, the nearest first, and stops
// at the first level on which an invariant is broken.
func (m *model) search() (res result) {
	first := m.canon(m.start())
	seen := newSeen()
	seen.add(first)
	nodes, level := []node{{-1, 0}}, []world{first}
	for len(level) > 0 {
		base := int32(len(nodes) - len(level))
		next, transitions := m.next(level, base, seen)
		res.transitions += transitions
		level = level[:0]
		for _, r := range next {
			if r.bad == "" {
				nodes, level = append(nodes, r.node), append(level, r.world)
			} else if res.bad == "" || r.bad < res.bad {
				res.bad, res.trace = r.bad, m.replay(pathTo(nodes, r.node))
			}
		}
		if res.bad != "" {
			break
		}
	}
	res.states = len(nodes)
	return res
}

// next returns the states that come after those of a level, which begins at the
// node base, and how many events led there. Each core takes every nth.
func (m *model) next(level []world, base int32, seen *seen) (all []reached, transitions int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	cores := runtime.GOMAXPROCS(0)
	for core := range cores {
		wg.Go(func() {
			var mine []reached
			events := 0
			for i := core; i < len(level); i += cores {
				for n, e := range m.events(level[i], false) {
					events++
					if to := m.canon(e.to); e.bad != "" || seen.add(to) {
						mine = append(mine, reached{to, node{base + int32(i), uint8(n)}, e.bad})
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all, transitions = append(all, mine...), transitions+events
		})
	}
	wg.Wait()
	return all, transitions
}

// seen are the states that were reached, each by a hash of 128 bits, so that two
// of a thousand million are taken for one with a chance of one in 10^21.
type seen struct {
	seeds [2]maphash.Seed
	parts [64]struct {
		sync.Mutex
		of map[[2]uint64]struct{}
	}
}

func newSeen() *seen {
	s := &seen{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	for i := range s.parts {
		s.parts[i].of = map[[2]uint64]struct{}{}
	}
	return s
}

// add reports whether a state is new.
func (s *seen) add(w world) bool {
	h := [2]uint64{maphash.Comparable(s.seeds[0], w), maphash.Comparable(s.seeds[1], w)}
	part := &s.parts[h[0]%uint64(len(s.parts))]
	part.Lock()
	defer part.Unlock()
	if _, there := part.of[h]; there {
		return false
	}
	part.of[h] = struct{}{}
	return true
}

// pathTo is how a node was reached: the numbers of the events, the last first.
func pathTo(nodes []node, n node) (events []uint8) {
	for ; n.parent >= 0; n = nodes[n.parent] {
		events = append(events, n.event)
	}
	return events
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
	name                        string
	alone, thief, retry, logout bool
	faults, full                uint8
}

var scenarios = []scenario{
	{name: "a tab alone", alone: true, faults: 1, full: 2},
	{name: "two tabs with one jar", full: 2},
	{name: "two tabs that send retry ids", retry: true, full: 1},
	{name: "two tabs and a logout", logout: true, full: 1},
	{name: "an owner and a thief", thief: true, full: 1},
	{name: "an owner, a thief and a logout", thief: true, logout: true, full: 1},
}

func (c scenario) model() *model {
	m := &model{alone: c.alone, thief: c.thief, retry: c.retry, logout: c.logout, faults: c.faults, step: Step, settle: Settle}
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
