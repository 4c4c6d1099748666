package revocation

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// mostBytes is what an entry may take in a list of a million.
const mostBytes = 28

// entryBytes returns the memory that each of n entries takes, over what was
// alive before.
func entryBytes(l *List, n int, before uint64) float64 {
	after := heap()
	runtime.KeepAlive(l)
	return float64(after-min(before, after)) / float64(n)
}

func TestAMillionEntriesTake28BytesEachHoweverTheyCame(t *testing.T) {
	const million = 1_000_000
	before, l, rng := heap(), NewList(), rand.New(rand.NewPCG(1, 2))
	for n, check := 0, 500_000; n < million; {
		largest := 60_000
		switch {
		case n >= 995_000:
			largest = 1
		case n >= 960_000:
			largest = 300
		}
		k := min(million-n, check-n, 1+rng.IntN(largest))
		l.Apply(noon, mixed(k, n)...)
		if n += k; n == check {
			if got := entryBytes(l, n, before); got > mostBytes {
				t.Errorf("%d entries take %.2f bytes each", n, got)
			}
			check += 100_000
		}
	}
	got := entryBytes(l, million, before)
	t.Logf("%.2f bytes an entry", got)
	if got > mostBytes || l.Len() != million {
		t.Errorf("%d entries take %.2f bytes each", l.Len(), got)
	}
}

// A verifier's list once it has run for long: as many expire as are added.
func TestEntriesThatComeAndGoTake28BytesEach(t *testing.T) {
	const life, perSecond = 100, 1000
	before, l := heap(), NewList()
	for s := range 2 * life {
		now := noon.Add(time.Duration(s) * time.Second)
		es := many(perSecond, s*perSecond, func(int) uint32 { return uint32(now.Unix()) + life })
		for len(es) > 0 {
			k := min(len(es), 1+s*len(es)%200)
			l.Apply(now, es[:k]...)
			es = es[k:]
		}
	}
	if n := l.Len(); n < life*perSecond || n > (life+sweepRound)*perSecond {
		t.Errorf("%d entries", n)
	}
	got := entryBytes(l, life*perSecond, before)
	t.Logf("%.2f bytes for each that is alive", got)
	if got > mostBytes {
		t.Errorf("%.2f bytes for each that is alive", got)
	}
}

func TestRaisedEntriesTakeNoMoreThanNewOnes(t *testing.T) {
	const n = 100_000
	es := mixed(n, 0)
	before, l := heap(), NewList()
	l.Apply(noon, es...)
	for i := range es {
		es[i].T++
	}
	l.Apply(noon, es...)
	got := entryBytes(l, n, before)
	runtime.KeepAlive(es)
	if got > mostBytes || l.Len() != n {
		t.Errorf("%d entries take %.2f bytes each", l.Len(), got)
	}
}

// The auth service's list knows when each entry was made.
func TestTheTimeOfMakingTakesFourBytesMoreWhereItIsKnown(t *testing.T) {
	const n = 100_000
	es := mixed(n, 0)
	for i := range es {
		es[i].Made = 1
	}
	before, l := heap(), NewList()
	l.Apply(noon, es...)
	got := entryBytes(l, n, before)
	runtime.KeepAlive(es)
	if got < mostBytes || got > mostBytes+5 {
		t.Errorf("%.2f bytes an entry", got)
	}
}

func TestExpiredEntriesFreeTheirMemoryThoughNothingIsAppended(t *testing.T) {
	const n = 200_000
	before, l := heap(), NewList()
	l.Apply(noon, many(n, 0, func(i int) uint32 { return uint32(noon.Unix() + 1 + int64(i)%60) })...)
	full := entryBytes(l, n, before)
	for s := time.Duration(0); s <= 60+sweepRound; s += 2 {
		l.Apply(noon.Add(s * time.Second))
	}
	if l.Len() != 0 {
		t.Errorf("%d are left", l.Len())
	}
	if left := entryBytes(l, n, before); left > full/100 {
		t.Errorf("%.2f of %.2f bytes an entry are left", left, full)
	}
}

func TestExpiryLetsGoOfAllButAFewInTheMiddleOfALargeList(t *testing.T) {
	const n = 100_000
	before, l := heap(), NewList()
	l.Apply(noon, many(n, 0, func(i int) uint32 {
		if i%100 == 0 {
			return 4e9
		}
		return uint32(noon.Unix() + 1)
	})...)
	for s := time.Duration(2); s <= 2+sweepRound; s += 2 {
		l.Apply(noon.Add(s * time.Second))
	}
	if l.Len() != n/100 {
		t.Errorf("%d are left", l.Len())
	}
	if got := entryBytes(l, n/100, before); got > mostBytes+4 { // so few are not packed as well
		t.Errorf("%.2f bytes for each that is left", got)
	}
}
