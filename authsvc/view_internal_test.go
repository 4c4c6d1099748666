package authsvc

import (
	"testing"

	"github.com/sealring-dev/sealring/tokens/revocation"
	"pgregory.net/rapid"
)

func at(n uint64) revocation.Position {
	return revocation.Position{Epoch: 7, Cursor: revocation.Cursor{Ms: 10 * n}}
}

// Whatever was pushed, a position within the window finds exactly the frames
// behind it, and one outside of it none.
func TestViewAfter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := &view{pos: at(1), base: at(1)}
		pushed := rapid.Uint64Range(0, 2*windowFrames).Draw(t, "pushed")
		for n := range pushed {
			v.push(frame{pos: at(n + 2), jws: "x"})
		}
		if len(v.frames) > windowFrames || v.end() != pushed {
			t.Fatalf("%d frames kept, end %d", len(v.frames), v.end())
		}
		n := rapid.Uint64Range(0, pushed+3).Draw(t, "at")
		between := rapid.Bool().Draw(t, "between") // two positions of frames that were batched
		p := at(n)
		if between {
			p.Cursor.Ms += 5
		}
		next, ok := v.after(p)
		kept := p.Cursor.Compare(v.base.Cursor) >= 0 && p.Cursor.Compare(v.pos.Cursor) <= 0
		if ok != kept {
			t.Fatalf("after %v: %v, window from %v to %v", p, ok, v.base, v.pos)
		}
		if ok && next != n-1 {
			t.Fatalf("after %v comes %d", p, next)
		}
		p.Epoch++
		if _, ok := v.after(p); ok {
			t.Fatal("a position of another epoch was found")
		}
	})
}

func TestViewBoundsItsBytes(t *testing.T) {
	v := &view{pos: at(1), base: at(1)}
	big := string(make([]byte, windowBytes/4))
	for n := range uint64(20) {
		v.push(frame{pos: at(n + 2), jws: big})
		if v.bytes > windowBytes {
			t.Fatalf("%d bytes", v.bytes)
		}
	}
	if len(v.frames) != 4 || v.base != at(17) {
		t.Errorf("%d frames, base %v", len(v.frames), v.base)
	}
}

// An old view must not change when a newer one is made of it.
func TestViewsAreImmutable(t *testing.T) {
	a := &view{pos: at(1), base: at(1)}
	a.push(frame{pos: at(2), jws: "a"})
	b, c := *a, *a
	b.push(frame{pos: at(3), jws: "b"})
	c.push(frame{pos: at(3), jws: "c"})
	if len(a.frames) != 1 || b.frames[1].jws != "b" || c.frames[1].jws != "c" {
		t.Error("two views share a frame's place")
	}
}

// The snapshot of a Log that was followed anew continues the feed.
func TestRebased(t *testing.T) {
	other := at(5)
	other.Epoch = 8
	for _, tc := range []struct {
		name      string
		from, pos revocation.Position
		kind      revocation.Kind
		want      revocation.Position
	}{
		{"ahead in the same epoch it is a delta", at(3), at(5), revocation.Delta, at(5)},
		{"in another epoch it is a rebase", at(3), other, revocation.Rebase, other},
		{"behind it moves nobody back", at(5), at(3), revocation.Delta, at(5)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := rebased(revocation.Frame{Kind: revocation.Snapshot, Pos: tc.pos}, tc.from)
			if f.Kind != tc.kind || f.Pos != tc.want || f.PrevEpoch != tc.from.Epoch || f.Prev != tc.from.Cursor {
				t.Errorf("%+v", f)
			}
		})
	}
}

// The frames from before a new epoch serve nobody who comes with a position,
// and those behind it everybody who has one of the new epoch.
func TestViewAfterAnewEpoch(t *testing.T) {
	v := &view{pos: at(1), base: at(1)}
	in8 := func(n uint64) revocation.Position { return revocation.Position{Epoch: 8, Cursor: at(n).Cursor} }
	for _, p := range []revocation.Position{at(2), in8(2), in8(4)} {
		v.push(frame{pos: p, jws: "x"})
	}
	for _, tc := range []struct {
		p    revocation.Position
		next uint64
		ok   bool
	}{
		{at(1), 0, false}, {at(2), 0, false}, {in8(1), 0, false},
		{in8(2), 2, true}, {in8(3), 2, true}, {in8(4), 3, true}, {in8(5), 0, false},
	} {
		if next, ok := v.after(tc.p); ok != tc.ok || ok && next != tc.next {
			t.Errorf("after %v: %d, %v", tc.p, next, ok)
		}
	}
}

// What a relay's snapshot stands before is kept, however much it is.
func TestViewKeepsWhatBelongsToItsSnapshot(t *testing.T) {
	v := &view{pos: at(1), base: at(1), snap: parts{{pos: at(1)}}}
	for n := range uint64(3 * windowFrames) {
		v.push(frame{pos: at(n + 2), jws: "x"})
	}
	if v.base != at(1) || v.pinned != 3*windowFrames {
		t.Errorf("base %v, %d pinned", v.base, v.pinned)
	}
	v.pinned = 1
	v.trim()
	if len(v.frames) != windowFrames {
		t.Errorf("%d frames", len(v.frames))
	}
}
