package users

import (
	"context"
	"fmt"
)

// slots bounds how many hashes run and how many callers wait for their turn.
// It is a value of two channels and needs no closing.
type slots struct {
	run  chan struct{} // one element per running hash
	wait chan struct{} // one element per waiting caller
}

func newSlots(run, wait int) slots {
	return slots{make(chan struct{}, run), make(chan struct{}, wait)}
}

// do calls f in a slot. It answers ErrBusy at once when the queue is
// full, and when ctx ends before a slot is free. Once f runs it runs to its
// end: a hash cannot be interrupted.
func (s slots) do(ctx context.Context, f func()) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer func() { <-s.run }()
	f()
	return nil
}

func (s slots) enter(ctx context.Context) error {
	select {
	case s.run <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.wait <- struct{}{}:
		defer func() { <-s.wait }()
	default:
		return fmt.Errorf("waiting for a hash slot: %w", ErrBusy)
	}
	select {
	case s.run <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for a hash slot: %w: %w", ErrBusy, context.Cause(ctx))
	}
}
