package revocation

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"pgregory.net/rapid"
)

const iss = "https://auth.example.com"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestIDOfANamedTargetIsTheFirstHalfOfAHash(t *testing.T) {
	later := noon.Add(time.Hour)
	for name, e := range map[string]struct {
		entry Entry
		text  string
	}{
		"subject":  {SubjectEntry(iss, "ann", noon, later), "\x03" + iss + "ann"},
		"client":   {ClientEntry(iss, "cli", noon, later), "\x04" + iss + "cli"},
		"audience": {AudienceEntry(iss, "orders", noon, later), "\x05" + iss + "orders"},
		"key":      {KeyEntry(iss, "kid-1", noon, later), "\x06" + iss + "kid-1"},
		"claims":   {ClaimsEntry(iss, "ann", noon, later), "\x08" + iss + "ann"},
	} {
		t.Run(name, func(t *testing.T) {
			sum := sha256.Sum256([]byte(e.text))
			if !bytes.Equal(e.entry.ID[:], sum[:16]) {
				t.Errorf("id %x, want %x", e.entry.ID, sum[:16])
			}
			if e.entry.Type.String() != name {
				t.Errorf("type %v", e.entry.Type)
			}
		})
	}
}

func TestIDOfAnOverlongNameIsHashedWhole(t *testing.T) {
	long := string(bytes.Repeat([]byte("x"), 1000))
	if hashed(Subject, iss, long) == hashed(Subject, iss, long+"y") {
		t.Error("the end of a long subject does not count")
	}
}

func TestRawIDsAreTakenAsTheyAre(t *testing.T) {
	id := tokens.NewID()
	for _, e := range []Entry{TokenEntry(id, noon, noon), SessionEntry(id, noon, noon)} {
		if e.ID != id {
			t.Errorf("%v: id %x, want %x", e.Type, e.ID, id)
		}
	}
	if e := AllEntry(noon, noon); e.ID != [16]byte{} || e.Type != All {
		t.Errorf("all: %v", e)
	}
}

func TestTimesAreRoundedUpAndKeptWithinFourBytes(t *testing.T) {
	s := uint32(noon.Unix())
	for name, c := range map[string]struct {
		at   time.Time
		want uint32
	}{
		"a whole second stays":           {noon, s},
		"a nanosecond later is the next": {noon.Add(1), s + 1},
		"before 1970 is 1970":            {time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC), 0},
		"the zero time is 1970":          {time.Time{}, 0},
		"after 2106 is the last second":  {time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), math.MaxUint32},
	} {
		t.Run(name, func(t *testing.T) {
			if e := AllEntry(c.at, c.at); e.T != c.want || e.Exp != c.want {
				t.Errorf("T %d, Exp %d, want %d", e.T, e.Exp, c.want)
			}
		})
	}
}

func TestFeedExpiryIsTheEarlierOfExpAndMadePlusW(t *testing.T) {
	const w = 20 * time.Minute
	for name, c := range map[string]struct {
		e    Entry
		w    time.Duration
		want uint32
	}{
		"made plus w":                     {Entry{Type: Session, Made: 1000, Exp: 9000}, w, 2200},
		"exp when that is earlier":        {Entry{Type: Session, Made: 1000, Exp: 1500}, w, 1500},
		"a key stays until exp":           {Entry{Type: Key, Made: 1000, Exp: 9000}, w, 9000},
		"unknown made counts as exp":      {Entry{Type: Session, Exp: 9000}, w, 9000},
		"w is rounded up":                 {Entry{Type: Session, Made: 1000, Exp: 9000}, 1500 * time.Millisecond, 1002},
		"a negative w counts as none":     {Entry{Type: Session, Made: 1000, Exp: 9000}, -w, 1000},
		"the sum may pass the four bytes": {Entry{Type: Session, Made: math.MaxUint32 - 1, Exp: math.MaxUint32}, w, math.MaxUint32},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.e.FeedExpiry(c.w); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
			want := Entry{Type: c.e.Type, ID: c.e.ID, T: c.e.T, Exp: c.want}
			if got := c.e.OnFeed(c.w); got != want {
				t.Errorf("on the feed %v, want %v", got, want)
			}
		})
	}
}

func TestValidateRefusesEntriesThatMatchNothing(t *testing.T) {
	for name, e := range map[string]Entry{
		"no type":                 {ID: [16]byte{1}},
		"a type from the future":  {Type: 9, ID: [16]byte{1}},
		"a session without an id": {Type: Session},
		"everything with an id":   {Type: All, ID: [16]byte{1}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := e.Validate(); !errors.Is(err, ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
	for _, e := range []Entry{AllEntry(noon, noon), SubjectEntry(iss, "ann", noon, noon)} {
		if err := e.Validate(); err != nil {
			t.Errorf("%v: %v", e.Type, err)
		}
	}
}

// anyEntry draws from few targets, so that draws meet.
func anyEntry(t *rapid.T) Entry {
	e := Entry{
		Type: Type(rapid.IntRange(1, 8).Draw(t, "type")),
		T:    rapid.Uint32Range(900, 1100).Draw(t, "t"),
		Made: rapid.Uint32Range(900, 1100).Draw(t, "made"),
		Exp:  rapid.Uint32Range(900, 1100).Draw(t, "exp"),
	}
	if e.Type != All {
		e.ID[rapid.IntRange(0, 15).Draw(t, "at")] = byte(rapid.IntRange(1, 2).Draw(t, "id"))
	}
	return e
}

func TestMergeIsALattice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyEntry(t), anyEntry(t), anyEntry(t)
		b.Type, b.ID, c.Type, c.ID = a.Type, a.ID, a.Type, a.ID
		if a.Merge(b) != b.Merge(a) {
			t.Fatal("not commutative")
		}
		if a.Merge(b.Merge(c)) != a.Merge(b).Merge(c) {
			t.Fatal("not associative")
		}
		if a.Merge(a) != a {
			t.Fatal("not idempotent")
		}
		m := a.Merge(b)
		if !m.Covers(a) || !m.Covers(b) || m.T < a.T || m.Exp < b.Exp || m.Made < a.Made {
			t.Fatal("not an upper bound")
		}
		if a.Covers(b) && b.Covers(a) && a != b {
			t.Fatal("not antisymmetric")
		}
		if m.T > max(a.T, b.T) || m.Exp > max(a.Exp, b.Exp) || m.Made > max(a.Made, b.Made) {
			t.Fatal("not the least upper bound")
		}
	})
}

func TestMergeTakesNothingFromAnotherTarget(t *testing.T) {
	a := SubjectEntry(iss, "ann", noon, noon)
	b := SubjectEntry(iss, "bob", noon.Add(time.Hour), noon.Add(time.Hour))
	if a.Merge(b) != a || a.Covers(b) || b.Covers(a) {
		t.Error("two subjects were mixed")
	}
}

func TestAnEntryExpiresAtItsExp(t *testing.T) {
	e := SessionEntry(tokens.NewID(), noon, noon.Add(time.Minute))
	if e.Expired(noon.Add(time.Minute - 1)) {
		t.Error("too early")
	}
	if !e.Expired(noon.Add(time.Minute)) {
		t.Error("too late")
	}
}
