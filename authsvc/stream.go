package authsvc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	writeDeadline = 10 * time.Second // for one piece written to a subscriber; then it must resume
	shortestLife  = 30 * time.Minute // of a stream, so that load spreads over replicas
	longestLife   = 60 * time.Minute
)

// stream is one subscriber: a cursor into the outlet's views, and no queue.
type stream struct {
	outlet *outlet
	who    *verifier // nil: it did not say
	w      http.ResponseWriter
	rc     *http.ResponseController
	next   uint64 // number of the frame to send next
	pos    revocation.Position
	beatNo uint64
	keysNo uint64
}

// stream serves server-sent events until the client goes, is too slow, has
// been here for long, or the outlet closes. Errors come before the first byte.
func (o *outlet) stream(w http.ResponseWriter, r *http.Request, since *revocation.Position, who *verifier) error {
	st := &stream{outlet: o, w: w, rc: http.NewResponseController(w), who: who}
	first, err := st.begin(r.Context(), since)
	if err != nil {
		return err
	}
	if err := st.open(); err != nil {
		return fmt.Errorf("preparing a stream: %w", err)
	}
	st.ended(r, st.serve(r.Context(), first))
	_ = st.rc.SetWriteDeadline(time.Time{}) // of the connection, which may live on
	return nil
}

func (st *stream) ended(r *http.Request, err error) {
	if err != nil {
		st.outlet.logger.DebugContext(r.Context(), "a feed stream ended", "cause", err, "request_id", requestID(r))
	}
}

// begin places the cursor and returns the first events: the key set, and then
// a snapshot, what was missed, or a reset.
func (st *stream) begin(ctx context.Context, since *revocation.Position) ([][]byte, error) {
	if since != nil {
		events, v, err := st.catchUp(ctx, *since)
		if err != nil {
			return nil, err
		}
		st.keysNo = v.keysNo
		return append([][]byte{v.keys}, events...), nil
	}
	s, err := st.outlet.source.snapshot()
	if err != nil {
		return nil, err
	}
	v := s.view
	st.next, st.pos, st.keysNo = s.next, s.snap.pos(), v.keysNo
	if v.snap == nil {
		st.beatNo = v.beatNo // older than the snapshot
	}
	return append([][]byte{v.keys}, s.snap.events()...), nil
}

// catchUp places the cursor after a position that the subscriber holds.
func (st *stream) catchUp(ctx context.Context, since revocation.Position) ([][]byte, *view, error) {
	w, err := st.outlet.resume(ctx, since)
	switch {
	case errors.Is(err, ErrUnknownPosition):
		st.next, st.pos = w.next, w.pos
		return [][]byte{st.notice("reset", st.outlet.desk.window())}, w.view, nil
	case err != nil:
		return nil, nil, err
	}
	st.next, st.pos = w.next, w.pos
	var events [][]byte
	if w.missed != nil {
		events = append(events, w.missed.event)
	}
	for _, n := range w.again {
		events = append(events, w.view.frames[n-w.view.first].event)
	}
	return events, w.view, nil
}

// notice tells the subscriber to go, and to come back within a window of so
// many milliseconds.
func (st *stream) notice(name string, window int) []byte {
	return event(name, "", fmt.Sprintf(`{"window_ms":%d}`, window))
}

// open lifts the server's bounds, which are meant for requests that end, and
// sends the header.
func (st *stream) open() error {
	if err := st.rc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	h := st.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	st.w.WriteHeader(http.StatusOK)
	return nil
}

// serve sends first and then whatever comes.
func (st *stream) serve(ctx context.Context, first [][]byte) error {
	life := time.NewTimer(shortestLife + rand.N(longestLife-shortestLife))
	defer life.Stop()
	if err := st.send(first); err != nil {
		return err
	}
	for {
		v := st.outlet.view.Load()
		events, err := st.news(ctx, v)
		if err != nil {
			return err
		}
		if err := st.send(events); err != nil {
			return err
		}
		select {
		case <-v.next:
		case <-life.C:
			return st.send([][]byte{st.notice("bye", 0)}) // it alone: the lives are spread already
		case <-st.outlet.desk.done:
			return st.send([][]byte{st.notice("bye", st.outlet.desk.window())})
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// news returns everything in the view that the subscriber has not had: keys
// before what they sign, frames in order, the heartbeat last.
func (st *stream) news(ctx context.Context, v *view) ([][]byte, error) {
	var out [][]byte
	if v.keysNo != st.keysNo {
		out, st.keysNo = append(out, v.keys), v.keysNo
	}
	if st.next < v.first {
		events, _, err := st.catchUp(ctx, st.pos)
		if err != nil {
			return nil, err
		}
		return append(out, events...), nil
	}
	for _, f := range v.frames[st.next-v.first:] {
		out, st.pos = append(out, f.event), f.pos
	}
	st.next = v.end()
	if v.beatNo != st.beatNo && v.beat != nil {
		out, st.beatNo = append(out, v.beat), v.beatNo
	}
	return out, nil
}

// piece is how much is written under one deadline: who reads a large snapshot
// slowly, but does read it, is served.
const piece = 256 << 10

// send writes events, none of which is copied: they are the same for all.
func (st *stream) send(events [][]byte) error {
	if len(events) == 0 {
		return nil
	}
	for _, e := range events {
		for part := range slices.Chunk(e, piece) {
			if err := st.rc.SetWriteDeadline(time.Now().Add(st.outlet.patient)); err != nil {
				return err
			}
			if _, err := st.w.Write(part); err != nil {
				return err
			}
		}
	}
	if err := st.rc.Flush(); err != nil {
		return err
	}
	st.who.told(st.pos, st.outlet.now())
	return nil
}
