package authsvc

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	heartbeat = time.Second
	batching  = 100 * time.Millisecond // frames closer together than this become one
)

// hub follows the Log. It keeps the revocations in memory for the service's
// own guard (it is a middleware.Trust) and publishes what it hears, signed
// once, through its outlet.
type hub struct {
	*outlet
	log    Log
	issuer string
	slack  time.Duration // see Config.slack
	most   int           // entries of one frame: revocation.MaxFrameEntries, in tests fewer

	ring  atomic.Pointer[keys.Ring]
	heard func() time.Time // Config.RingChecked
	list  *revocation.List
	asOf  atomic.Int64 // Unix milliseconds, while not live
	live  atomic.Bool  // the Log is being followed
	store snapshots

	rung chan struct{} // the ring changed
	kick chan struct{} // something waits to be flushed

	pending []revocation.Frame // what waits to be flushed; belongs to outlet.mu, as flushed does
	flushed time.Time

	subs subscriptions
}

func newHub(cfg Config, now func() time.Time) *hub {
	h := &hub{
		log:    cfg.Log,
		issuer: cfg.Issuer,
		heard:  cfg.RingChecked,
		slack:  cfg.slack(),
		most:   revocation.MaxFrameEntries,
		list:   revocation.NewList(),
		rung:   make(chan struct{}, 1),
		kick:   make(chan struct{}, 1),
	}
	h.outlet = newOutlet(h, cfg.MaxSubscribers, cfg.Logger, now)
	h.ring.Store(cfg.Ring)
	return h
}

// run follows the Log until ctx ends, and returns when every stream has ended
// and everything started here has stopped.
func (h *hub) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { h.follow(ctx) })
	wg.Go(func() { h.tick(ctx) })
	wg.Go(func() { h.announceKeys(ctx) })
	<-ctx.Done()
	h.desk.close()
	wg.Wait()
}

// follow keeps following the Log. What fails is tried again, less and less
// often; meanwhile asOf stands still.
func (h *hub) follow(ctx context.Context) {
	const shortest, longest = 100 * time.Millisecond, 5 * time.Second
	wait := shortest
	for ctx.Err() == nil {
		began := h.now()
		err := h.log.Follow(ctx, h.deliver)
		h.stall()
		if ctx.Err() != nil {
			return
		}
		if h.now().Sub(began) > longest {
			wait = shortest
		}
		h.logger.Error("following the log of revocations", "err", err, "again_in", wait)
		if !pause(ctx, wait) {
			return
		}
		wait = min(2*wait, longest)
	}
}

// pause waits, and reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// deliver takes what the Log has. When it returns, the service itself refuses
// what was revoked, and the frame is signed, or at most batching away from it.
func (h *hub) deliver(b Batch) {
	if b.Frame.Kind == revocation.Snapshot && h.view.Load() != nil { // the Log begins anew, and most of it is old
		b.Frame.Entries = h.unknown(b.Frame.Entries, h.now())
	}
	h.list.Apply(h.now(), b.Frame.Entries...)
	h.subs.tell(b.Frame.Entries)
	h.live.Store(true)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enqueue(b.Frame)
	if now := h.now(); now.Sub(h.flushed) >= batching {
		h.flush(now)
		return
	}
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// stall notes that the Log is not followed any more, and up to when it was.
func (h *hub) stall() {
	if asOf := h.AsOf(); !asOf.IsZero() {
		h.asOf.Store(asOf.UnixMilli())
	}
	h.live.Store(false)
}

// tick flushes what waits, and shows every subscriber how fresh the list is.
func (h *hub) tick(ctx context.Context) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	batch := time.NewTimer(batching)
	defer batch.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.kick:
			batch.Reset(h.untilFlush()) // not later for each that comes: the first has waited since
		case <-batch.C:
			h.locked(h.flush)
		case <-beat.C:
			h.list.Apply(h.now())
			h.store.forget(h.now())
			h.locked(h.beat)
		}
	}
}

func (h *hub) locked(f func(time.Time)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(h.now())
}

// Key implements keys.Source with the ring.
func (h *hub) Key(kid string, p keys.Purpose, now time.Time) (keys.Key, error) {
	return h.ring.Load().Key(kid, p, now)
}

// Revocations implements middleware.Trust.
func (h *hub) Revocations() *revocation.List { return h.list }

// AsOf implements middleware.Trust: what the Log says, unless it can not be
// followed.
func (h *hub) AsOf() time.Time {
	if h.live.Load() {
		return h.log.AsOf()
	}
	if ms := h.asOf.Load(); ms > 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

// Ready implements middleware.Trust.
func (h *hub) Ready() bool { return h.view.Load() != nil }

// Refresh implements middleware.Trust: the ring is always the newest there is.
func (h *hub) Refresh() {}

// Subscribe implements middleware.Trust.
func (h *hub) Subscribe(f func([]revocation.Entry)) (cancel func()) { return h.subs.add(f) }

// subscriptions are functions to call with each batch.
type subscriptions struct {
	mu   sync.Mutex
	next int
	all  map[int]func([]revocation.Entry)
}

func (s *subscriptions) add(f func([]revocation.Entry)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.next
	s.next++
	if s.all == nil {
		s.all = map[int]func([]revocation.Entry){}
	}
	s.all[id] = f
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, id)
	}
}

func (s *subscriptions) tell(entries []revocation.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.all {
		f(entries)
	}
}
