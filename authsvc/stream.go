package authsvc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	writeDeadline = 10 * time.Second // for one write to a subscriber; then it must resume
	shortestLife  = 30 * time.Minute // of a stream, so that load spreads over replicas
	longestLife   = 60 * time.Minute
)

// stream is one subscriber: a cursor into the hub's views, and no queue.
type stream struct {
	hub    *hub
	who    *verifier // nil: it did not say
	w      http.ResponseWriter
	rc     *http.ResponseController
	next   uint64 // number of the frame to send next
	pos    revocation.Position
	beatNo uint64
	keysNo uint64
}

// feedStream serves server-sent events until the client goes, is too slow, has
// been here for long, or the service stops. Errors come before the first byte.
func (s *Service) feedStream(w http.ResponseWriter, r *http.Request, since *revocation.Position, who *verifier) error {
	st := &stream{hub: s.hub, w: w, rc: http.NewResponseController(w), who: who}
	first, err := st.begin(r.Context(), since)
	if err != nil {
		return err
	}
	if err := st.open(); err != nil {
		return fmt.Errorf("preparing a stream: %w", err)
	}
	if err := st.serve(r.Context(), first); err != nil {
		s.log.DebugContext(r.Context(), "a feed stream ended", "cause", err, "request_id", requestID(r))
	}
	_ = st.rc.SetWriteDeadline(time.Time{}) // of the connection, which may live on
	return nil
}

// begin places the cursor and returns the first events: the key set, and then
// a snapshot, what was missed, or a reset.
func (st *stream) begin(ctx context.Context, since *revocation.Position) ([]byte, error) {
	var first []byte
	var v *view
	if since == nil {
		f, at, err := st.hub.snapshot()
		if err != nil {
			return nil, err
		}
		first, v, st.next, st.pos = f.event, at, at.end(), f.pos
	} else {
		events, at, err := st.catchUp(ctx, *since)
		if err != nil {
			return nil, err
		}
		first, v = events, at
	}
	st.beatNo, st.keysNo = v.beatNo, v.keysNo
	return append(append([]byte{}, v.keys...), first...), nil
}

// catchUp places the cursor after a position that the subscriber holds.
func (st *stream) catchUp(ctx context.Context, since revocation.Position) ([]byte, *view, error) {
	missed, v, next, err := st.hub.resume(ctx, since)
	st.next, st.pos = next, since
	switch {
	case errors.Is(err, ErrUnknownPosition):
		st.pos = v.pos
		return st.notice("reset"), v, nil
	case err != nil:
		return nil, nil, err
	case missed != nil:
		st.pos = missed.pos
		return missed.event, v, nil
	}
	return nil, v, nil
}

func (st *stream) notice(name string) []byte {
	return event(name, "", fmt.Sprintf(`{"window_ms":%d}`, st.hub.desk.window()))
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
func (st *stream) serve(ctx context.Context, first []byte) error {
	life := time.NewTimer(shortestLife + rand.N(longestLife-shortestLife))
	defer life.Stop()
	if err := st.send(first); err != nil {
		return err
	}
	for {
		v := st.hub.view.Load()
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
			return st.send(st.notice("bye"))
		case <-st.hub.desk.done:
			return st.send(st.notice("bye"))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// news returns everything in the view that the subscriber has not had: keys
// before what they sign, frames in order, the heartbeat last.
func (st *stream) news(ctx context.Context, v *view) ([]byte, error) {
	var out []byte
	if v.keysNo != st.keysNo {
		out, st.keysNo = append(out, v.keys...), v.keysNo
	}
	if st.next < v.first {
		events, _, err := st.catchUp(ctx, st.pos)
		if err != nil {
			return nil, err
		}
		return append(out, events...), nil
	}
	for _, f := range v.frames[st.next-v.first:] {
		out, st.pos = append(out, f.event...), f.pos
	}
	st.next = v.end()
	if v.beatNo != st.beatNo {
		out, st.beatNo = append(out, v.beat...), v.beatNo
	}
	return out, nil
}

func (st *stream) send(events []byte) error {
	if len(events) == 0 {
		return nil
	}
	if err := st.rc.SetWriteDeadline(time.Now().Add(st.hub.patient)); err != nil {
		return err
	}
	if _, err := st.w.Write(events); err != nil {
		return err
	}
	if err := st.rc.Flush(); err != nil {
		return err
	}
	st.who.told(st.pos, st.hub.now())
	return nil
}
