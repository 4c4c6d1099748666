package users

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
)

const (
	maxFile   = 64 << 20              // bytes; some 200,000 users
	lockRetry = 20 * time.Millisecond // how often a held lock is tried again
)

// file keeps a document of type T in memory and on disk. T is an immutable
// value whose zero stands for a file that is not there yet.
type file[T any] struct {
	path  string
	log   *slog.Logger
	parse func([]byte) (T, error)
	show  func(T) any // what is written as JSON

	replaced func(old, now T) // hears of each copy that takes the place of another; may be nil

	reading sync.Mutex // one reader of a changed file at a time
	current atomic.Pointer[copyOf[T]]
}

// copyOf is a document with the stamp of the file it was read from. After a
// damaged file it is the old document with the stamp of the damaged one, so
// that the same damage is read and logged once.
type copyOf[T any] struct {
	stamp fs.FileInfo // nil: no file
	value T
}

func openFile[T any](path string, log *slog.Logger, parse func([]byte) (T, error), show func(T) any) (*file[T], error) {
	f := &file[T]{path: path, log: log, parse: parse, show: show}
	c, err := f.read()
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	f.current.Store(c)
	return f, nil
}

// get returns the document as it is on disk now, or the last good one.
func (f *file[T]) get() T {
	c := f.current.Load()
	if info, _ := os.Stat(f.path); sameFile(info, c.stamp) {
		return c.value
	}
	f.reading.Lock()
	defer f.reading.Unlock()
	return f.refresh().value
}

// refresh reads the file again if it has changed. The caller holds reading.
func (f *file[T]) refresh() *copyOf[T] {
	old := f.current.Load()
	info, _ := os.Stat(f.path)
	if sameFile(info, old.stamp) {
		return old
	}
	c, err := f.read()
	if err == nil && c.stamp == nil {
		err = fs.ErrNotExist // there was one before: somebody is half-way through replacing it
	}
	if err != nil {
		f.log.Error("user or client file not taken over; going on with the last good copy", "file", f.path, "err", err)
		c = &copyOf[T]{info, old.value}
	}
	f.current.Store(c)
	if err == nil && f.replaced != nil {
		f.replaced(old.value, c.value) // now that everybody gets the new one
	}
	return c
}

// sameFile compares everything that a change of content or of permissions
// shows in, atomic replacement included.
func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.Mode() == b.Mode() && a.ModTime().Equal(b.ModTime())
}

// read reads the file from disk. The stamp is taken before the content, so
// that a change in between is noticed by the next get.
func (f *file[T]) read() (*copyOf[T], error) {
	r, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return &copyOf[T]{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkMode(info); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%w: larger than %d MiB", ErrDamaged, maxFile>>20)
	}
	value, err := f.parse(raw)
	if err != nil {
		return nil, err
	}
	return &copyOf[T]{info, value}, nil
}

func checkMode(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: not a regular file", ErrDamaged)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%w (mode %04o): chmod 600 %s", ErrPermissions, info.Mode().Perm(), info.Name())
	}
	return nil
}

// update changes the file: lock, read, change, replace. A damaged file is
// never written over. When change returns an error nothing is written.
func (f *file[T]) update(ctx context.Context, change func(T) (T, error)) error {
	lock := flock.New(f.path+".lock", flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return fmt.Errorf("locking %s: %w", f.path, err)
	}
	defer lock.Close()
	c, err := f.read()
	if err != nil {
		return fmt.Errorf("reading %s: %w", f.path, err)
	}
	next, err := change(c.value)
	if err != nil {
		return err
	}
	if err := f.write(next); err != nil {
		return fmt.Errorf("writing %s: %w", f.path, err)
	}
	f.reading.Lock()
	defer f.reading.Unlock()
	f.refresh()
	return nil
}

func (f *file[T]) write(value T) error {
	raw, err := json.MarshalIndent(f.show(value), "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(f.path, append(raw, '\n'), 0o600, renameio.WithStaticPermissions(0o600)); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(f.path))
}

// syncFolder makes the rename itself survive a power cut.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// decodeStrict reads exactly one JSON value without unknown members.
func decodeStrict(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: something follows the document", ErrDamaged)
	}
	return nil
}
