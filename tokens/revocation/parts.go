package revocation

import (
	"slices"
	"time"
)

// Partial reports whether the position is that of a follower which has taken
// in only the first parts of a snapshot (see [Frame.Parts]). No log has an
// append there: they are made after 1970.
func (p Position) Partial() bool { return p.Cursor.Ms == 0 && p.Cursor.Seq > 0 }

// Parts returns a snapshot as frames of at most so many entries, to be sent in
// their order: the frame itself where it is no longer. Else the first is a
// snapshot in an epoch of its own, each of the others joins on to the one
// before, and the last leads over to the position of the whole, as a rebase
// does. So a part that is missing is noticed like any other frame that is. Only
// the last has the time up to which all is known, for only with it all is
// there. Who is cut off between two parts begins anew: his position is of an
// epoch that no log knows.
func (f *Frame) Parts(most int) []Frame {
	if f.Kind != Snapshot || len(f.Entries) <= most {
		return []Frame{*f}
	}
	var parts []Frame
	at := Position{Epoch: partsEpoch(f.Pos.Epoch)}
	for entries := range slices.Chunk(f.Entries, most) {
		part := Frame{Kind: Delta, PrevEpoch: at.Epoch, Prev: at.Cursor, AsOf: time.UnixMilli(0), Entries: entries}
		if len(parts) == 0 {
			part.Kind, part.PrevEpoch, part.Prev = Snapshot, 0, Cursor{}
		}
		at.Cursor.Seq++
		part.Pos = at
		parts = append(parts, part)
	}
	last := &parts[len(parts)-1]
	last.Kind, last.Pos, last.AsOf = Rebase, f.Pos, f.AsOf
	return parts
}

// partsEpoch is another epoch than that one, and not zero.
func partsEpoch(epoch uint64) uint64 { return max(^epoch, 1) }
