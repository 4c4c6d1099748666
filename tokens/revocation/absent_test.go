package revocation

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// What every request costs: three ids that are in no list, and in no Go map of
// the same entries, as lean as one can be. "written" is the list while a
// thousand entries a second are added to it. "ratio" takes turns between the
// two, so that whatever else the machine does meets both: list-ns and map-ns
// are medians, of-map is the one over the other. "B/entry" is the memory that
// an entry is found to take.
func BenchmarkMatchAbsent(b *testing.B) {
	all := absent()
	for _, n := range []int{0, 1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("entries=%d/map", n), func(b *testing.B) {
			before, m := heap(), mapOf(n)
			taken := heap() - before
			benchmarkAbsent(b, all, m.holds)
			reportBytes(b, n, taken)
		})
		b.Run(fmt.Sprintf("entries=%d/list", n), func(b *testing.B) {
			before, l := heap(), listOf(n)
			taken := heap() - before
			benchmarkAbsent(b, all, l.load().holds)
			reportBytes(b, n, taken)
		})
		b.Run(fmt.Sprintf("entries=%d/written", n), func(b *testing.B) {
			l := listOf(n)
			defer write(l, n)()
			benchmarkAbsent(b, all, func(q *ids) bool { return l.state.Load().holds(q) })
		})
		b.Run(fmt.Sprintf("entries=%d/ratio", n), func(b *testing.B) {
			l := listOf(n)
			defer write(l, n)()
			benchmarkRatio(b, all, l, mapOf(n))
		})
	}
}

// ids are what three questions are about: a session, a token and a subject.
type ids [3][16]byte

var asked = [3]Type{Session, Token, Subject}

func absent() []ids {
	all := make([]ids, 4096) // enough to be no one's favourites
	for i := range all {
		for j := range all[i] {
			all[i][j] = tokens.NewID()
		}
	}
	return all
}

// mixed returns n entries, from number i on, as many of each type that is
// asked for.
func mixed(n, i int) []Entry {
	es := many(n, i, forever)
	for k := range es {
		es[k].Type = asked[(i+k)%3]
	}
	return es
}

func (s *state) holds(q *ids) bool {
	for i, typ := range asked {
		if _, ok := s.get(typ, &q[i]); ok {
			return true
		}
	}
	return false
}

// rival is a Go map of entries.
type rival map[Target]struct{ t, exp uint32 }

func (m rival) holds(q *ids) bool {
	for i, typ := range asked {
		if _, ok := m[Target{typ, q[i]}]; ok {
			return true
		}
	}
	return false
}

func mapOf(n int) rival {
	m := rival{}
	for i := range n {
		e := mixed(1, i)[0]
		m[e.Target()] = struct{ t, exp uint32 }{e.T, e.Exp}
	}
	return m
}

func listOf(n int) *List {
	l := NewList()
	for i := 0; i < n; i += 1000 {
		l.Apply(noon, mixed(min(1000, n-i), i)...)
	}
	return l
}

func benchmarkAbsent(b *testing.B, all []ids, holds func(*ids) bool) {
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if holds(&all[i&(len(all)-1)]) {
			b.Fatal("found what is not there")
		}
		i++
	}
}

func benchmarkRatio(b *testing.B, all []ids, l *List, m rival) {
	const turn = 256 // checks: short enough that hardly any turn is interrupted
	var list, rival []float64
	took := func(i int, holds func(*ids) bool) float64 {
		start := time.Now()
		for j := range turn {
			if holds(&all[(i*turn+j)&(len(all)-1)]) {
				b.Fatal("found what is not there")
			}
		}
		return float64(time.Since(start)) / turn
	}
	for i := 0; b.Loop(); i++ {
		list = append(list, took(i, func(q *ids) bool { return l.state.Load().holds(q) }))
		rival = append(rival, took(i, m.holds))
	}
	slices.Sort(list)
	slices.Sort(rival)
	ours, theirs := list[len(list)/2], rival[len(rival)/2]
	b.ReportMetric(0, "ns/op") // of both together, and of no interest
	b.ReportMetric(ours, "list-ns")
	b.ReportMetric(theirs, "map-ns")
	b.ReportMetric(ours/theirs, "of-map")
}

func reportBytes(b *testing.B, n int, taken uint64) {
	if n > 0 {
		b.ReportMetric(float64(taken)/float64(n), "B/entry")
	}
}

// write adds an entry every millisecond, numbered from n on, until stop has
// returned.
func write(l *List, n int) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ; ; n++ {
			select {
			case <-done:
				return
			case <-tick.C:
				l.Apply(noon, mixed(1, n)...)
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// heap returns how many bytes are alive.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first found to be free is swept then
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
