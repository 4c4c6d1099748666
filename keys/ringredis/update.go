package ringredis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// Update replaces the ring by what plan makes of it, and returns the new
// one. If somebody else has changed the ring since s's copy was read, the copy
// is brought up to date and the error is ringfile.ErrConflict: of any number
// of processes that decide on the same ring one wins, the others look at the
// new ring and decide again. If plan returns the ring that it was given,
// nothing is written. An error of plan is returned as it is; plan must not use
// s itself, except for Ring and Checked.
//
// Further errors: ErrUnavailable, with nothing changed; ErrUnknown, after which
// the ring may be written or still come; ErrLost, ringfile.ErrRollback and
// ErrForked, if Redis did not hold what it should: that was mended, plan was
// not called, and a further Update starts from the ring that is there now.
// It takes at most some timeouts (Config.Timeout) and what plan takes.
func (s *Shared) Update(ctx context.Context, plan func(*keys.Ring) (*keys.Ring, error)) (*keys.Ring, error) {
	before := s.Ring()
	next, err := s.update(ctx, before, plan)
	if err != nil {
		return nil, fmt.Errorf("updating the ring %s in Redis: %w", s.namespace, err)
	}
	return next, nil
}

func (s *Shared) update(ctx context.Context, before *keys.Ring, plan func(*keys.Ring) (*keys.Ring, error)) (*keys.Ring, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := s.lookStrictly(ctx); err != nil {
		return nil, err
	}
	now := s.Ring()
	if now.Generation() != before.Generation() {
		return nil, fmt.Errorf("%w: it has generation %d, not %d", ringfile.ErrConflict, now.Generation(), before.Generation())
	}
	next, err := plan(now)
	if err != nil || next == now {
		return next, err
	}
	if next == nil || next.Generation() <= now.Generation() {
		return nil, fmt.Errorf("%w: a change must raise generation %d", ringfile.ErrRollback, now.Generation())
	}
	return next, s.write(ctx, next)
}

// Rewrap seals the ring anew under the first master key. Its generation
// stays, since nothing changes for those who use it. Errors as for Update.
func (s *Shared) Rewrap(ctx context.Context) error {
	err := s.enter(ctx)
	if err == nil {
		defer s.leave()
		err = s.lookStrictly(ctx)
	}
	if err == nil {
		err = s.write(ctx, s.Ring())
	}
	if err != nil {
		return fmt.Errorf("rewrapping the ring %s in Redis: %w", s.namespace, err)
	}
	return nil
}

// write puts the ring in the place of the copy.
func (s *Shared) write(ctx context.Context, ring *keys.Ring) error {
	value, err := s.seal(ring)
	if err != nil {
		return err
	}
	started := time.Now()
	done, err := s.link.put(ctx, s.copy.Load().value, value)
	if errors.Is(err, errOvertaken) || err == nil && !done {
		return s.beaten(ctx, ring, err)
	}
	if err != nil {
		return err
	}
	s.link.publish(ctx)
	return s.took(&copied{ring: ring, value: value, checked: started})
}

// beaten finds out by whom. unknown is set if the ring may have been written
// before: then a higher generation may have been made of it, while one of the
// same height says that it never was.
func (s *Shared) beaten(ctx context.Context, ring *keys.Ring, unknown error) error {
	if err := s.lookStrictly(ctx); err != nil {
		return err
	}
	now := s.Ring().Generation()
	if unknown != nil && now > ring.Generation() {
		return unknown
	}
	return fmt.Errorf("%w: it has generation %d", ringfile.ErrConflict, now)
}

// lookStrictly makes an error of an alarm: whoever is about to change the
// ring must know of it first.
func (s *Shared) lookStrictly(ctx context.Context) error {
	alarm, err := s.look(ctx)
	if alarm != nil {
		return alarm
	}
	return err
}
