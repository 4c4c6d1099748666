package revocation

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Cursor is a place in the log of one epoch: the append's time in Unix
// milliseconds and a count within the millisecond. The zero Cursor is before
// the first append.
type Cursor struct {
	Ms  uint64
	Seq uint32
}

// Compare returns -1, 0 or +1 as c is before, at or after o.
func (c Cursor) Compare(o Cursor) int {
	switch {
	case c == o:
		return 0
	case c.Ms < o.Ms || c.Ms == o.Ms && c.Seq < o.Seq:
		return -1
	}
	return 1
}

// Next returns the cursor of the next append at nowMs: later than c whatever
// the clock says.
func (c Cursor) Next(nowMs uint64) Cursor {
	if nowMs > c.Ms {
		return Cursor{Ms: nowMs}
	}
	if c.Seq++; c.Seq == 0 {
		c.Ms++
	}
	return c
}

// String returns "ms-seq", both in decimal.
func (c Cursor) String() string {
	return strconv.FormatUint(c.Ms, 10) + "-" + strconv.FormatUint(uint64(c.Seq), 10)
}

// Position is a cursor within its epoch. A new epoch begins when the log may
// have lost something: cursors of two epochs can not be compared.
type Position struct {
	Epoch  uint64
	Cursor Cursor
}

// String returns "<16 hex digits>.<ms>-<seq>": the id of a server-sent event,
// the ETag of a snapshot, the value of ?since=.
func (p Position) String() string {
	var epoch [8]byte
	binary.BigEndian.PutUint64(epoch[:], p.Epoch)
	return hex.EncodeToString(epoch[:]) + "." + p.Cursor.String()
}

// ParsePosition reads what String wrote and nothing else: no sign, no space,
// no leading zero, no capital. The error wraps ErrInvalid.
func ParsePosition(s string) (Position, error) {
	p, ok := parsePosition(s)
	if !ok || p.String() != s {
		return Position{}, fmt.Errorf("position: %w", ErrInvalid)
	}
	return p, nil
}

func parsePosition(s string) (p Position, ok bool) {
	if len(s) > 16+1+20+1+10 {
		return p, false
	}
	epoch, cursor, _ := strings.Cut(s, ".")
	ms, seq, _ := strings.Cut(cursor, "-")
	e, err1 := strconv.ParseUint(epoch, 16, 64)
	m, err2 := strconv.ParseUint(ms, 10, 64)
	n, err3 := strconv.ParseUint(seq, 10, 32)
	p = Position{Epoch: e, Cursor: Cursor{Ms: m, Seq: uint32(n)}}
	return p, err1 == nil && err2 == nil && err3 == nil
}
