package boltstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
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
	return s.decide(ctx, p, s.step)
}

// Now implements authsvc.Sessions.
func (s *Store) Now() time.Time { return s.now() }

// Settle implements authsvc.Sessions.
func (s *Store) Settle(ctx context.Context, p authsvc.Presentation, granted time.Time) (authsvc.Outcome, error) {
	if err := p.Validate(); err != nil {
		return authsvc.Outcome{}, fmt.Errorf("settling: %w", err)
	}
	return s.decide(ctx, p, func(tx *bolt.Tx, p authsvc.Presentation, _ time.Time) (old, next authsvc.State, out authsvc.Outcome, err error) {
		if old, err = s.state(tx, p.SessionID); err == nil {
			next, out = authsvc.Settle(old, p, granted.UnixMilli())
		}
		return old, next, out, err
	})
}

// judge judges a presentation by what the file holds.
type judge func(tx *bolt.Tx, p authsvc.Presentation, now time.Time) (old, next authsvc.State, out authsvc.Outcome, err error)

// decide judges within the transaction that writes. Once that is under way the
// end of ctx does not stop it.
func (s *Store) decide(ctx context.Context, p authsvc.Presentation, by judge) (authsvc.Outcome, error) {
	decided := make(chan authsvc.Outcome, 1)
	err := s.submit(ctx, func(c *change) error { return s.write(c, p, by, decided) })
	switch {
	case errors.Is(err, authsvc.ErrStoreClosed):
		return authsvc.Outcome{}, err
	case err != nil: // not even a failed sync says that nothing was written
		return authsvc.Outcome{}, fmt.Errorf("%w: %w", authsvc.ErrUnanswered, err)
	}
	return <-decided, nil
}

// write keeps what was decided.
func (s *Store) write(c *change, p authsvc.Presentation, by judge, decided chan<- authsvc.Outcome) error {
	old, next, out, err := by(c.tx, p, c.now)
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

// state is what the file holds of a session.
func (s *Store) state(tx *bolt.Tx, sid tokens.ID) (authsvc.State, error) {
	st, err := getState(tx, sid[:])
	if err != nil {
		return st, err
	}
	dead, _, ok, err := getEntry(tx, targetKey(revocation.Target{Type: revocation.Session, ID: sid}))
	if ok {
		st.Known, st.Dead = true, dead
	}
	return st, err
}

func (s *Store) step(tx *bolt.Tx, p authsvc.Presentation, now time.Time) (old, next authsvc.State, out authsvc.Outcome, err error) {
	if old, err = s.state(tx, p.SessionID); err != nil {
		return old, next, out, err
	}
	next, out = authsvc.Step(old, p, authsvc.Params{Born: s.meta.born, Adopt: s.adopt}, now.UnixMilli())
	return old, next, out, nil
}

// endSeconds rounds up: a state never goes before its session.
func endSeconds(t time.Time) uint32 {
	return uint32(min(max(t.Unix()+1, 0), math.MaxUint32))
}
