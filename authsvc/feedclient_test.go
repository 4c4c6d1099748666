package authsvc_test

import (
	"bufio"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// sse is one server-sent event.
type sse struct{ name, id, data string }

// stream is an open feed.
type stream struct {
	w      *world
	events chan sse
	res    *http.Response
	cancel context.CancelFunc
}

func (w *world) basic() option { return withBasic("orders", w.secret) }

// follow opens the feed as a stream.
func (w *world) follow(query string, options ...option) *stream {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	r, err := http.NewRequestWithContext(ctx, "GET", w.issuer+"/v1/feed"+query, nil)
	must(w.t, err)
	w.basic()(r)
	for _, o := range options {
		o(r)
	}
	res, err := w.http.Do(r)
	must(w.t, err)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("feed: %d %v", res.StatusCode, res.Header)
	}
	s := &stream{w: w, events: make(chan sse, 1000), res: res, cancel: cancel}
	go s.read()
	w.t.Cleanup(s.close)
	return s
}

func (s *stream) close() {
	s.cancel()
	for range s.events { // until the reader has ended
	}
}

func (s *stream) read() {
	defer close(s.events)
	defer func() { _ = s.res.Body.Close() }()
	var e sse
	lines := bufio.NewScanner(s.res.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			s.events <- e
			e = sse{}
		}
	}
}

// next returns the next event of a name, "" for a frame.
func (s *stream) next(name string) sse {
	s.w.t.Helper()
	timeout := time.After(5 * time.Second)
	for {
		select {
		case e, open := <-s.events:
			if !open {
				s.w.t.Fatalf("the stream ended before %q", name)
			}
			if e.name == name {
				return e
			}
		case <-timeout:
			s.w.t.Fatalf("no %q in 5 s", name)
		}
	}
}

// frame returns the next frame that is not a heartbeat.
func (s *stream) frame() *revocation.Frame {
	s.w.t.Helper()
	for {
		e := s.next("")
		f := s.w.frame(e.data)
		if e.id != f.Pos.String() {
			s.w.t.Fatalf("id %s of a frame at %s", e.id, f.Pos)
		}
		if f.Kind != revocation.Delta || len(f.Entries) > 0 {
			return f
		}
	}
}

func (w *world) frame(jws string) *revocation.Frame {
	w.t.Helper()
	payload, err := tokens.VerifyBytes(tokens.TypFeed, jws, w.ring, time.Now())
	must(w.t, err)
	f, err := revocation.ParseFrame(payload)
	must(w.t, err)
	return f
}

// revoke revokes a new session id.
func (w *world) revoke() tokens.ID {
	w.t.Helper()
	sid := tokens.NewID()
	must(w.t, w.log.Append(w.t.Context(), revocation.SessionEntry(sid, time.Now(), time.Now().Add(time.Hour))))
	return sid
}

func has(f *revocation.Frame, sid tokens.ID) bool {
	return slices.ContainsFunc(f.Entries, func(e revocation.Entry) bool { return e.Type == revocation.Session && e.ID == sid })
}
