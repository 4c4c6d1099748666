package authsvc

import (
	"slices"
	"sort"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	windowFrames = 1024    // how many frames a subscriber may be behind before the source is asked
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
	spilt  time.Time // until then entries count that came without a place, in frames that are gone: ask the source

	snap   parts // a relay's snapshot; nil: the source makes one when it is asked for
	pinned int   // so many of the newest frames belong to snap and are kept whatever their number

	beat    []byte // event of the newest heartbeat
	beatNo  uint64
	beatKid string

	keys        []byte // event of the key set
	keysNo      uint64
	keysPayload []byte

	next chan struct{}
}

// frame is one signed frame, ready to be sent.
type frame struct {
	pos      revocation.Position
	unplaced bool      // its entries have no place in the log yet: it ends where it begins
	until    time.Time // of an unplaced one: when the last entry has expired
	kid      string    // of the key that signed it
	jws      string
	event    []byte
}

// parts are a snapshot in the frames in which it is sent: one, but for a very
// long list (see revocation.Frame.Parts).
type parts []frame

// pos is the position of the snapshot.
func (p parts) pos() revocation.Position { return p[len(p)-1].pos }

// kid is the key that signed it, all of it in one moment.
func (p parts) kid() string { return p[len(p)-1].kid }

func (p parts) bytes() (n int) {
	for i := range p {
		n += len(p[i].jws)
	}
	return n
}

func (p parts) events() (events [][]byte) {
	for i := range p {
		events = append(events, p[i].event)
	}
	return events
}

// framed makes a frame of what was signed.
func framed(f *revocation.Frame, kid, jws string) frame {
	out := frame{pos: f.Pos, kid: kid, jws: jws, event: event("", f.Pos.String(), jws)}
	if !hasPlace(f) {
		out.unplaced, out.until = true, lastExpiry(f.Entries)
	}
	return out
}

func lastExpiry(entries []revocation.Entry) (t time.Time) {
	for _, e := range entries {
		t = later(t, time.Unix(int64(e.Exp), 0))
	}
	return t
}

// hasPlace tells a frame that leads on from one that only carries entries
// which are not in the shared log yet.
func hasPlace(f *revocation.Frame) bool {
	return f.Kind != revocation.Delta || f.Prev != f.Pos.Cursor
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
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

// after returns the number of the first frame that leads on from p, and false
// when the frames kept do not reach back so far, or p is not of this epoch: a
// position of an earlier one says nothing of what that epoch has lost.
func (v *view) after(p revocation.Position) (uint64, bool) {
	oldest, skip := v.oldest()
	if p.Epoch != v.pos.Epoch || p.Cursor.Compare(oldest.Cursor) < 0 || p.Cursor.Compare(v.pos.Cursor) > 0 {
		return 0, false
	}
	run := v.frames[skip:]
	i := sort.Search(len(run), func(i int) bool { return run[i].pos.Cursor.Compare(p.Cursor) > 0 })
	return v.first + uint64(skip+i), true
}

// oldest returns the first position of the present epoch that the frames reach
// back to, and how many frames come before it.
func (v *view) oldest() (revocation.Position, int) {
	if v.base.Epoch == v.pos.Epoch {
		return v.base, 0
	}
	i := slices.IndexFunc(v.frames, func(f frame) bool { return f.pos.Epoch == v.pos.Epoch })
	return v.frames[i].pos, i + 1 // the view stands in an epoch to which one of its frames has led
}

// unplaced returns the numbers of the frames before end whose entries a
// follower at p may lack although it is past them: they have no place in the
// log.
func (v *view) unplaced(p revocation.Position, end uint64, now time.Time) []uint64 {
	var out []uint64
	for i, f := range v.frames[:end-v.first] {
		if f.counts(now) && f.pos.Epoch == p.Epoch && f.pos.Cursor.Compare(p.Cursor) <= 0 {
			out = append(out, v.first+uint64(i))
		}
	}
	return out
}

// counts reports whether the frame has entries without a place that have not
// expired.
func (f *frame) counts(now time.Time) bool { return f.unplaced && now.Before(f.until) }

// push appends a frame and lets the oldest go.
func (v *view) push(f frame) {
	v.frames = append(v.frames[:len(v.frames):len(v.frames)], f)
	v.bytes += len(f.jws)
	v.pos = f.pos
	if v.snap != nil {
		v.pinned++
	}
	v.trim()
}

func (v *view) trim() {
	for len(v.frames) > v.pinned && (len(v.frames) > windowFrames || v.bytes > windowBytes && len(v.frames) > 1) {
		v.drop()
	}
}

// restart lets every frame go, and what cannot be one: whoever is connected
// finds that he lacks some, and is told to begin with a snapshot.
func (v *view) restart(to revocation.Position) {
	for len(v.frames) > 0 {
		v.drop()
	}
	v.first++
	v.base, v.pos = to, to
}

// drop lets the oldest frame go. Who has not had it can not be served from
// here any more.
func (v *view) drop() {
	old := v.frames[0]
	v.base = old.pos
	v.bytes -= len(old.jws)
	v.frames = v.frames[1:]
	v.first++
	v.spilt = later(v.spilt, old.until)
}

// distrust lets go of what verifiers do not believe any more, because the key
// that signed it has left the key set. They would ask for it for ever.
func (v *view) distrust(set keys.Source, now time.Time) {
	dead := func(kid string) bool {
		_, err := set.Key(kid, keys.Feed, now)
		return err != nil
	}
	last := -1
	known := map[string]bool{}
	for i, f := range v.frames {
		if _, ok := known[f.kid]; !ok {
			known[f.kid] = dead(f.kid)
		}
		if known[f.kid] {
			last = i
		}
	}
	if v.snap != nil && (dead(v.snap.kid()) || last+1 > len(v.frames)-v.pinned) {
		v.snap, v.pinned = nil, 0
	}
	for range last + 1 {
		v.drop()
	}
	if v.beat != nil && dead(v.beatKid) {
		v.beat = nil
	}
}
