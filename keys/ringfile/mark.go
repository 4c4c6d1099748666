package ringfile

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

const (
	markSuffix = ".seen"
	lockSuffix = ".lock"
	maxMark    = 20 // digits of a uint64
)

// mark is the path of a high-water mark: a file of one decimal number, the
// highest generation of a ring that was seen here. It is a file of its owner
// alone, as a ring is, and is written by whoever holds the ring's lock.
type mark string

func markOf(ring string) mark { return mark(ring + markSuffix) }

// read returns the generation; zero if there is no mark. Errors name the file:
// ErrUnsafe, ErrDamaged, or those of reading.
func (m mark) read() (uint64, error) {
	data, err := readFile(string(m), maxMark)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the high-water mark %s: %w", m, err)
	}
	n, err := strconv.ParseUint(string(data), 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != string(data) {
		return 0, fmt.Errorf("reading the high-water mark %s: %w: it is not a number", m, ErrDamaged)
	}
	return n, nil
}

// write replaces the mark, durably and atomically. It comes after the ring:
// in the other order, a crash in between would leave a mark that no ring
// reaches.
func (m mark) write(generation uint64) error {
	if err := writeFile(string(m), []byte(strconv.FormatUint(generation, 10))); err != nil {
		return fmt.Errorf("writing the high-water mark %s: %w", m, err)
	}
	return nil
}
