package authsvc

import (
	"context"
	"errors"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// The private data of a session is in its cookie, and as long as nobody changes
// it there is nothing to remember. But a cookie alone can not be changed by two
// at once: the browser keeps what came last, and who made that knew nothing of
// the other. So the first change puts the data into the store, where one change
// comes after the other, and the cookie becomes a copy of it. Answers may reach the
// browser in any order, and not at all: an older copy is replaced whenever
// the browser comes to the service again, by the next change, refresh or look at
// the session.
//
// A copy is the whole data at a version, and versions are in one line. So of a
// copy and what the store has, the one of the later version is right; also
// where it is the copy, because the store has lost its last writes, or all.

// Data keeps what was changed of the data of sessions, some cells for each.
// Implementations are safe for concurrent use. Every error is an infrastructure fault; after
// one a write may have been made.
type Data interface {
	// Read returns cells of a session as they were at one moment, in the order
	// of their names: nil for one that is not there.
	Read(ctx context.Context, sid tokens.ID, names ...string) ([][]byte, error)

	// Write changes cells of a session, all at once, if its cell DataHead still is
	// as given, nil for none; a nil cell is removed. It reports whether it was. All
	// the cells of a session are kept until its end, and are gone some time after it.
	Write(ctx context.Context, sid tokens.ID, head []byte, cells map[string][]byte, end time.Time) (bool, error)
}

// DataHead is the cell that every Write names: no other changes without it.
const DataHead = ""

// The bounds of a session's cells.
const (
	MaxCell     = tokens.MaxDataLen // bytes
	MaxCells    = 16                // beside the head
	MaxCellName = 64                // bytes
)

// CheckCells refuses a Write that is out of bounds: a mistake of the program,
// which each store refuses alike.
func CheckCells(cells map[string][]byte) error {
	_, head := cells[DataHead]
	if !head || len(cells) > MaxCells+1 {
		return ErrBadCells
	}
	for name, cell := range cells {
		if len(name) > MaxCellName || len(cell) > MaxCell || cell != nil && len(cell) == 0 {
			return ErrBadCells
		}
	}
	return nil
}

// ErrBadCells is what a Data refuses without asking its store.
var ErrBadCells = errors.New("cells out of bounds")
