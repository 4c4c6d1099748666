package revocation

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"pgregory.net/rapid"
)

// book is the oracle: what a list is supposed to hold, kept the simple way.
type book map[Target]Entry

func (b book) apply(now time.Time, es ...Entry) {
	for k, e := range b {
		if e.Expired(now) {
			delete(b, k)
		}
	}
	for _, e := range es {
		if e.Expired(now) {
			continue
		}
		if old, ok := b[e.Target()]; ok {
			e = e.Merge(old)
		}
		b[e.Target()] = e
	}
}

func (b book) match(c *tokens.Claims) bool {
	for _, e := range b {
		if e.Matches(c) {
			return true
		}
	}
	return false
}

func (b book) entries() []Entry {
	var es []Entry
	for _, e := range b {
		es = append(es, e)
	}
	return sorted(es)
}

func sorted(es []Entry) []Entry {
	slices.SortFunc(es, func(a, b Entry) int {
		if a.Type != b.Type {
			return int(a.Type) - int(b.Type)
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	return es
}

func TestListAnswersLikeABook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, b, now := NewList(), book{}, time.Unix(1000, 0)
		for range rapid.IntRange(1, 20).Draw(t, "batches") {
			now = now.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "seconds")) * time.Second)
			es := rapid.SliceOfN(rapid.Custom(drawNamed), 0, 6).Draw(t, "entries")
			l.Apply(now, es...)
			b.apply(now, es...)
			if got, want := sorted(l.Entries(now)), b.entries(); !slices.Equal(got, want) {
				t.Fatalf("entries %v, want %v", got, want)
			}
			if l.Len() != len(b) {
				t.Fatalf("len %d, want %d", l.Len(), len(b))
			}
			c := drawClaims(t)
			if e, got := l.Match(c); got != b.match(c) || got && !e.Matches(c) {
				t.Fatalf("match %v %v, want %v", e, got, !got)
			}
		}
	})
}

func TestListsThatGotTheSameInAnyOrderAreEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(900, 0)
		es := rapid.SliceOfN(rapid.Custom(anyEntry), 0, 40).Draw(t, "entries")
		a, b := NewList(), NewList()
		a.Apply(now, es...)
		for _, e := range rapid.Permutation(append(es, es...)).Draw(t, "order") {
			b.Apply(now, e)
		}
		if !slices.Equal(sorted(a.Entries(now)), sorted(b.Entries(now))) {
			t.Fatal("they differ")
		}
	})
}

// many are n session entries whose ids begin with their number.
func many(n int, from int, exp func(i int) uint32) []Entry {
	es := make([]Entry, n)
	for i := range es {
		es[i] = Entry{Type: Session, T: 1, Exp: exp(from + i)}
		binary.LittleEndian.PutUint64(es[i].ID[:], uint64(from+i)*0x9e3779b97f4a7c15+1)
		binary.LittleEndian.PutUint64(es[i].ID[8:], uint64(from+i)+1)
	}
	return es
}

func forever(int) uint32 { return 4e9 }

func TestALargeListFindsAllAndOnlyWhatItHolds(t *testing.T) {
	l, es := NewList(), many(50_000, 0, forever)
	rest := es
	for rng := rand.New(rand.NewPCG(1, 2)); len(rest) > 0; {
		n := min(len(rest), 1+rng.IntN(2000))
		l.Apply(noon, rest[:n]...)
		rest = rest[n:]
	}
	for _, e := range es {
		if got, ok := l.Match(&tokens.Claims{SessionID: e.ID}); !ok || got != e {
			t.Fatalf("entry lost: %x", e.ID)
		}
	}
	for _, e := range many(50_000, 50_000, forever) {
		if _, ok := l.Match(&tokens.Claims{SessionID: e.ID}); ok {
			t.Fatalf("false match: %x", e.ID)
		}
		if _, ok := l.Match(&tokens.Claims{ID: e.ID}); ok {
			t.Fatalf("false match by type: %x", e.ID)
		}
	}
	if l.Len() != len(es) || len(l.Entries(noon)) != len(es) {
		t.Errorf("%d entries, want %d", l.Len(), len(es))
	}
}

func TestOneEntryCopiesOnePageAndSplitsAtMostOneMore(t *testing.T) {
	l := NewList()
	l.Apply(noon, many(100_000, 0, forever)...)
	for i := range 5000 {
		before := l.load()[Session].pages
		l.Apply(noon, many(1, 100_000+i, forever)...)
		after := l.load()[Session].pages
		fresh := len(after) - len(before)
		for j, p := range before {
			if after[j] != p {
				fresh++
			}
		}
		if fresh > 3 {
			t.Fatalf("%d of %d pages were made anew", fresh, len(after))
		}
	}
}

func TestRaisingAnEntryOfALargeTableCounts(t *testing.T) {
	l, es := NewList(), many(10_000, 0, forever)
	l.Apply(noon, es...)
	old := SubjectEntry(iss, "ann", noon, noon.Add(time.Hour))
	l.Apply(noon, append(es, old)...)
	l.Apply(noon, many(3000, 20_000, forever)...)
	l.Apply(noon, SubjectEntry(iss, "ann", noon.Add(time.Second), noon.Add(time.Minute)))
	if _, ok := l.Match(claims()); !ok {
		t.Fatal("the raised entry does not match")
	}
	i := slices.IndexFunc(l.Entries(noon), func(e Entry) bool { return e.Type == Subject })
	if e := l.Entries(noon)[i]; e.Exp != old.Exp || e.T != old.T+1 {
		t.Errorf("not the merge of both: %+v", e)
	}
}

func TestALaterExpiryDoesNotLowerTheTime(t *testing.T) {
	l := NewList()
	l.Apply(noon, many(10_000, 0, forever)...)
	l.Apply(noon, append(many(3000, 20_000, forever), SubjectEntry(iss, "ann", noon.Add(time.Second), noon.Add(time.Minute)))...)
	l.Apply(noon, SubjectEntry(iss, "ann", noon.Add(-time.Hour), noon.Add(time.Hour)))
	if _, ok := l.Match(claims()); !ok {
		t.Error("the later entry hides the stronger one")
	}
}

func TestWhatIsCoveredChangesNothing(t *testing.T) {
	l, es := NewList(), many(100, 0, forever)
	l.Apply(noon, es...)
	before := l.state.Load()
	l.Apply(noon.Add(time.Hour), es[:50]...)
	if l.state.Load() != before {
		t.Error("a new value for nothing")
	}
}

func TestExpiredEntriesGoByThemselves(t *testing.T) {
	for name, n := range map[string]int{"a few": 3, "many": 40_000} {
		t.Run(name, func(t *testing.T) {
			l, start := NewList(), noon.Unix()
			l.Apply(noon, many(n, 0, func(i int) uint32 { return uint32(start + 1 + int64(i)*100/int64(n)) })...)
			for s := int64(0); s <= 100; s++ {
				now := time.Unix(start+s, 0)
				l.Apply(now)
				alive := len(l.Entries(now))
				if l.Len() < alive || l.Len() > alive+n*sweepRound/100 {
					t.Fatalf("after %d s %d are kept and %d alive", s, l.Len(), alive)
				}
			}
			l.Apply(time.Unix(start+200, 0))
			if l.Len() != 0 || len(l.load()[Session].pages) != 0 {
				t.Errorf("%d left", l.Len())
			}
		})
	}
}

func TestAnExpiredEntryIsNotTakenIn(t *testing.T) {
	l := NewList()
	l.Apply(noon, SessionEntry(sessionID, noon, noon), Entry{Type: 9, Exp: 4e9})
	if l.Len() != 0 {
		t.Error("it was")
	}
}

func TestTheZeroListIsEmpty(t *testing.T) {
	var l List
	if _, ok := l.Match(claims()); ok || l.Len() != 0 || l.Entries(noon) != nil {
		t.Error("it is not")
	}
	l.Apply(noon, SessionEntry(sessionID, noon, noon.Add(1)))
	if _, ok := l.Match(claims()); !ok {
		t.Error("it takes nothing")
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	l, hit := NewList(), claims()
	l.Apply(noon, many(1000, 0, forever)...)
	end := noon.Add(time.Hour)
	l.Apply(noon, SubjectEntry(iss, "bob", noon, end), ClientEntry(iss, "x", noon, end),
		AudienceEntry(iss, "x", noon, end), KeyEntry(iss, "x", noon, end), AllEntry(noon, end))
	if n := testing.AllocsPerRun(1000, func() { l.Match(hit) }); n != 0 {
		t.Errorf("a miss allocates %v times", n)
	}
	l.Apply(noon, SubjectEntry(iss, "ann", end, end))
	if n := testing.AllocsPerRun(1000, func() { l.Match(hit) }); n != 0 {
		t.Errorf("a hit allocates %v times", n)
	}
}

func TestReadersNeverMissWhatWasAppliedBefore(t *testing.T) {
	l, es := NewList(), many(3000, 0, forever)
	applied := make(chan Entry, len(es))
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for e := range applied {
				if _, ok := l.Match(&tokens.Claims{SessionID: e.ID}); !ok {
					t.Errorf("missed %x", e.ID)
				}
				l.Len()
			}
		})
	}
	for half := range 2 {
		writers.Go(func() {
			for _, e := range es[half*1500 : (half+1)*1500] {
				l.Apply(noon, e)
				applied <- e
			}
		})
	}
	writers.Wait()
	close(applied)
	readers.Wait()
	if l.Len() != len(es) {
		t.Errorf("%d of %d", l.Len(), len(es))
	}
}

func TestFindTellsWhatIsThere(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	e := SubjectEntry("iss", "ann", now, now.Add(time.Hour))
	l := NewList()
	if got, ok := l.Find(e.Target()); ok {
		t.Errorf("in an empty list: %+v", got)
	}
	l.Apply(now, e)
	if got, ok := l.Find(e.Target()); !ok || got != e {
		t.Errorf("%+v, want %+v", got, e)
	}
	if got, ok := l.Find(Target{Type: Client, ID: e.ID}); ok {
		t.Errorf("of another type: %+v", got)
	}
	if got, ok := l.Find(Target{Type: 200}); ok {
		t.Errorf("of no type: %+v", got)
	}
}
