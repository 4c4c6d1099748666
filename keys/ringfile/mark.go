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

// readMark returns the highest generation that was written here; zero
// without a mark.
func readMark(ring string) (uint64, error) {
	data, err := readFile(ring+markSuffix, maxMark)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the high-water mark %s: %w", ring+markSuffix, err)
	}
	n, err := strconv.ParseUint(string(data), 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != string(data) {
		return 0, fmt.Errorf("reading the high-water mark %s: %w: it is not a number", ring+markSuffix, ErrDamaged)
	}
	return n, nil
}

// writeMark comes after the ring: in the other order, a crash in between
// would leave a mark that no ring reaches.
func writeMark(ring string, generation uint64) error {
	if err := writeFile(ring+markSuffix, []byte(strconv.FormatUint(generation, 10))); err != nil {
		return fmt.Errorf("writing the high-water mark %s: %w", ring+markSuffix, err)
	}
	return nil
}
