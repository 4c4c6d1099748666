package authsvc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// outlet is the server of the feed: it shows one immutable view to any number
// of subscribers. What is in the view comes from a source.
type outlet struct {
	source  source
	logger  *slog.Logger
	now     func() time.Time
	patient time.Duration // with a subscriber that does not read: writeDeadline, in tests less
	name    string        // of this outlet, at random, in the tags of what it alone numbers
	desk    *desk

	view atomic.Pointer[view] // nil before there is anything to show
	mu   sync.Mutex           // held to change the view
}

// source is where an outlet has from what its view does not hold: the hub,
// which signs it, or a relay, which passes it on.
type source interface {
	// snapshot returns what one gets who holds nothing.
	snapshot() (opening, error)
	// missed returns a frame from p to the present, nil if there is nothing
	// after p, and ErrUnknownPosition where it can not.
	missed(ctx context.Context, p revocation.Position) (*frame, error)
}

// opening is a snapshot, and the number of the frame that comes after it.
type opening struct {
	snap parts
	view *view
	next uint64
}

func newOutlet(s source, subscribers int, log *slog.Logger, now func() time.Time) *outlet {
	return &outlet{source: s, logger: log, now: now, patient: writeDeadline, name: tokens.NewID().String()[:8], desk: newDesk(subscribers)}
}

// publish makes next the view. The lock is held.
func (o *outlet) publish(next *view) {
	old := o.view.Load()
	next.next = make(chan struct{})
	o.view.Store(next)
	if old != nil {
		close(old.next)
	}
}

// way is how a follower that holds a position comes to the present: missed,
// the frames again, and those of the view from next on.
type way struct {
	view   *view
	missed *frame   // from before the frames that are kept; nil: nothing
	again  []uint64 // numbers of those with entries without a place, which it may lack wherever it stands
	next   uint64
	pos    revocation.Position // after missed
}

var errNotReady = errors.New("the revocations are not known yet")

// resume finds the way from p. ErrUnknownPosition: there is none, and the way
// is that of one who is told so and goes on from now.
func (o *outlet) resume(ctx context.Context, p revocation.Position) (way, error) {
	v, now := o.view.Load(), o.now()
	if v == nil {
		return way{}, unavailable(errNotReady)
	}
	lost := way{view: v, next: v.end(), pos: v.pos}
	if next, ok := v.after(p); ok && !now.Before(v.spilt) {
		return way{view: v, next: next, pos: p, again: v.unplaced(p, next, now)}, nil
	}
	missed, err := o.source.missed(ctx, p)
	if errors.Is(err, ErrUnknownPosition) {
		return lost, err
	}
	if err != nil {
		return way{}, unavailable(fmt.Errorf("asking for what was missed: %w", err))
	}
	w := way{view: v, missed: missed, next: v.end(), pos: p}
	if missed != nil {
		w.pos = missed.pos
	}
	w.again = v.unplaced(w.pos, w.next, now)
	return w, nil
}
