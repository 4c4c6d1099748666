package issuer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const stubURL = "https://auth.example.com"

// stub is an issuer without a network, for tests in a bubble: it is the
// follower's http.RoundTripper, and the test writes what the feed says.
type stub struct {
	t     testing.TB
	file  string         // the followers' snapshot file; empty: none
	feeds chan *stubFeed // each connection to the feed
	log   bytes.Buffer

	mu       sync.Mutex
	ring     *keys.Ring
	feedRing *keys.Ring // signs the feed; the same unless a test says otherwise
	status   map[string]int
	header   http.Header // of every answer
	hits     map[string][]time.Time
	queries  []url.Values // of the connections to the feed
	reports  []string     // bodies of the reports of what is held
}

// stubFeed is one connection to the feed.
type stubFeed struct {
	s     *stub
	since string
	w     *io.PipeWriter
	ctx   context.Context
}

func newStub(t testing.TB) *stub {
	s := &stub{
		t: t, feeds: make(chan *stubFeed, 1000), status: map[string]int{}, header: http.Header{}, hits: map[string][]time.Time{},
	}
	s.ring = s.newRing()
	s.feedRing = s.ring
	return s
}

func (s *stub) newRing() *keys.Ring {
	r, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// follow starts a follower of the stub; with is the client's id.
func (s *stub) follow(id string) *Follower {
	cfg := Config{Issuer: stubURL, HTTP: &http.Client{Transport: s}, Log: slog.New(slog.NewTextHandler(&s.log, nil))}
	if id != "" {
		cfg.Client = Client{ID: id, Secret: "hush-hush"}
		cfg.Snapshot = s.file
	}
	f, err := Follow(context.Background(), cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(f.Close)
	return f
}

func (s *stub) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hits[r.URL.Path] = append(s.hits[r.URL.Path], time.Now())
	resp := &http.Response{StatusCode: http.StatusOK, Header: s.header.Clone(), Request: r, Body: http.NoBody}
	for _, path := range []string{"*", r.URL.Path} {
		switch status := s.status[path]; status {
		case 0:
		case -1:
			return nil, errors.New("connection refused")
		default:
			resp.StatusCode = status
			return resp, nil
		}
	}
	switch r.URL.Path {
	case "/.well-known/oauth-authorization-server":
		resp.Body = text(`{"issuer":"` + stubURL + `","jwks_uri":"` + stubURL + `/jwks","sealring_feed":{"uri":"` +
			stubURL + `/feed","session_keys_uri":"` + stubURL + `/session-keys","held_uri":"` + stubURL + `/held","heartbeat":1}}`)
	case "/jwks":
		resp.Body = text(string(s.ring.PublicSet(time.Now()).JWKS()))
	case "/session-keys":
		resp.Body = text(string(s.ring.SessionKeys(time.Now()).JWKS()))
	case "/held":
		body, _ := io.ReadAll(r.Body)
		s.reports = append(s.reports, string(body))
		resp.StatusCode = http.StatusNoContent
	case "/feed":
		s.queries = append(s.queries, r.URL.Query())
		resp.Header.Set("Content-Type", "text/event-stream; charset=utf-8")
		resp.Body = s.open(r)
	}
	return resp, nil
}

func (s *stub) open(r *http.Request) io.ReadCloser {
	pr, pw := io.Pipe()
	context.AfterFunc(r.Context(), func() { pr.CloseWithError(r.Context().Err()) })
	s.feeds <- &stubFeed{s: s, since: r.URL.Query().Get("since"), w: pw, ctx: r.Context()}
	return pr
}

func text(s string) io.ReadCloser { return io.NopCloser(bytes.NewReader([]byte(s))) }

// says sets a header of every answer from now on.
func (s *stub) says(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.header.Set(name, value)
}

// answer has requests for a path ("*": all) answered with a status; -1: with
// no connection, 0: as usual.
func (s *stub) answer(path string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status[path] = status
}

func (s *stub) count(path string) int { return len(s.times(path)) }

func (s *stub) times(path string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits[path]
}

func (s *stub) setRing(r *keys.Ring) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ring = r
}

// logged is what was logged so far at info and above.
func (s *stub) logged() string {
	synctest.Wait()
	return s.log.String()
}

// next is the next connection to the feed, which has to come; those that were
// given up meanwhile are passed over.
func (s *stub) next() *stubFeed {
	s.t.Helper()
	for timeout := time.After(5 * time.Minute); ; {
		select {
		case f := <-s.feeds:
			if !f.closed() {
				return f
			}
		case <-timeout:
			s.t.Fatal("no connection to the feed")
		}
	}
}

// live is a connection on which the feed has begun: keys, then a snapshot.
func (s *stub) live() *stubFeed {
	s.t.Helper()
	f := s.next()
	f.keys(1)
	f.frame(revocation.Frame{Kind: revocation.Snapshot, Pos: at(1)})
	return f
}

// send writes an event and waits until it has been dealt with.
func (f *stubFeed) send(name, data string) {
	_, _ = fmt.Fprintf(f.w, "event: %s\ndata: %s\n\n", name, data)
	synctest.Wait()
}

func (f *stubFeed) sign(typ string, payload []byte) string {
	f.s.mu.Lock()
	ring := f.s.feedRing
	f.s.mu.Unlock()
	k, err := ring.Current(keys.Feed, time.Now())
	if err != nil {
		f.s.t.Fatal(err)
	}
	raw, err := tokens.SignBytes(typ, payload, k)
	if err != nil {
		f.s.t.Fatal(err)
	}
	return raw
}

func (f *stubFeed) frame(fr revocation.Frame) {
	if fr.AsOf.IsZero() {
		fr.AsOf = time.Now()
	}
	b, err := fr.MarshalBinary()
	if err != nil {
		f.s.t.Fatal(err)
	}
	f.send("message", f.sign(tokens.TypFeed, b))
}

// beat sends a heartbeat of a position.
func (f *stubFeed) beat(n uint64) { f.delta(n, n) }

// delta sends what happened from one position to another.
func (f *stubFeed) delta(from, to uint64, entries ...revocation.Entry) {
	f.frame(revocation.Frame{Kind: revocation.Delta, PrevEpoch: epoch, Prev: at(from).Cursor, Pos: at(to), Entries: entries})
}

// keys sends the ring's key set under a generation.
func (f *stubFeed) keys(generation uint64) {
	f.s.mu.Lock()
	public, sessions := f.s.ring.PublicSet(time.Now()), f.s.ring.SessionKeys(time.Now())
	f.s.mu.Unlock()
	var set struct {
		Keys json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(public.JWKS(), &set); err != nil {
		f.s.t.Fatal(err)
	}
	doc, err := json.Marshal(map[string]any{"generation": generation, "keys": set.Keys, "session_kids": kids(sessions)})
	if err != nil {
		f.s.t.Fatal(err)
	}
	f.send("keys", f.sign(tokens.TypKeys, doc))
}

// closed reports whether the follower has hung up.
func (f *stubFeed) closed() bool {
	synctest.Wait()
	return f.ctx.Err() != nil
}

const epoch = 7

func at(n uint64) revocation.Position {
	return revocation.Position{Epoch: epoch, Cursor: revocation.Cursor{Ms: n}}
}

func sessionEntry() revocation.Entry {
	return revocation.SessionEntry(tokens.NewID(), time.Now(), time.Now().Add(time.Hour))
}

func holds(f *Follower, k keys.Key) bool {
	_, err := f.Key(k.ID, k.Purpose, time.Now())
	return err == nil
}

func current(t testing.TB, r *keys.Ring, p keys.Purpose) keys.Key {
	t.Helper()
	k, err := r.Current(p, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return k
}
