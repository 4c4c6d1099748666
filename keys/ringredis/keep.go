package ringredis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

const (
	// keepPatience is how long the file is waited for while others write it.
	keepPatience = 5 * time.Second
	// touchesPerLease is how often within a lease the file is told that its
	// ring is still the one in Redis.
	touchesPerLease = 24
)

// keep is the copy on this machine's disk. It belongs to whose turn it is.
type keep struct {
	file  ringfile.Copy // "": there is none
	value string        // what the file held when we last looked
	known time.Time     // and when that was last in Redis
}

// read returns the copy; nil if there is none, or if it is sealed under a
// master key that is not known here. Then floor is what no ring may be below.
func (k *keep) read(b *box) (last *copied, floor uint64, err error) {
	if k.file == "" {
		return nil, 0, nil
	}
	data, known, err := k.file.Read()
	if err != nil || data == nil {
		return nil, 0, err
	}
	k.value, k.known = string(data), known
	ring, err := b.unseal(k.value)
	switch {
	case errors.Is(err, ringfile.ErrMasterKey):
		floor, _, err = split(k.value)
		return nil, floor, err
	case err != nil:
		return nil, 0, fmt.Errorf("reading the copy %s: %w", k.file, err)
	}
	return &copied{ring: ring, value: k.value, checked: past(known, ring.Plan(), time.Now())}, ring.Generation(), nil
}

// past is when a copy was known to be good by the clock of today. A time that
// is still to come says nothing, unless clocks differ by so little.
func past(known time.Time, plan keys.Plan, now time.Time) time.Time {
	switch {
	case known.After(now.Add(plan.Skew)):
		return time.Time{}
	case known.After(now):
		return now
	}
	return known
}

// tell writes what is newer than the file, or tells it that it is not old.
func (k *keep) tell(c *copied) error {
	if k.file == "" {
		return nil
	}
	if k.value != c.value {
		// Whoever has made the ring may have stopped waiting; the file is told.
		ctx, cancel := context.WithTimeout(context.Background(), keepPatience)
		defer cancel()
		if err := k.file.Write(ctx, []byte(c.value), c.follows); err != nil {
			return err
		}
		k.value = c.value
	} else if c.checked.Sub(k.known) < c.ring.Plan().Lease/touchesPerLease {
		return nil
	}
	if err := k.file.Touch(c.checked); err != nil {
		return err
	}
	k.known = c.checked
	return nil
}

// follows reports whether c is at least as new as a value, for all that can be
// told without opening that.
func (c *copied) follows(old []byte) bool {
	generation, _, err := split(string(old))
	return err != nil || generation <= c.ring.Generation()
}
