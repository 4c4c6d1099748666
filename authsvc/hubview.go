package authsvc

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// maxMerged is how many entries frames are merged up to.
const maxMerged = 100_000

// enqueue adds what the Log delivered to what waits to be published. Entries
// without a place stay in frames of their own: whoever is past their position
// must be able to get them without the rest. The lock is held.
func (h *hub) enqueue(f revocation.Frame) {
	v := h.view.Load()
	if v == nil {
		h.publish(h.withKeys(&view{pos: f.Pos, base: f.Pos}, h.now()))
		return
	}
	if f.Kind == revocation.Snapshot {
		if f = rebased(f, h.last(v)); !hasPlace(&f) && len(f.Entries) == 0 {
			return
		}
	}
	if n := len(h.pending) - 1; n >= 0 && mergeable(&h.pending[n], &f) {
		h.pending[n] = merged(h.pending[n], f)
		return
	}
	h.pending = append(h.pending, f)
}

// mergeable: a new epoch begins with a frame's end, so that there is one for
// whoever stands just behind it.
func mergeable(f, next *revocation.Frame) bool {
	return f.Kind != revocation.Rebase && hasPlace(f) == hasPlace(next) && len(f.Entries)+len(next.Entries) <= maxMerged
}

// merged makes one frame of two that follow each other.
func merged(f, next revocation.Frame) revocation.Frame {
	f.Pos = next.Pos
	f.Entries = slices.Concat(f.Entries, next.Entries)
	if next.Kind == revocation.Rebase {
		f.Kind = next.Kind
	}
	return f
}

// last is where the frame after everything known must begin.
func (h *hub) last(v *view) revocation.Position {
	if n := len(h.pending); n > 0 {
		return h.pending[n-1].Pos
	}
	return v.pos
}

// rebased turns the snapshot that a Log begins anew with into a frame for
// those who were following before.
func rebased(f revocation.Frame, from revocation.Position) revocation.Frame {
	f.Kind, f.PrevEpoch, f.Prev = revocation.Delta, from.Epoch, from.Cursor
	if f.Pos.Epoch != from.Epoch {
		f.Kind = revocation.Rebase
	} else if f.Pos.Cursor.Compare(from.Cursor) < 0 {
		f.Pos = from
	}
	return f
}

// unknown returns the entries that add something to the list.
func (h *hub) unknown(entries []revocation.Entry, now time.Time) []revocation.Entry {
	held := map[revocation.Target]revocation.Entry{}
	for _, e := range h.list.Entries(now) {
		held[e.Target()] = e
	}
	return slices.DeleteFunc(slices.Clone(entries), func(e revocation.Entry) bool { return held[e.Target()].Covers(e) })
}

// flush publishes what waits, each frame signed once for everybody. What
// can not be signed goes on waiting, so that no entry is ever skipped. The
// lock is held.
func (h *hub) flush(now time.Time) {
	for len(h.pending) > 0 {
		f, err := h.signed(&h.pending[0], h.AsOf(), now)
		if err != nil {
			h.logger.Error("signing a frame of the feed", "err", err)
			return
		}
		v := *h.view.Load()
		v.push(f)
		h.pending, h.flushed = h.pending[1:], now
		h.publish(&v)
	}
}

// untilFlush is how long what waits must go on waiting.
func (h *hub) untilFlush() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return batching - h.now().Sub(h.flushed)
}

// beat publishes an empty frame with the present time. The lock is held.
func (h *hub) beat(now time.Time) {
	h.flush(now)
	v := h.view.Load()
	if v == nil || len(h.pending) > 0 {
		return
	}
	h.publishKeys(now)
	f, err := h.signed(heartbeatAt(v.pos), h.AsOf(), now)
	if err != nil {
		h.logger.Error("signing a heartbeat of the feed", "err", err)
		return
	}
	next := *h.view.Load()
	next.beat, next.beatKid, next.beatNo = f.event, f.kid, next.beatNo+1
	h.publish(&next)
}

func heartbeatAt(p revocation.Position) *revocation.Frame {
	return &revocation.Frame{Kind: revocation.Delta, PrevEpoch: p.Epoch, Prev: p.Cursor, Pos: p}
}

// signed makes a frame for verifiers of one of the Log's. asOf must have been
// taken before the entries were; where it is not known it is 1970.
func (h *hub) signed(f *revocation.Frame, asOf, now time.Time) (frame, error) {
	out := *f
	if out.AsOf = asOf; asOf.IsZero() {
		out.AsOf = time.UnixMilli(0)
	}
	life := h.entryLife()
	out.Entries = make([]revocation.Entry, 0, len(f.Entries))
	for _, e := range f.Entries {
		if e = e.OnFeed(life); !e.Expired(now) {
			out.Entries = append(out.Entries, e)
		}
	}
	payload, err := out.MarshalBinary()
	if err != nil {
		return frame{}, err
	}
	kid, jws, err := h.seal(tokens.TypFeed, payload, now)
	if err != nil {
		return frame{}, err
	}
	return framed(&out, kid, jws), nil
}

// snapshots keeps the newest snapshot for a moment, because after a restart
// everybody asks for it at once.
type snapshots struct {
	mu   sync.Mutex
	made time.Time
	last opening
}

// snapshot implements source.
func (h *hub) snapshot() (opening, error) {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	v, asOf, now := h.view.Load(), h.AsOf(), h.now()
	if v == nil {
		return opening{}, unavailable(errNotReady)
	}
	// Entries without a place change what there is and not the position.
	if h.store.last.view != nil && h.store.last.next == v.end() && now.Sub(h.store.made) < heartbeat {
		h.store.last.view = v
		return h.store.last, nil
	}
	// The list holds every entry before the view shows its position, so what
	// is read after v is at least all that v stands for.
	all := &revocation.Frame{Kind: revocation.Snapshot, Pos: v.pos, Entries: h.list.Entries(now)}
	f, err := h.signed(all, asOf, now)
	if err != nil {
		return opening{}, unavailable(err)
	}
	h.store.last, h.store.made = opening{frame: f, view: v, next: v.end()}, now
	return h.store.last, nil
}

// missed implements source with what the Log still has.
func (h *hub) missed(ctx context.Context, p revocation.Position) (*frame, error) {
	asOf := h.AsOf()
	b, err := h.log.Since(ctx, p)
	if err != nil || b.Frame.Pos == p && len(b.Frame.Entries) == 0 {
		return nil, err
	}
	f, err := h.signed(&b.Frame, asOf, h.now())
	return &f, err
}
