package ringredis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// Shared is a ring in Redis with a copy of it in memory. Its methods may be
// called by any number of goroutines; they are those of *ringfile.File.
type Shared struct {
	box
	link *link
	poll time.Duration

	turn chan struct{} // one look or change at a time, so that the copy never goes back
	keep keep
	copy atomic.Pointer[copied]

	alarm, fault error // found by Open
}

// copied is what is known of the ring in Redis. It never changes.
type copied struct {
	ring    *keys.Ring
	value   string // which holds it
	checked time.Time
}

func newShared(cfg Config) (*Shared, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Shared{
		box:  box{cfg.Namespace, append([]ringfile.MasterKey{cfg.Master}, cfg.Previous...)},
		link: newLink(cfg.Client, cfg.Namespace, cmp.Or(cfg.Timeout, DefaultTimeout)),
		keep: keep{file: ringfile.Copy(cfg.CopyPath)},
		poll: cmp.Or(cfg.Poll, DefaultPoll),
		turn: make(chan struct{}, 1),
	}, nil
}

// Create writes a first ring. What is there is never replaced (fs.ErrExist).
// ringfile.ErrRollback means that the file of Config.CopyPath tells of a ring
// that was here before: Open writes that back. ErrUnknown: Redis did not answer,
// and the ring may or may not be there; calling again with the same ring then
// answers fs.ErrExist if it is.
func Create(ctx context.Context, cfg Config, ring *keys.Ring) error {
	s, err := newShared(cfg)
	if err == nil {
		err = s.create(ctx, ring)
	}
	if err != nil {
		return fmt.Errorf("creating the ring %s in Redis: %w", cfg.Namespace, err)
	}
	return nil
}

func (s *Shared) create(ctx context.Context, ring *keys.Ring) error {
	_, seen, err := s.keep.read(&s.box)
	if err != nil {
		return err
	}
	if seen >= ring.Generation() {
		return fmt.Errorf("%w: generation %d was here", ringfile.ErrRollback, seen)
	}
	value, err := s.seal(ring)
	if err != nil {
		return err
	}
	done, err := s.link.put(ctx, "", value)
	if err != nil {
		return err
	}
	if !done {
		return fs.ErrExist
	}
	s.link.publish(ctx)
	return s.took(&copied{ring: ring, value: value, checked: time.Now()})
}

// Open reads the ring. If Config.CopyPath names a copy, Open goes on from there
// as if the process had never ended: it writes back what Redis has lost, and
// takes the copy, as old as that is, where Redis does not answer (Found tells).
// Errors: ErrConfig, ErrUnavailable, fs.ErrNotExist, ringfile.ErrRollback (the
// ring is older than a copy that can not be opened), ringfile.ErrDamaged,
// ErrMasterKey and ErrNamespace, or those of keys.ParseRing.
func Open(ctx context.Context, cfg Config) (*Shared, error) {
	s, err := newShared(cfg)
	if err == nil {
		err = s.read(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the ring %s in Redis: %w", cfg.Namespace, err)
	}
	return s, nil
}

// Peek tells the generation of the ring that Redis holds under the namespace,
// without the means to open it; zero if there is none. Errors: ErrConfig,
// ErrUnavailable, ringfile.ErrDamaged.
func Peek(ctx context.Context, client redis.UniversalClient, namespace string) (uint64, error) {
	generation, err := peek(ctx, client, namespace)
	if err != nil {
		return 0, fmt.Errorf("looking for the ring %s in Redis: %w", namespace, err)
	}
	return generation, nil
}

func peek(ctx context.Context, client redis.UniversalClient, namespace string) (uint64, error) {
	if err := checkRoom(client, namespace); err != nil {
		return 0, err
	}
	value, err := newLink(client, namespace, DefaultTimeout).get(ctx)
	if err != nil || value == "" {
		return 0, err
	}
	number, _, err := split(value)
	return number, err
}

func (s *Shared) read(ctx context.Context) error {
	// The file first: a ring that is written in between is newer than it.
	last, floor, err := s.keep.read(&s.box)
	if err != nil {
		return err
	}
	if last == nil {
		return s.readFirst(ctx, floor)
	}
	s.copy.Store(last)
	s.alarm, err = s.look(ctx)
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnknown) {
		s.fault = err
		return nil
	}
	return err
}

// readFirst reads a ring of which no copy can be opened here.
func (s *Shared) readFirst(ctx context.Context, floor uint64) error {
	started := time.Now()
	value, err := s.link.get(ctx)
	if err != nil {
		return err
	}
	if value == "" {
		return fs.ErrNotExist
	}
	ring, err := s.unseal(value)
	if err != nil {
		return err
	}
	if ring.Generation() < floor {
		return fmt.Errorf("%w: generation %d after %d, of which %s is a copy under another master key", ringfile.ErrRollback, ring.Generation(), floor, s.keep.file)
	}
	return s.took(&copied{ring: ring, value: value, checked: started})
}

// Found tells what Open found amiss: an alarm (ErrLost, ringfile.ErrRollback,
// ErrForked), which is mended and which Watch tells too, or why the ring is
// nothing but the copy on disk (ErrUnavailable, ErrUnknown). Nil: nothing.
func (s *Shared) Found() error {
	if s.alarm != nil {
		return s.alarm
	}
	return s.fault
}

// Ring returns the copy in memory: the newest ring that was read or written
// through s. It never blocks.
func (s *Shared) Ring() *keys.Ring { return s.copy.Load().ring }

// Checked is when the copy was last found to be what Redis holds. A replica
// must neither sign nor serve keys from a copy that is older than the plan's
// lease (K3 of package keys).
func (s *Shared) Checked() time.Time { return s.copy.Load().checked }

// took makes c the copy, here and on disk.
func (s *Shared) took(c *copied) error {
	s.copy.Store(c)
	return s.keep.tell(c)
}

// enter waits for the turn; leave gives it on.
func (s *Shared) enter(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Shared) leave() { <-s.turn }
