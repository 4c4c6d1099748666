package issuer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	minBackoff = 500 * time.Millisecond
	maxBackoff = 30 * time.Second
	maxWindow  = 60 * time.Second // the longest pause that an issuer may ask for
)

// follow does all there is to do, again and again, until ctx ends.
func (f *Follower) follow(ctx context.Context) {
	var retry backoff
	for ctx.Err() == nil {
		err := f.documents(ctx)
		switch {
		case err != nil:
		case f.hasClient():
			err = f.feed(ctx)
		default:
			err = f.outlive(ctx)
		}
		if ctx.Err() == nil {
			wait := f.ended(err, &retry)
			f.list.Apply(time.Now()) // without a heartbeat nothing else lets go of what has expired
			f.pause(ctx, wait)
		}
	}
	f.update((*state).disconnect)
}

// pause waits, but not over the age of the key set: a feed that is away must
// not keep a key alive that the issuer has taken out of its set.
func (f *Follower) pause(ctx context.Context, d time.Duration) {
	end := time.Now().Add(d)
	s := f.state.Load()
	due := s.setAt.Add(s.setMaxAge)
	if s.set != nil && time.Now().Before(due) && due.Before(end) {
		sleep(ctx, time.Until(due))
		if err := f.documents(ctx); err != nil {
			f.log.Debug("fetching the key set at its age", "fault", err.Error())
		}
	}
	sleep(ctx, time.Until(end))
}

// outlive waits until the key set has reached its age: all there is to do
// without a feed.
func (f *Follower) outlive(ctx context.Context) error {
	s := f.state.Load()
	if s.fault != nil {
		f.log.Info("issuer reached again")
		f.update(func(s *state) { s.fault = nil })
	}
	sleep(ctx, time.Until(s.setAt.Add(s.setMaxAge)))
	return nil
}

// ended notes that, and why, a round has ended, and returns how long to wait
// before the next. Only the first failure in a row is worth a warning.
func (f *Follower) ended(err error, retry *backoff) time.Duration {
	if err == nil {
		retry.reset()
		return 0
	}
	s := f.state.Load()
	if s.live {
		retry.reset()
	}
	f.update(func(s *state) {
		s.disconnect()
		s.fault = err
	})
	var ask *pauseError
	if errors.As(err, &ask) {
		f.log.Info("issuer asks to reconnect", "cause", err.Error())
		return jitter(ask.window)
	}
	switch {
	case s.fault != nil:
		f.log.Debug("issuer still away", "fault", err.Error())
	case s.set == nil:
		f.log.Warn("issuer not reached yet; nothing can be verified", "fault", err.Error())
	default:
		f.log.Warn("issuer lost; what is known goes on to be used", "fault", err.Error())
	}
	return max(retry.next(), asked(err))
}

// disconnect is what the end of a connection changes. Up to then the feed, if
// it spoke of keys, has kept the set fresh.
func (s *state) disconnect() {
	if s.kept {
		s.setAt = time.Now()
	}
	s.live, s.kept = false, false
}

// asked is the pause that an HTTP answer demands.
func asked(err error) time.Duration {
	var status *statusError
	if errors.As(err, &status) {
		return status.after
	}
	return 0
}

// pauseError is the issuer's wish that the connection be made again, at some
// time within a window.
type pauseError struct {
	event  string
	window time.Duration
}

func (e *pauseError) Error() string {
	return fmt.Sprintf("%s within %v", e.event, e.window)
}

// backoff is full jitter under a bound that doubles: the first pause is at
// most minBackoff.
type backoff struct{ bound time.Duration }

func (b *backoff) reset() { b.bound = 0 }

func (b *backoff) next() time.Duration {
	b.bound = min(max(2*b.bound, minBackoff), maxBackoff)
	return jitter(b.bound)
}

// jitter is a random time from zero to d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d + 1)
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
