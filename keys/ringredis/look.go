package ringredis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// Alarms: Redis did not hold the ring that it should.
var (
	ErrLost   = errors.New("the ring was gone from Redis")
	ErrForked = errors.New("two different rings were made of one")
)

// look brings the copy and Redis in step, whichever is behind. An alarm is
// something that happened and that this or another replica has mended; an
// error means that they are not in step. It is the caller's turn.
func (s *Shared) look(ctx context.Context) (alarm, err error) {
	for range attempts {
		said, again, err := s.once(ctx)
		if alarm == nil {
			alarm = said
		}
		if err != nil && said != nil {
			return nil, fmt.Errorf("%w; mending that: %w", said, err)
		}
		if !again {
			return alarm, err
		}
	}
	return alarm, fmt.Errorf("%w, again and again", ringfile.ErrConflict)
}

// once looks once. again says that somebody else wrote in the same moment.
func (s *Shared) once(ctx context.Context) (alarm error, again bool, err error) {
	started := time.Now()
	value, err := s.link.get(ctx)
	if err != nil {
		return nil, false, err
	}
	last := s.copy.Load()
	if value == last.value {
		return nil, false, s.took(&copied{ring: last.ring, value: value, checked: started})
	}
	if value == "" {
		alarm = fmt.Errorf("%w: generation %d is written back", ErrLost, last.ring.Generation())
		again, err = s.replace(ctx, value, last.ring)
		return alarm, again, err
	}
	found, err := s.unseal(value)
	if err != nil {
		return nil, false, err
	}
	ring, alarm := judge(last.ring, found, started)
	if alarm == nil {
		return nil, false, s.took(&copied{ring: ring, value: value, checked: started})
	}
	other := found
	if ring == found {
		other = last.ring
	}
	burnt, names, err := takeOver(ring, other, started)
	if err != nil {
		return alarm, false, err
	}
	if len(names) > 0 {
		alarm = fmt.Errorf("%w; revoked again in generation %d: key %s", alarm, burnt.Generation(), list(names))
	}
	if burnt == found {
		return alarm, false, s.took(&copied{ring: found, value: value, checked: started})
	}
	again, err = s.replace(ctx, value, burnt)
	return alarm, again, err
}

// judge decides between the copy and the ring that was found, and says what
// is wrong with the other one. The copy without an alarm: they are the same.
func judge(mine, found *keys.Ring, now time.Time) (*keys.Ring, error) {
	n, m := mine.Generation(), found.Generation()
	switch {
	case m < n:
		return mine, fmt.Errorf("%w: generation %d was in Redis after %d, which is written back", ringfile.ErrRollback, m, n)
	case m > n:
		return found, forked(mine, found, now)
	}
	switch order := compare(mine, found); {
	case order > 0:
		return mine, fmt.Errorf("%w: another generation %d was in Redis and gives way to ours; lost with it: %s", ErrForked, n, list(missing(found, mine, now)))
	case order < 0:
		return found, fmt.Errorf("%w: our generation %d gave way to the one in Redis; lost with it: %s", ErrForked, n, list(missing(mine, found, now)))
	}
	return mine, nil
}

// forked reports a later ring that was not made of mine.
func forked(mine, found *keys.Ring, now time.Time) error {
	gone := missing(mine, found, now)
	if len(gone) == 0 {
		return nil
	}
	return fmt.Errorf("%w: generation %d was not made of our %d; lost: %s", ErrForked, found.Generation(), mine.Generation(), list(gone))
}

func list(names []string) string {
	if len(names) == 0 {
		return "no key"
	}
	return strings.Join(names, ", ")
}

// replace puts a ring in the place of what was found.
func (s *Shared) replace(ctx context.Context, found string, ring *keys.Ring) (again bool, err error) {
	value, err := s.seal(ring)
	if err != nil {
		return false, err
	}
	started := time.Now()
	done, err := s.link.put(ctx, found, value)
	if errors.Is(err, errOvertaken) || err == nil && !done {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	s.link.publish(ctx)
	return false, s.took(&copied{ring: ring, value: value, checked: started})
}
