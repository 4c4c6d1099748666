package revocation

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Kind says what a frame is.
type Kind uint8

// The kinds.
const (
	Snapshot Kind = 1 // everything there is at Pos; follows nothing
	Delta    Kind = 2 // what was appended after Prev, up to Pos
	Rebase   Kind = 3 // a new epoch takes over: a follower at or after Prev of PrevEpoch goes on at Pos
)

// MaxFrameEntries is how many entries one frame may hold: 50 MB, what
// [tokens.VerifyBytes] takes when it is signed.
const MaxFrameEntries = 2_000_000

const (
	frameVersion = 1
	frameHead    = 54              // version, kind, epoch 8, prev epoch 8, prev 12, cur 12, asof 8, n 4
	frameEntry   = 25              // type, id 16, t 4, x 4
	maxAsOf      = 253402300799999 // ms: the end of the year 9999
)

// Frame carries entries to verifiers. In a Snapshot PrevEpoch and Prev are
// zero; in a Delta PrevEpoch is Pos.Epoch and Prev is at or before
// Pos.Cursor, equal in a heartbeat, or where entries travel that have no
// place in the log; in a Rebase the epochs differ. No epoch is zero.
type Frame struct {
	Kind      Kind
	PrevEpoch uint64
	Prev      Cursor
	Pos       Position
	AsOf      time.Time // what the sender knew then is all in here or before it; to the millisecond
	Entries   []Entry   // as they come from [Entry.OnFeed]: only Type, ID, T and Exp travel
}

// Advance returns the position of a follower at p after it has applied the
// frame, and whether it may advance: false means that a frame is missing
// between p and this one. The entries of an authentic frame are worth
// applying either way. An old frame never moves a position back.
func (f *Frame) Advance(p Position) (Position, bool) {
	switch {
	case f.Kind == Snapshot:
		return f.Pos, true
	case f.PrevEpoch != p.Epoch || f.Prev.Compare(p.Cursor) > 0:
		return p, false
	case f.Kind == Delta && f.Pos.Cursor.Compare(p.Cursor) <= 0:
		return p, true
	}
	return f.Pos, true
}

// MarshalBinary returns the frame in 54 bytes and 25 for each entry, all
// numbers big-endian: version 1, kind, epoch 8, prev epoch 8, prev 12 and
// cursor 12 (milliseconds 8, count 4), as-of 8, number of entries 4; then of
// each entry the type, id 16, t 4 and expiry 4. The error wraps ErrInvalid: a
// frame that ParseFrame would refuse is not written.
func (f *Frame) MarshalBinary() ([]byte, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, frameHead+frameEntry*len(f.Entries))
	b = append(b, frameVersion, byte(f.Kind))
	b = binary.BigEndian.AppendUint64(b, f.Pos.Epoch)
	b = binary.BigEndian.AppendUint64(b, f.PrevEpoch)
	b = appendCursor(b, f.Prev)
	b = appendCursor(b, f.Pos.Cursor)
	b = binary.BigEndian.AppendUint64(b, uint64(f.AsOf.UnixMilli()))
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.Entries)))
	for _, e := range f.Entries {
		b = append(append(b, byte(e.Type)), e.ID[:]...)
		b = binary.BigEndian.AppendUint32(b, e.T)
		b = binary.BigEndian.AppendUint32(b, e.Exp)
	}
	return b, nil
}

func appendCursor(b []byte, c Cursor) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, c.Ms), c.Seq)
}

// ParseFrame reads what MarshalBinary wrote and nothing else: the exact
// length, a known version, kind and types, fit positions. It allocates no more
// than 32 bytes for each entry that is there. The error wraps ErrInvalid.
func ParseFrame(b []byte) (*Frame, error) {
	if len(b) < frameHead || b[0] != frameVersion {
		return nil, fmt.Errorf("frame of %d bytes, or of another version: %w", len(b), ErrInvalid)
	}
	n := uint64(binary.BigEndian.Uint32(b[50:]))
	if n > MaxFrameEntries || uint64(len(b)) != frameHead+frameEntry*n {
		return nil, fmt.Errorf("frame of %d bytes for %d entries: %w", len(b), n, ErrInvalid)
	}
	f := &Frame{
		Kind:      Kind(b[1]),
		Pos:       Position{binary.BigEndian.Uint64(b[2:]), parseCursor(b[30:])},
		PrevEpoch: binary.BigEndian.Uint64(b[10:]),
		Prev:      parseCursor(b[18:]),
		AsOf:      time.UnixMilli(int64(binary.BigEndian.Uint64(b[42:]))).UTC(),
		Entries:   parseEntries(b[frameHead:], int(n)),
	}
	if err := f.validate(); err != nil {
		return nil, err
	}
	return f, nil
}

func parseCursor(b []byte) Cursor {
	return Cursor{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])}
}

func parseEntries(b []byte, n int) []Entry {
	if n == 0 {
		return nil
	}
	es := make([]Entry, n)
	for i := range es {
		p := b[i*frameEntry:]
		es[i] = Entry{
			Type: Type(p[0]),
			ID:   [16]byte(p[1:17]),
			T:    binary.BigEndian.Uint32(p[17:]),
			Exp:  binary.BigEndian.Uint32(p[21:]),
		}
	}
	return es
}

func (f *Frame) validate() error {
	if !f.placed() {
		return fmt.Errorf("frame of kind %d with unfit positions: %w", f.Kind, ErrInvalid)
	}
	if ms := f.AsOf.UnixMilli(); ms < 0 || ms > maxAsOf {
		return fmt.Errorf("frame with an unfit time: %w", ErrInvalid)
	}
	if len(f.Entries) > MaxFrameEntries {
		return fmt.Errorf("frame of %d entries: %w", len(f.Entries), ErrInvalid)
	}
	for i := range f.Entries {
		if err := f.Entries[i].Validate(); err != nil {
			return err
		}
	}
	return nil
}

// placed reports whether the positions suit the kind.
func (f *Frame) placed() bool {
	switch f.Kind {
	case Snapshot:
		return f.Pos.Epoch != 0 && f.PrevEpoch == 0 && f.Prev == Cursor{}
	case Delta:
		return f.Pos.Epoch != 0 && f.PrevEpoch == f.Pos.Epoch && f.Prev.Compare(f.Pos.Cursor) <= 0
	case Rebase:
		return f.Pos.Epoch != 0 && f.PrevEpoch != 0 && f.PrevEpoch != f.Pos.Epoch
	}
	return false
}
