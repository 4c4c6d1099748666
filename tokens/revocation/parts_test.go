package revocation_test

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

func longSnapshot(n int) *revocation.Frame {
	f := &revocation.Frame{
		Kind: revocation.Snapshot, AsOf: time.UnixMilli(1_800_000_000_000).UTC(),
		Pos: revocation.Position{Epoch: 7, Cursor: revocation.Cursor{Ms: 1_800_000_000_000, Seq: 3}},
	}
	for i := range n {
		e := revocation.Entry{Type: revocation.Session, T: 1_800_000_000, Exp: 1_800_001_000}
		binary.BigEndian.PutUint64(e.ID[:], uint64(i+1))
		f.Entries = append(f.Entries, e)
	}
	return f
}

// follow takes frames in turn, as a follower does, and says where it is and
// what it holds then.
func follow(frames []revocation.Frame) (at revocation.Position, held []revocation.Entry, ok bool) {
	for _, f := range frames {
		held = append(held, f.Entries...)
		if at, ok = f.Advance(at); !ok {
			return at, held, false
		}
	}
	return at, held, true
}

func TestThePartsOfASnapshotLeadToItsPositionWithAllOfIt(t *testing.T) {
	for entries, parts := range map[int]int{0: 1, 9: 1, 10: 1, 11: 2, 20: 2, 21: 3, 100: 10} {
		whole := longSnapshot(entries)
		switch entries {
		case 21:
			whole.Pos.Cursor = revocation.Cursor{} // of a log that was emptied, with all of it to be written back
		case 20:
			whole.Pos.Epoch = math.MaxUint64
		}
		got := whole.Parts(10)
		if len(got) != parts {
			t.Errorf("%d entries: %d parts, want %d", entries, len(got), parts)
		}
		at, held, ok := follow(got)
		if !ok || at != whole.Pos || !slices.Equal(held, whole.Entries) {
			t.Errorf("%d entries: at %v with %d (joined: %v)", entries, at, len(held), ok)
		}
		for i, f := range got {
			last := i == len(got)-1
			if f.Pos.Partial() == last {
				t.Errorf("%d entries: part %d of %d ends at %v", entries, i, len(got), f.Pos)
			}
			if f.AsOf.Equal(whole.AsOf) != last {
				t.Errorf("%d entries: part %d of %d is of %v", entries, i, len(got), f.AsOf)
			}
			if raw, err := f.MarshalBinary(); err != nil {
				t.Error(err)
			} else if back, err := revocation.ParseFrame(raw); err != nil || back.Pos != f.Pos || len(back.Entries) != len(f.Entries) {
				t.Errorf("part %d was read as %+v, %v", i, back, err)
			}
		}
	}
}

func TestAPartThatIsLeftOutIsNoticed(t *testing.T) {
	parts := longSnapshot(50).Parts(10)
	for i := range parts {
		if i == len(parts)-1 {
			continue // the end that does not come: the position says so
		}
		if at, _, ok := follow(slices.Delete(slices.Clone(parts), i, i+1)); ok {
			t.Errorf("without part %d a follower stands at %v", i, at)
		}
	}
	if at, _, _ := follow(parts[:len(parts)-1]); !at.Partial() {
		t.Errorf("without the last part a follower stands at %v, as if it had all", at)
	}
}

func TestNoAppendStandsWhereAPartEnds(t *testing.T) {
	for _, c := range []revocation.Cursor{{}, {Ms: 1}, {Ms: 1_800_000_000_000, Seq: 1}, revocation.Cursor{}.Next(1)} {
		if (revocation.Position{Epoch: 1, Cursor: c}).Partial() {
			t.Errorf("%v", c)
		}
	}
}
