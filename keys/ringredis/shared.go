package ringredis

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// Shared is a ring in Redis with a copy of it in memory. Its methods may be
// called by any number of goroutines; they are those of *ringfile.File.
type Shared struct {
	box
	link *link
	mark ringfile.Mark
	poll time.Duration

	turn   chan struct{} // one look or change at a time, so that the copy never goes back
	marked uint64        // what the mark says; belongs to whose turn it is
	copy   atomic.Pointer[copied]
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
		mark: ringfile.Mark(cfg.MarkPath),
		poll: cmp.Or(cfg.Poll, DefaultPoll),
		turn: make(chan struct{}, 1),
	}, nil
}

// Create writes a first ring. What is there is never replaced (fs.ErrExist).
// ringfile.ErrRollback means that the mark tells of a ring that was here
// before: let a replica that has it write it back. ErrUnknown: Redis did not
// answer, and the ring may or may not be there; calling again with the same
// ring then answers fs.ErrExist if it is.
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
	if err := s.readMark(); err != nil {
		return err
	}
	if s.marked > 0 && s.marked >= ring.Generation() {
		return fmt.Errorf("%w: generation %d was here", ringfile.ErrRollback, s.marked)
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

// Open reads the ring. Errors: ErrConfig, ErrUnavailable, fs.ErrNotExist,
// ringfile.ErrRollback (the ring is older than the mark), ringfile.ErrDamaged,
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

func (s *Shared) read(ctx context.Context) error {
	// The mark first: a ring that is written in between is newer than it.
	if err := s.readMark(); err != nil {
		return err
	}
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
	if ring.Generation() < s.marked {
		return fmt.Errorf("%w: generation %d after %d", ringfile.ErrRollback, ring.Generation(), s.marked)
	}
	return s.took(&copied{ring: ring, value: value, checked: started})
}

// Ring returns the copy in memory: the newest ring that was read or written
// through s. It never blocks.
func (s *Shared) Ring() *keys.Ring { return s.copy.Load().ring }

// Checked is when the copy was last found to be what Redis holds. A replica
// must neither sign nor serve keys from a copy that is older than the plan's
// lease (K3 of package keys).
func (s *Shared) Checked() time.Time { return s.copy.Load().checked }

// took makes c the copy, and tells the mark.
func (s *Shared) took(c *copied) error {
	s.copy.Store(c)
	if s.mark == "" || c.ring.Generation() <= s.marked {
		return nil
	}
	if err := s.mark.Write(c.ring.Generation()); err != nil {
		return err
	}
	s.marked = c.ring.Generation()
	return nil
}

func (s *Shared) readMark() (err error) {
	if s.mark != "" {
		s.marked, err = s.mark.Read()
	}
	return err
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
