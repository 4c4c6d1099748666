package ringredis

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// silence is how long a subscription may say nothing before it is made anew.
const silence = time.Minute

// Alarm is an error of Watch that tells of something mended: Redis did not hold
// the ring that it should (ErrLost, ringfile.ErrRollback or ErrForked).
type Alarm struct{ error }

// Unwrap is for errors.Is.
func (a Alarm) Unwrap() error { return a.error }

// Watch follows the ring until ctx ends, and blocks as long: run it in a
// goroutine of your own. It calls changed with the ring at its start and with
// every new one. It calls failed (which may be nil) with each Alarm, also one
// that Open has found; and with each new fault: ErrUnavailable, a
// ring that is refused, a mark that can not be written. After a fault the copy
// stays, and Watch goes on; a fault that comes back after it went is a new
// one. Both are called from one goroutine. It returns nil when ctx ends.
func (s *Shared) Watch(ctx context.Context, changed func(*keys.Ring), failed func(error)) error {
	wake := make(chan struct{}, 1)
	var listening sync.WaitGroup
	listening.Go(func() { s.listen(ctx, wake) })
	defer listening.Wait()
	t := &teller{changed: changed, failed: failed}
	t.alarm(s.alarm)
	for {
		t.tell(ctx, s)
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-time.After(jittered(s.poll)):
		}
	}
}

// jittered keeps replicas that started together from looking together.
func jittered(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2+1)
}

// listen passes on that a message came, until ctx ends.
func (s *Shared) listen(ctx context.Context, wake chan<- struct{}) {
	for ctx.Err() == nil {
		s.hear(ctx, wake)
		select {
		case <-ctx.Done():
		case <-time.After(jittered(s.poll)):
		}
	}
}

// hear makes one subscription and keeps it while it works. Nothing is lost
// when it breaks, since Watch looks by itself.
func (s *Shared) hear(ctx context.Context, wake chan<- struct{}) {
	sub := s.link.client.Subscribe(ctx) // to nothing yet: no I/O
	defer sub.Close()
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })() // ends a wait for messages
	brief, cancel := context.WithTimeout(ctx, s.link.timeout)
	err := sub.Subscribe(brief, s.link.key)
	cancel()
	for err == nil {
		var message any
		if message, err = sub.ReceiveTimeout(ctx, silence); err != nil {
			return
		}
		if _, ok := message.(*redis.Message); !ok {
			continue
		}
		select {
		case wake <- struct{}{}:
		default: // it is awake
		}
	}
}

// teller passes on what is new.
type teller struct {
	changed func(*keys.Ring)
	failed  func(error)
	ring    *keys.Ring
	fault   string
}

// tell looks, and reports an alarm, a fault or a ring that was not reported
// yet.
func (t *teller) tell(ctx context.Context, s *Shared) {
	if s.enter(ctx) != nil {
		return
	}
	alarm, err := s.look(ctx)
	s.leave()
	if ctx.Err() != nil {
		err = nil // that is no fault of Redis
	}
	t.alarm(alarm)
	if kind := kindOf(err); kind != t.fault {
		t.fault = kind
		t.fail(err)
	}
	if ring := s.Ring(); ring != t.ring {
		t.ring = ring
		t.changed(ring)
	}
}

func (t *teller) alarm(err error) {
	if err != nil {
		t.fail(Alarm{err})
	}
}

func (t *teller) fail(err error) {
	if err != nil && t.failed != nil {
		t.failed(err)
	}
}

// kindOf tells faults apart: by their text, but where that is another one
// each time (a temporary file, a port of ours) by what the system said, or by
// what was being mended, or what Redis answered, if it did.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	if !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrUnknown) {
		var file *fs.PathError
		if errors.As(err, &file) {
			return file.Err.Error()
		}
		return err.Error()
	}
	for _, alarm := range []error{ErrLost, ErrForked, ringfile.ErrRollback} {
		if errors.Is(err, alarm) {
			return alarm.Error()
		}
	}
	var reply redis.Error
	if errors.As(err, &reply) {
		code, _, _ := strings.Cut(reply.Error(), " ")
		return code
	}
	return "no answer"
}
