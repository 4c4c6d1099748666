package ringfile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/sealring-dev/sealring/keys"
)

// Errors of a ring file.
var (
	ErrConflict = errors.New("the ring was changed by somebody else meanwhile")
	ErrRollback = errors.New("the ring is older than one that was seen before")
)

// lockPause is how long a writer waits before it asks for the lock again.
const lockPause = 10 * time.Millisecond

// File is a ring on disk with a copy of it in memory. Its methods may be
// called by any number of goroutines.
type File struct {
	path    string
	masters []MasterKey // the first seals, all open

	mu   sync.Mutex // one load at a time, so that the copy never goes back
	copy atomic.Pointer[copied]
}

// copied is what is known of the file. It never changes.
type copied struct {
	ring    *keys.Ring
	sealed  [sha256.Size]byte // of the file's content
	checked time.Time
}

// Create writes a first ring. An existing file is never replaced
// (fs.ErrExist). ErrRollback means that a mark of this generation or a higher
// one lies there: a ring was here before, and is lost.
func Create(path string, master MasterKey, ring *keys.Ring) error {
	f := &File{path: path, masters: []MasterKey{master}}
	err := f.locked(context.Background(), func() error {
		switch _, err := os.Lstat(path); {
		case err == nil:
			return fs.ErrExist
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		mark, err := markOf(path).read()
		if err != nil {
			return err
		}
		if ring.Generation() <= mark { // of the same height it is still another ring
			return fmt.Errorf("%w: generation %d was here", ErrRollback, mark)
		}
		return f.write(ring)
	})
	if err != nil {
		return fmt.Errorf("creating the ring %s: %w", path, err)
	}
	return nil
}

// Open reads the ring. It is opened with the master key or any of the
// previous ones and is always written under the first: to change the master
// key, add the new one as previous everywhere, then put it first, then Rewrap,
// then drop the old one.
//
// Errors name the file and what is wrong with it: fs.ErrNotExist, ErrUnsafe,
// ErrDamaged, ErrMasterKey, ErrRollback, or those of keys.ParseRing.
func Open(path string, master MasterKey, previous ...MasterKey) (*File, error) {
	f := &File{path: path, masters: append([]MasterKey{master}, previous...)}
	if err := f.load(); err != nil {
		return nil, err
	}
	return f, nil
}

// Ring returns the copy in memory: the newest ring that was read or written
// through f. It never blocks.
func (f *File) Ring() *keys.Ring { return f.copy.Load().ring }

// Checked is when the copy was last found to be what is on disk. A replica
// must neither sign nor serve keys from a copy that is older than the plan's
// lease (K3 of package keys).
func (f *File) Checked() time.Time { return f.copy.Load().checked }

// Update replaces the ring by what plan makes of it, and returns the new
// one. If somebody else has changed the file since f's copy was read, plan is
// not called, the copy is brought up to date and the error is ErrConflict: of
// any number of processes that decide on the same ring one wins, the others
// look at the new ring and decide again. If plan returns the ring that it was
// given, nothing is written. An error of plan is returned as it is.
//
// It waits for the lock until ctx ends. When it returns without an error, the
// ring is on disk and survives a power cut.
func (f *File) Update(ctx context.Context, plan func(*keys.Ring) (*keys.Ring, error)) (*keys.Ring, error) {
	before := f.Ring()
	err := f.locked(ctx, func() error {
		if err := f.load(); err != nil {
			return err
		}
		now := f.Ring()
		if now.Generation() != before.Generation() {
			return fmt.Errorf("%w: it has generation %d, not %d", ErrConflict, now.Generation(), before.Generation())
		}
		next, err := plan(now)
		if err != nil || next == now {
			return err
		}
		if next == nil || next.Generation() <= now.Generation() {
			return fmt.Errorf("%w: a change must raise generation %d", ErrRollback, now.Generation())
		}
		return f.write(next)
	})
	if err != nil {
		return nil, fmt.Errorf("updating the ring %s: %w", f.path, err)
	}
	return f.Ring(), nil
}

// Rewrap seals the ring anew under the first master key. Its generation
// stays, since nothing changes for those who use it.
func (f *File) Rewrap(ctx context.Context) error {
	err := f.locked(ctx, func() error {
		if err := f.load(); err != nil {
			return err
		}
		return f.write(f.Ring())
	})
	if err != nil {
		return fmt.Errorf("rewrapping the ring %s: %w", f.path, err)
	}
	return nil
}

// load reads the file and takes it over if it is good; else the copy stays.
func (f *File) load() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.reload(); err != nil {
		return fmt.Errorf("reading the ring %s: %w", f.path, err)
	}
	return nil
}

func (f *File) reload() error {
	// The mark first: a ring that is written in between is newer than it.
	mark, err := markOf(f.path).read()
	if err != nil {
		return err
	}
	started := time.Now()
	data, err := readFile(f.path, MaxBytes)
	if err != nil {
		return err
	}
	next := &copied{sealed: sha256.Sum256(data), checked: started}
	last := f.copy.Load()
	if last != nil && last.sealed == next.sealed {
		next.ring = last.ring
	} else if next.ring, err = Unseal(data, f.masters...); err != nil {
		return err
	}
	if next.ring, err = admit(next.ring, last, mark); err != nil {
		return err
	}
	f.copy.Store(next)
	return nil
}

// admit refuses a ring that is older than the copy or the mark, and one that
// differs from the copy under the same generation. It returns the copy where
// that is the same ring.
func admit(next *keys.Ring, last *copied, mark uint64) (*keys.Ring, error) {
	switch {
	case next.Generation() < mark:
		return nil, fmt.Errorf("%w: generation %d after %d", ErrRollback, next.Generation(), mark)
	case last == nil || next.Generation() > last.ring.Generation():
		return next, nil
	case next.Generation() < last.ring.Generation():
		return nil, fmt.Errorf("%w: generation %d after %d", ErrRollback, next.Generation(), last.ring.Generation())
	case !same(next, last.ring):
		return nil, fmt.Errorf("%w: it is another ring of generation %d", ErrRollback, next.Generation())
	}
	return last.ring, nil
}

func same(a, b *keys.Ring) bool {
	if a == b {
		return true
	}
	x, err := a.MarshalJSON()
	y, err2 := b.MarshalJSON()
	return err == nil && err2 == nil && bytes.Equal(x, y)
}

// write seals the ring, makes sure that it can be read again, and puts it on
// disk. The caller holds the lock.
func (f *File) write(ring *keys.Ring) error {
	sealed, err := Seal(ring, f.masters[0])
	if err != nil {
		return err
	}
	if _, err := Unseal(sealed, f.masters[0]); err != nil {
		return fmt.Errorf("reading back what would be written: %w", err)
	}
	if err := writeFile(f.path, sealed); err != nil {
		return err
	}
	f.mu.Lock()
	f.copy.Store(&copied{ring: ring, sealed: sha256.Sum256(sealed), checked: time.Now()})
	f.mu.Unlock()
	return markOf(f.path).write(ring.Generation())
}

// locked runs do as the only writer among all processes.
func (f *File) locked(ctx context.Context, do func() error) error {
	if f.masters[0].hidden == nil {
		return fmt.Errorf("%w: none is given", ErrMasterKey)
	}
	unlock, err := lockBeside(ctx, f.path)
	if err != nil {
		return err
	}
	defer unlock()
	sweep(f.path)
	return do()
}

// lockBeside takes the lock of a file, which is a file beside it.
func lockBeside(ctx context.Context, path string) (unlock func() error, err error) {
	// O_NONBLOCK: opening a pipe must not wait for its other end, whatever ctx says.
	lock := flock.New(path+lockSuffix,
		flock.SetFlag(os.O_CREATE|os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK), flock.SetPermissions(perm))
	if _, err := lock.TryLockContext(ctx, lockPause); err != nil {
		return nil, fmt.Errorf("locking %s: %w", path+lockSuffix, err)
	}
	return lock.Close, nil
}
