package authtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// heartbeat is how often the feed speaks when there is nothing to say.
const heartbeat = time.Second

// frame is a delta that was sent, and the position that it joins on to.
type frame struct {
	after revocation.Position
	event string
}

// subscriber is one connection to the feed.
type subscriber struct {
	verifier string        // its id; empty: it did not say
	events   chan string   // room for more than any test sends
	gone     chan struct{} // closed: hang up
}

// hangUp ends all connections to the feed.
func (i *Issuer) hangUp() {
	for s := range i.conns {
		delete(i.conns, s)
		close(s.gone)
	}
}

// tell sends an event to every follower; one that does not read is hung up on.
func (i *Issuer) tell(event string) {
	for s := range i.conns {
		select {
		case s.events <- event:
		default:
			delete(i.conns, s)
			close(s.gone)
		}
	}
}

// feed serves GET /v1/feed.
func (i *Issuer) feed(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	s := i.subscribe(query.Get("since"), query.Get("verifier"))
	if s == nil {
		http.Error(w, "the feed is cut", http.StatusServiceUnavailable)
		return
	}
	defer i.unsubscribe(s)
	i.introduce(query.Get("verifier"), query.Get("holding"))
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var event string
		select {
		case <-r.Context().Done():
			return
		case <-s.gone:
			panic(http.ErrAbortHandler)
		case event = <-s.events:
		case <-beat.C:
			event = i.beat()
		}
		if _, err := w.Write([]byte(event)); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
	}
}

// subscribe makes a subscriber that has the first events waiting; nil while
// the feed is cut.
func (i *Issuer) subscribe(since, verifier string) *subscriber {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cut || i.down {
		return nil
	}
	s := &subscriber{verifier: verifier, events: make(chan string, 1<<12), gone: make(chan struct{})}
	s.events <- i.keysEvent()
	for _, event := range i.missing(since) {
		s.events <- event
	}
	i.conns[s] = struct{}{}
	return s
}

func (i *Issuer) unsubscribe(s *subscriber) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.conns, s)
}

// missing returns the events that somebody at a position has not seen: a
// snapshot for one who has seen nothing, a reset for one whom nobody knows.
func (i *Issuer) missing(since string) (events []string) {
	if since == "" {
		return []string{i.frame(revocation.Frame{Kind: revocation.Snapshot, Pos: i.pos, Entries: i.entries})}
	}
	at := len(i.frames)
	for n, f := range i.frames {
		if f.after.String() == since {
			at = n
			break
		}
	}
	if at == len(i.frames) && since != i.pos.String() {
		return []string{"event: reset\ndata: {\"window_ms\":10}\n\n"}
	}
	for _, f := range i.frames[at:] {
		events = append(events, f.event)
	}
	return append(events, i.beatEvent())
}

func (i *Issuer) beat() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.beatEvent()
}

func (i *Issuer) beatEvent() string {
	return i.frame(revocation.Frame{Kind: revocation.Delta, PrevEpoch: i.pos.Epoch, Prev: i.pos.Cursor, Pos: i.pos})
}

// frame signs a frame and makes an event of it.
func (i *Issuer) frame(f revocation.Frame) string {
	f.AsOf = time.Now()
	b, err := f.MarshalBinary()
	if err != nil {
		i.t.Fatalf("authtest: encoding a frame: %v", err)
	}
	return fmt.Sprintf("id: %v\ndata: %s\n\n", f.Pos, i.sign(tokens.TypFeed, b))
}

// keysEvent is the event that says what the key set is.
func (i *Issuer) keysEvent() string {
	var set struct {
		Keys json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(i.publicSet().JWKS(), &set); err != nil {
		i.t.Fatalf("authtest: reading the key set: %v", err)
	}
	doc, err := json.Marshal(map[string]any{
		"generation": i.gen, "keys": set.Keys, "session_kids": kids(i.sessionKeys()),
	})
	if err != nil {
		i.t.Fatalf("authtest: writing the key set: %v", err)
	}
	return fmt.Sprintf("event: keys\ndata: %s\n\n", i.sign(tokens.TypKeys, doc))
}

func (i *Issuer) announceKeys() { i.tell(i.keysEvent()) }

func kids(s *keys.Set) []string {
	ids := []string{}
	for _, k := range s.Keys() {
		ids = append(ids, k.ID)
	}
	return ids
}
