package boltstore

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens/revocation"
	bolt "go.etcd.io/bbolt"
)

// Present implements authsvc.Sessions. What leaves the state as it is, such
// as the answers to all but the first of many tabs, costs no write.
func (s *Store) Present(ctx context.Context, p authsvc.Presentation) (authsvc.Outcome, error) {
	var out authsvc.Outcome
	if err := p.Validate(); err != nil {
		return out, fmt.Errorf("presenting: %w", err)
	}
	writes := false
	err := s.view(ctx, func(tx *bolt.Tx) (err error) {
		var old, next authsvc.State
		old, next, out, err = s.step(tx, p, s.now())
		writes = old != next
		return err
	})
	if err != nil || !writes {
		return out, err
	}
	decided := make(chan authsvc.Outcome, 1)
	if err := s.submit(ctx, func(c *change) error { return s.present(c, p, decided) }); err != nil {
		return authsvc.Outcome{}, err
	}
	return <-decided, nil
}

// present decides anew, within the transaction that writes.
func (s *Store) present(c *change, p authsvc.Presentation, decided chan<- authsvc.Outcome) error {
	old, next, out, err := s.step(c.tx, p, c.now)
	if err != nil {
		return err
	}
	decided <- out
	switch {
	case old == next:
		return nil
	case next.Dead.Type != 0: // theft: its entry is the tombstone
		return c.append(next.Dead)
	}
	c.dirty = true
	return putState(c.tx, p.SessionID[:], next, endSeconds(p.SessionEnd))
}

func (s *Store) step(tx *bolt.Tx, p authsvc.Presentation, now time.Time) (old, next authsvc.State, out authsvc.Outcome, err error) {
	if old, err = getState(tx, p.SessionID[:]); err != nil {
		return old, next, out, err
	}
	dead, _, ok, err := getEntry(tx, targetKey(revocation.Target{Type: revocation.Session, ID: p.SessionID}))
	if err != nil {
		return old, next, out, err
	}
	if ok {
		old.Known, old.Dead = true, dead
	}
	next, out = authsvc.Step(old, p, authsvc.Params{Born: s.meta.born, Adopt: s.adopt}, now.UnixMilli())
	return old, next, out, nil
}

// endSeconds rounds up: a state never goes before its session.
func endSeconds(t time.Time) uint32 {
	return uint32(min(max(t.Unix()+1, 0), math.MaxUint32))
}
