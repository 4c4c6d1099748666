package ringfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// maxCopy is the largest copy: a sealed ring and what may stand before it.
const maxCopy = MaxBytes + 64

// Copy is the path of a file in which a process keeps what it last saw of a
// ring that lives elsewhere, sealed as it is there. It is a file of its owner
// alone, as a ring is; the processes of one machine may share it.
type Copy string

// Read returns the content, and when it was last known to be that of the ring;
// nil if there is none. Errors name the file: ErrUnsafe, ErrDamaged, or those
// of reading.
func (c Copy) Read() (data []byte, known time.Time, err error) {
	info, err := os.Lstat(string(c)) // the time first: what is written in between is newer
	if err == nil {
		data, err = readFile(string(c), maxCopy)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, known, nil
	case err != nil:
		return nil, known, fmt.Errorf("reading the copy %s: %w", c, err)
	}
	return data, info.ModTime(), nil
}

// Write replaces the content, durably and atomically, if it gives way: nobody
// else writes in between. It waits for others until ctx ends.
func (c Copy) Write(ctx context.Context, data []byte, givesWay func(old []byte) bool) error {
	unlock, err := lockBeside(ctx, string(c))
	if err != nil {
		return err
	}
	defer unlock()
	sweep(string(c))
	if old, err := readFile(string(c), maxCopy); err == nil && !givesWay(old) {
		return nil
	}
	if err := writeFile(string(c), data); err != nil {
		return fmt.Errorf("writing the copy %s: %w", c, err)
	}
	return nil
}

// Touch says that the content was that of the ring at t.
func (c Copy) Touch(t time.Time) error {
	if err := os.Chtimes(string(c), t, t); err != nil {
		return fmt.Errorf("touching the copy: %w", err)
	}
	return nil
}
