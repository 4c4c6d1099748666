package revocation

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// A token of a session that is not revoked, against lists of sessions: what
// every request costs. "names" adds one entry of each type that must be
// hashed for.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{0, 1_000, 100_000, 1_000_000} {
		for _, names := range []bool{false, true} {
			b.Run(fmt.Sprintf("entries=%d/names=%v", n, names), func(b *testing.B) {
				benchmarkMatch(b, n, names)
			})
		}
	}
}

func benchmarkMatch(b *testing.B, n int, names bool) {
	l, end := NewList(), noon.Add(time.Hour)
	l.Apply(noon, many(n, 0, forever)...)
	if names {
		l.Apply(noon, SubjectEntry(iss, "bob", noon, end), ClientEntry(iss, "x", noon, end),
			AudienceEntry(iss, "x", noon, end), KeyEntry(iss, "x", noon, end), AllEntry(noon, end))
	}
	var cs [4096]*tokens.Claims // enough to miss the caches of the processor
	for i := range cs {
		cs[i] = claims()
		cs[i].SessionID, cs[i].ID = tokens.NewID(), tokens.NewID()
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := l.Match(cs[i%len(cs)]); ok {
			b.Fatal("a false match")
		}
		i++
	}
}

// One more entry in a list that holds many.
func BenchmarkApplyOne(b *testing.B) {
	for _, n := range []int{0, 1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			l := NewList()
			l.Apply(noon, many(n, 0, forever)...)
			i := n
			b.ReportAllocs()
			for b.Loop() {
				l.Apply(noon, many(1, i, forever)...)
				i++
			}
		})
	}
}

// What a heartbeat costs a list of a million, of which a thousand expire in a
// second: the longest that a writer has the list to itself.
func BenchmarkApplyNothing(b *testing.B) {
	const n = 1_000_000
	es := many(n, 0, func(i int) uint32 { return uint32(noon.Unix()) + 1 + uint32(i/1000) })
	l, now := NewList(), noon
	for b.Loop() {
		if l.Len() < n/2 {
			b.StopTimer()
			l, now = NewList(), noon
			l.Apply(now, es...)
			b.StartTimer()
		}
		now = now.Add(2 * time.Second)
		l.Apply(now)
	}
}

// A snapshot of a million entries into an empty list.
func BenchmarkApplySnapshot(b *testing.B) {
	es := many(1_000_000, 0, forever)
	for b.Loop() {
		NewList().Apply(noon, es...)
	}
}

func BenchmarkParseFrame(b *testing.B) {
	f := Frame{Kind: Snapshot, Pos: Position{Epoch: 1}, AsOf: noon, Entries: many(100_000, 0, forever)}
	raw, err := f.MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := ParseFrame(raw); err != nil {
			b.Fatal(err)
		}
	}
}
