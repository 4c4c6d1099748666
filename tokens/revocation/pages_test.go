package revocation

import (
	"encoding/binary"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"pgregory.net/rapid"
)

// sound says what is wrong with the pages of a list, if anything.
func sound(t interface{ Fatalf(string, ...any) }, l *List) {
	for typ, table := range l.load() {
		n := 0
		for i, p := range table.pages {
			if p == nil {
				continue
			}
			n += len(p.slots)
			if len(p.slots) == 0 || p.made != nil && len(p.made) != len(p.slots) {
				t.Fatalf("page %d of %d slots and %d times", i, len(p.slots), len(p.made))
			}
			first := uint32(math.MaxUint32)
			for j := range p.slots {
				s, h := &p.slots[j], hash(&p.slots[j].id)
				first = min(first, s.exp)
				if table.place(h) != i || !p.may(h) || j > 0 && !before(&p.slots[j-1].id, &s.id, h) {
					t.Fatalf("slot %d of page %d is out of place", j, i)
				}
			}
			if p.first != first {
				t.Fatalf("page %d expires at %d, says %d", i, first, p.first)
			}
		}
		if n != table.n || n == 0 && table.pages != nil {
			t.Fatalf("%d entries of type %d, says %d", n, typ, table.n)
		}
		if pages := len(table.pages); pages > 1 && pages < sweepMost && n < pages*pageFill/2 || n > pages*pageFill {
			t.Fatalf("%d pages for %d entries", pages, n)
		}
	}
}

// drawMany draws entries whose ids are few enough to meet again, and numerous
// enough for many pages.
func drawMany(t *rapid.T) []Entry {
	es := make([]Entry, rapid.SampledFrom([]int{0, 1, 2, 50, 700, 3000}).Draw(t, "n"))
	seed := rapid.Uint64().Draw(t, "seed")
	draw := func(n uint64) uint64 { // cheaper than rapid's own
		seed = seed*6364136223846793005 + 1442695040888963407
		return seed >> 33 % n
	}
	life, times := 1+draw(100), draw(2)
	for i := range es {
		es[i] = Entry{Type: Type(1 + draw(2)), T: uint32(draw(5)), Made: uint32(draw(3) * times)}
		es[i].Exp = uint32(1000 + draw(life))
		binary.LittleEndian.PutUint64(es[i].ID[:], 1+draw(6000))
	}
	return es
}

func TestAListOfManyPagesAnswersLikeABook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, b, now := NewList(), book{}, time.Unix(990, 0)
		for range rapid.IntRange(1, 12).Draw(t, "batches") {
			now = now.Add(time.Duration(rapid.IntRange(0, 25).Draw(t, "seconds")) * time.Second)
			es := drawMany(t)
			l.Apply(now, es...)
			b.apply(now, es...)
			sound(t, l)
			compare(t, l, b, now)
		}
		for range sweepRound + 1 {
			now = now.Add(time.Second)
			l.Apply(now)
		}
		sound(t, l)
		b.apply(now)
		if held := l.Len(); held < len(b) || now.Unix() > 1100+sweepRound && held > 0 {
			t.Fatalf("%d are held, %d alive", held, len(b))
		}
	})
}

func compare(t *rapid.T, l *List, b book, now time.Time) {
	got := l.Entries(now)
	if len(got) != len(b) || l.Len() < len(b) {
		t.Fatalf("%d entries of %d, want %d", len(got), l.Len(), len(b))
	}
	for _, e := range got {
		if want := b[e.Target()]; e != want {
			t.Fatalf("entry %v, want %v", e, want)
		}
	}
	for i := uint64(1); i <= 6000; i += 7 {
		var id [16]byte
		binary.LittleEndian.PutUint64(id[:], i)
		_, want := b[Target{Session, id}]
		if e, ok := l.Match(&tokens.Claims{SessionID: id}); ok != want && !e.Expired(now) {
			t.Fatalf("%d: %v, want %v", i, ok, want)
		}
	}
}

// alike returns n ids of one and the same hash.
func alike(n int) [][16]byte {
	ids := make([][16]byte, n)
	for i := range ids {
		binary.LittleEndian.PutUint64(ids[i][:], 0x9e3779b97f4a7c15) // a factor of zero
		binary.LittleEndian.PutUint64(ids[i][8:], uint64(i)*0x9e3779b97f4a7c15)
	}
	return ids
}

func TestIdsOfOneHashAreToldApart(t *testing.T) {
	l, ids := NewList(), alike(3000)
	for i, id := range ids {
		if hash(&id) != hash(&ids[0]) {
			t.Fatal("the hashes differ: this test sees nothing")
		}
		if i%2 == 0 {
			l.Apply(noon, Entry{Type: Session, ID: id, T: uint32(i), Exp: 4e9})
		}
	}
	l.Apply(noon, many(5000, 0, forever)...)
	l.Apply(noon, Entry{Type: Session, ID: ids[2], T: 7, Exp: 4e9}, Entry{Type: Session, ID: ids[4], T: 9, Exp: 4e9},
		Entry{Type: Session, ID: ids[2], T: 8, Exp: 4e9})
	for i, id := range ids {
		e, ok := l.Match(&tokens.Claims{SessionID: id})
		if ok != (i%2 == 0) || ok && (e.ID != id || e.T != max(uint32(i), map[int]uint32{2: 8, 4: 9}[i])) {
			t.Fatalf("%d: %v %v", i, e, ok)
		}
	}
	if l.Len() != len(ids)/2+5000 {
		t.Errorf("%d entries", l.Len())
	}
	sound(t, l)
}

func TestTheFilterDeniesNearlyAllThatIsNotThere(t *testing.T) {
	const n = 100_000
	l := NewList()
	for i := 0; i < n; i += 250 { // so that pages grow by an entry or two at a time
		l.Apply(noon, many(250, i, forever)...)
	}
	passed := 0
	table := &l.load()[Session]
	for _, e := range many(n, n, forever) {
		if h := hash(&e.ID); table.pages[table.place(h)].may(h) {
			passed++
		}
	}
	if passed > n/16 {
		t.Errorf("%d of %d go on to the slots", passed, n)
	}
}

func TestOneCallLooksForWhatHasExpiredInABoundedPartOfTheList(t *testing.T) {
	l := NewList()
	l.Apply(noon, many(330_000, 0, func(int) uint32 { return uint32(noon.Unix()) + 2 })...)
	pages := len(l.load()[Session].pages)
	eighth := (pages + 7) / 8 * 2 * pageFill // at most: a page may have twice as many
	for _, c := range []struct {
		name  string
		after time.Duration // since noon
		least int           // entries that are left
		most  int
	}{
		{"two seconds later an eighth goes", 2 * time.Second, 330_000 - eighth, 330_000 - 1},
		{"in the same second nothing goes", 2*time.Second + 1, 330_000 - eighth, 330_000 - 1},
		{"much later not all goes", time.Hour, 1, 330_000 / 4},
		{"after that the rest goes", time.Hour + 2*time.Second, 0, 330_000 / 4},
	} {
		before := len(l.load()[Session].pages)
		l.Apply(noon.Add(c.after))
		if n := l.Len(); n < c.least || n > c.most {
			t.Errorf("%s: %d are left", c.name, n)
		}
		if after := len(l.load()[Session].pages); after < before-sweepMost {
			t.Errorf("%s: %d pages became %d at once", c.name, before, after)
		}
	}
}

func TestAValueThatAReaderHasNeverChanges(t *testing.T) {
	l := NewList()
	l.Apply(noon, many(5000, 0, func(i int) uint32 { return uint32(noon.Unix() + 1 + int64(i%3)) })...)
	held := &l.load()[Session]
	pages, n := slices.Clone(held.pages), held.n
	l.Apply(noon, many(1, 5000, forever)...)
	l.Apply(noon.Add(time.Second), many(5000, 6000, forever)...)
	l.Apply(noon.Add(time.Minute))
	if !slices.Equal(held.pages, pages) || held.n != n {
		t.Error("it did")
	}
}

// What goes to the end of the table by a split would be looked at last.
func TestASplitLetsGoOfWhatHasExpired(t *testing.T) {
	l := NewList()
	l.Apply(noon, many(pageFill, 0, func(i int) uint32 { return uint32(noon.Unix() + 1 + int64(i%2)) })...)
	d := draft{table: l.load()[Session]}
	d.grow(noon.Add(time.Second))
	if d.n != pageFill/2 || d.pages[0].len()+d.pages[1].len() != d.n {
		t.Errorf("%d are left in %d pages", d.n, len(d.pages))
	}
}

func TestAClockThatWasAheadDoesNotStopTheExpiry(t *testing.T) {
	l := NewList()
	l.Apply(noon.Add(24*time.Hour), many(3, 0, forever)...)
	l.Apply(noon, SessionEntry(sessionID, noon, noon.Add(2*time.Second)))
	l.Apply(noon.Add(3 * time.Second))
	if l.Len() != 3 {
		t.Errorf("%d entries", l.Len())
	}
}

// A writer as busy as a large installation's, and readers that do nothing else.
func TestReadersAskWhileAThousandEntriesASecondAreAdded(t *testing.T) {
	const n = 300
	l, es := NewList(), many(n, 0, forever)
	foreign := many(n, n, forever)
	var added atomic.Int64
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := 0; added.Load() < n; i++ {
				runtime.Gosched() // on a machine with few cores the writer wants a turn
				if now := added.Load(); now > 0 {
					if e := es[int64(i)%now]; !matches(l, e) {
						t.Errorf("missed %x", e.ID)
					}
				}
				if e := foreign[i%n]; matches(l, e) {
					t.Errorf("made up %x", e.ID)
				}
			}
		})
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i, e := range es {
		<-tick.C
		l.Apply(noon, e)
		added.Store(int64(i + 1))
	}
	readers.Wait()
	if got := l.Entries(noon); !slices.Equal(sorted(got), sorted(es)) {
		t.Errorf("%d entries, want %d", len(got), n)
	}
}

func matches(l *List, e Entry) bool {
	_, ok := l.Match(&tokens.Claims{SessionID: e.ID})
	return ok
}
