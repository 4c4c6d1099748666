package authsvc

import (
	"errors"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	windowFrames = 1024    // how many frames a subscriber may be behind before the Log is asked
	windowBytes  = 8 << 20 // and how many bytes of them are kept
)

// view is all that subscribers see at one moment. It never changes; next is
// closed when there is a newer one. A subscriber is a cursor into frames.
type view struct {
	pos    revocation.Position // after the last frame
	base   revocation.Position // before the first frame that is kept
	first  uint64              // number of frames[0]
	frames []frame
	bytes  int

	beat   []byte // event of the newest heartbeat
	beatNo uint64

	keys        []byte // event of the key set
	keysNo      uint64
	keysPayload []byte

	next chan struct{}
}

// frame is one signed frame, ready to be sent.
type frame struct {
	pos   revocation.Position
	jws   string
	event []byte
}

// event encodes a server-sent event. JWS and positions have no line breaks.
func event(name, id, data string) []byte {
	var b []byte
	if name != "" {
		b = append(append(append(b, "event: "...), name...), '\n')
	}
	if id != "" {
		b = append(append(append(b, "id: "...), id...), '\n')
	}
	return append(append(append(b, "data: "...), data...), "\n\n"...)
}

// end is the number of the frame to come.
func (v *view) end() uint64 { return v.first + uint64(len(v.frames)) }

// after returns the number of the first frame that a follower at p lacks, and
// false when the frames kept do not reach back so far, or p is not of here.
func (v *view) after(p revocation.Position) (uint64, bool) {
	if p.Epoch != v.pos.Epoch || p.Epoch != v.base.Epoch ||
		p.Cursor.Compare(v.base.Cursor) < 0 || p.Cursor.Compare(v.pos.Cursor) > 0 {
		return 0, false
	}
	i := sort.Search(len(v.frames), func(i int) bool { return v.frames[i].pos.Cursor.Compare(p.Cursor) > 0 })
	return v.first + uint64(i), true
}

// publish makes next the view. The lock is held.
func (h *hub) publish(next *view) {
	old := h.view.Load()
	next.next = make(chan struct{})
	h.view.Store(next)
	if old != nil {
		close(old.next)
	}
}

// enqueue adds what the Log delivered to what waits to be published. The lock
// is held.
func (h *hub) enqueue(f revocation.Frame) {
	v := h.view.Load()
	switch {
	case v == nil:
		h.publish(h.withKeys(&view{pos: f.Pos, base: f.Pos}, h.now()))
		return
	case f.Kind == revocation.Snapshot:
		f = rebased(f, h.last(v))
	}
	if h.pending == nil {
		h.pending = &f
		return
	}
	h.pending.Pos = f.Pos
	h.pending.Entries = slices.Concat(h.pending.Entries, f.Entries)
	if f.Kind == revocation.Rebase {
		h.pending.Kind = f.Kind
	}
}

// last is where the frame after everything known must begin.
func (h *hub) last(v *view) revocation.Position {
	if h.pending != nil {
		return h.pending.Pos
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

// flush publishes what waits as one frame, signed once for everybody. What
// can not be signed goes on waiting, so that no entry is ever skipped. The
// lock is held.
func (h *hub) flush(now time.Time) {
	if h.pending == nil {
		return
	}
	jws, err := h.signed(h.pending, h.AsOf(), now)
	if err != nil {
		h.logger.Error("signing a frame of the feed", "err", err)
		return
	}
	v := *h.view.Load()
	v.push(frame{pos: h.pending.Pos, jws: jws, event: event("", h.pending.Pos.String(), jws)})
	h.pending, h.flushed = nil, now
	h.publish(&v)
}

// push appends a frame and lets the oldest go.
func (v *view) push(f frame) {
	v.frames = append(v.frames[:len(v.frames):len(v.frames)], f)
	v.bytes += len(f.jws)
	v.pos = f.pos
	for len(v.frames) > windowFrames || v.bytes > windowBytes && len(v.frames) > 1 {
		v.base = v.frames[0].pos
		v.bytes -= len(v.frames[0].jws)
		v.frames = v.frames[1:]
		v.first++
	}
}

// beat publishes an empty frame with the present time. The lock is held.
func (h *hub) beat(now time.Time) {
	h.flush(now)
	v := h.view.Load()
	if v == nil || h.pending != nil {
		return
	}
	h.publishKeys(now)
	jws, err := h.signed(heartbeatAt(v.pos), h.AsOf(), now)
	if err != nil {
		h.logger.Error("signing a heartbeat of the feed", "err", err)
		return
	}
	next := *h.view.Load()
	next.beat, next.beatNo = event("", v.pos.String(), jws), v.beatNo+1
	h.publish(&next)
}

func heartbeatAt(p revocation.Position) *revocation.Frame {
	return &revocation.Frame{Kind: revocation.Delta, PrevEpoch: p.Epoch, Prev: p.Cursor, Pos: p}
}

// signed makes a frame for verifiers of one of the Log's. asOf must have been
// taken before the entries were; where it is not known it is 1970.
func (h *hub) signed(f *revocation.Frame, asOf, now time.Time) (string, error) {
	out := *f
	if out.AsOf = asOf; asOf.IsZero() {
		out.AsOf = time.UnixMilli(0)
	}
	out.Entries = make([]revocation.Entry, 0, len(f.Entries))
	for _, e := range f.Entries {
		if e = e.OnFeed(h.life); !e.Expired(now) {
			out.Entries = append(out.Entries, e)
		}
	}
	payload, err := out.MarshalBinary()
	if err != nil {
		return "", err
	}
	return h.seal(tokens.TypFeed, payload, now)
}

// snapshots keeps the newest snapshot for a moment, because after a restart
// everybody asks for it at once.
type snapshots struct {
	mu   sync.Mutex
	made time.Time
	last frame
}

var errNotReady = errors.New("the revocations are not known yet")

// snapshot returns a frame of everything there is, and the view at whose end
// it stands.
func (h *hub) snapshot() (frame, *view, error) {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	v, asOf, now := h.view.Load(), h.AsOf(), h.now()
	if v == nil {
		return frame{}, nil, unavailable(errNotReady)
	}
	if h.store.last.pos == v.pos && now.Sub(h.store.made) < heartbeat {
		return h.store.last, v, nil
	}
	// The list holds every entry before the view shows its position, so what
	// is read after v is at least all that v stands for.
	all := &revocation.Frame{Kind: revocation.Snapshot, Pos: v.pos, Entries: h.list.Entries(now)}
	jws, err := h.signed(all, asOf, now)
	if err != nil {
		return frame{}, nil, unavailable(err)
	}
	h.store.last = frame{pos: v.pos, jws: jws, event: event("", v.pos.String(), jws)}
	h.store.made = now
	return h.store.last, v, nil
}
