package authsvc

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sealring-dev/sealring/keys"
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
		v := *h.view.Load()
		if next := h.onFeed(&h.pending[0], now); len(next.Entries) <= h.most {
			f, err := h.signed(&next, h.AsOf(), now)
			if err != nil {
				h.logger.Error("signing a frame of the feed", "err", err)
				return
			}
			v.push(f)
		} else {
			h.logger.Warn("more revocations at once than a frame holds; every verifier is asked to begin anew", "entries", len(next.Entries))
			v.restart(next.Pos)
		}
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

// onFeed is a frame of the Log's with what verifiers have to know of it now.
func (h *hub) onFeed(f *revocation.Frame, now time.Time) revocation.Frame {
	out, life := *f, h.entryLife()
	out.Entries = make([]revocation.Entry, 0, len(f.Entries))
	for _, e := range f.Entries {
		if e = e.OnFeed(life); !e.Expired(now) {
			out.Entries = append(out.Entries, e)
		}
	}
	return out
}

// signed makes a frame ready to be sent. asOf must have been taken before the
// entries were; where it is not known it is 1970.
func (h *hub) signed(f *revocation.Frame, asOf, now time.Time) (frame, error) {
	out := *f
	if out.AsOf = asOf; asOf.IsZero() {
		out.AsOf = time.UnixMilli(0)
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

// snapshotFor is how long a snapshot is given to all who ask for one.
const snapshotFor = 2 * time.Second

// snapshots keeps the newest snapshot for a moment, because after a restart
// everybody asks for it at once, and a long one takes a second to make.
type snapshots struct {
	mu   sync.Mutex
	made time.Time
	last opening
}

// forget lets go of a snapshot whose time is over: it may be large. One that is
// being made is not waited for.
func (s *snapshots) forget(now time.Time) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	if now.Sub(s.made) >= snapshotFor {
		s.last = opening{}
	}
}

// snapshot implements source.
func (h *hub) snapshot() (opening, error) {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	v, asOf, now := h.view.Load(), h.AsOf(), h.now()
	if v == nil {
		return opening{}, unavailable(errNotReady)
	}
	if last := h.store.last; last.view != nil && now.Sub(h.store.made) < snapshotFor && last.serves(v) && h.believed(last.snap.kid(), now) {
		last.view = v
		return last, nil
	}
	// The list holds every entry before the view shows its position, so what
	// is read after v is at least all that v stands for.
	all := h.onFeed(&revocation.Frame{Kind: revocation.Snapshot, Pos: v.pos, Entries: h.list.Entries(now)}, now)
	all.AsOf = asOf
	var snap parts
	for _, part := range all.Parts(h.most) {
		f, err := h.signed(&part, part.AsOf, now)
		if err != nil {
			return opening{}, unavailable(err)
		}
		snap = append(snap, f)
	}
	h.store.last, h.store.made = opening{snap: snap, view: v, next: v.end()}, now
	return h.store.last, nil
}

// serves reports whether the snapshot does for who begins at a view: nothing
// has come since, or it is long, and what has come is in the view's frames.
func (o *opening) serves(v *view) bool {
	return o.next == v.end() || o.next >= v.first && o.snap.bytes() > manyBytes
}

// believed reports whether verifiers take what a key of the feed has signed.
func (h *hub) believed(kid string, now time.Time) bool {
	_, err := h.Key(kid, keys.Feed, now)
	return err == nil
}

// missed implements source with what the Log still has.
func (h *hub) missed(ctx context.Context, p revocation.Position) (*frame, error) {
	asOf := h.AsOf()
	b, err := h.log.Since(ctx, p)
	if err != nil || b.Frame.Pos == p && len(b.Frame.Entries) == 0 {
		return nil, err
	}
	now := h.now()
	next := h.onFeed(&b.Frame, now)
	if len(next.Entries) > h.most { // a snapshot has no more to say
		return nil, ErrUnknownPosition
	}
	f, err := h.signed(&next, asOf, now)
	return &f, err
}
