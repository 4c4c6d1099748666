package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Why a connection to the feed is given up.
var (
	errNoFeed = errors.New("issuer has no feed")
	errNotSSE = errors.New("feed is not an event stream")
	errSilent = errors.New("feed has gone silent")
	errGap    = errors.New("feed has a gap")
)

// silence is how long nothing may come, for a feed with so much between its
// heartbeats, before its connection is taken for dead: until the fourth is about
// to fail to come. Fewer would cut off those who share a machine that is busy.
func silence(heartbeat time.Duration) time.Duration { return 4*heartbeat - heartbeat/4 }

// feed follows the feed over one connection, until that ends or has to be
// given up; the error says why.
func (f *Follower) feed(ctx context.Context) error {
	s := f.state.Load()
	if s.meta.feedURI == "" {
		return errNoFeed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(requestTimeout, func() { cancel(errSilent) })
	defer watchdog.Stop()

	holding := s.holding()
	resp, err := f.get(ctx, f.feedURL(s, holding), "text/event-stream", true)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f.update(func(s *state) { s.reported = holding })
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != "text/event-stream" {
		return errNotSSE
	}
	// A comment is no sign of life: proxies make them, whatever has become of
	// the issuer behind.
	alive := func() { watchdog.Reset(silence(s.meta.heartbeat)) }
	alive()
	events := newEventReader(resp.Body, alive)
	for {
		e, err := events.next()
		if err != nil {
			return fmt.Errorf("reading the feed: %w", cause(ctx, err))
		}
		if err := f.handle(e); err != nil {
			return err
		}
	}
}

// feedURL asks for what comes after the position that is sure, or for
// everything.
func (f *Follower) feedURL(s *state, holding uint64) string {
	u, err := url.Parse(s.meta.feedURI)
	if err != nil {
		return s.meta.feedURI
	}
	q := u.Query()
	if s.position != (revocation.Position{}) {
		q.Set("since", s.position.String())
	}
	f.introduced(q, holding)
	u.RawQuery = q.Encode()
	return u.String()
}

// handle acts on one event. What is not authentic ends the connection; an
// event of a kind that this version does not know is none of its business.
func (f *Follower) handle(e event) error {
	switch e.name {
	case "", "message":
		if err := f.applyFrame(e.data); err != nil {
			return fmt.Errorf("applying a frame: %w", err)
		}
	case "keys":
		if err := f.applyKeys(e.data); err != nil {
			return fmt.Errorf("applying the key set: %w", err)
		}
	case "reset":
		f.update(func(s *state) { s.position = revocation.Position{} })
		return &pauseError{e.name, window(e.data)}
	case "bye":
		return &pauseError{e.name, window(e.data)}
	}
	return nil
}

// window reads how far apart the followers are to come back. It is not
// signed, and bounded therefore.
func window(data string) time.Duration {
	var w struct {
		Ms uint32 `json:"window_ms"`
	}
	if json.Unmarshal([]byte(data), &w) != nil {
		return minBackoff
	}
	return min(time.Duration(w.Ms)*time.Millisecond, maxWindow)
}

// applyFrame applies a frame of revocations. Its entries count wherever it
// belongs in the order of things; the position moves only if it joins on.
func (f *Follower) applyFrame(raw string) error {
	now := time.Now()
	payload, err := f.authentic(tokens.TypFeed, raw, now)
	if err != nil {
		return err
	}
	frame, err := revocation.ParseFrame(payload)
	if err != nil {
		return err
	}
	f.list.Apply(now, frame.Entries...)
	f.subscribers.tell(frame.Entries)
	if err := f.advance(frame, now); err != nil {
		return err
	}
	f.cfg.Tap(Event{JWS: raw, Frame: frame})
	return nil
}

// authentic returns what the issuer signed. A key that is not known means that
// the key set is not the newest: the documents are fetched again first.
func (f *Follower) authentic(typ, raw string, now time.Time) ([]byte, error) {
	payload, err := tokens.VerifyBytes(typ, raw, f.state.Load().set, now)
	if errors.Is(err, keys.ErrUnknownKey) || errors.Is(err, keys.ErrRetiredKey) {
		f.update(func(s *state) { s.due, s.kept = true, false })
	}
	return payload, err
}

// advance moves the position on. Nothing but a snapshot joins on to the zero
// position, since no frame is of epoch zero.
func (f *Follower) advance(frame *revocation.Frame, now time.Time) error {
	s := f.state.Load()
	position, ok := frame.Advance(s.position)
	if !ok {
		return errGap
	}
	asOf := frame.AsOf
	if asOf.After(now) { // the issuer's clock must not make us believe we are ahead of ours
		asOf = now
	}
	if !s.live {
		f.log.Info("feed is live", "position", position.String(), "revocations", f.list.Len())
	}
	f.update(func(s *state) {
		s.position, s.listed = position, s.listed || !position.Partial()
		s.live, s.fault = true, nil
		if asOf.Unix() > 0 && asOf.After(s.asOf) { // 1970: the sender does not know; and what was known stays known: a replayed frame makes nobody younger or older
			s.asOf = asOf
		}
	})
	return nil
}

// applyKeys takes over the key set as the feed says it is. An older one than
// is held comes from a replica that lags, or from nobody good.
func (f *Follower) applyKeys(raw string) error {
	now := time.Now()
	payload, err := f.authentic(tokens.TypKeys, raw, now)
	if err != nil {
		return err
	}
	var doc struct {
		Generation  uint64          `json:"generation"`
		Keys        json.RawMessage `json:"keys"`
		SessionKids []string        `json:"session_kids"`
	}
	if err := json.Unmarshal(payload, &doc); err != nil {
		return err
	}
	set, err := keys.ParseSet(fmt.Appendf(nil, `{"keys":%s}`, doc.Keys))
	if err != nil {
		return err
	}
	if doc.Generation < f.state.Load().generation {
		f.log.Debug("older key set ignored", "generation", doc.Generation)
		return nil
	}
	f.update(func(s *state) {
		f.noteKeys(s.set, set, doc.Generation)
		s.set, s.setAt, s.generation, s.setGen, s.kept = set.Keeping(s.set), now, doc.Generation, doc.Generation, true
		s.named = slices.Sorted(slices.Values(doc.SessionKids))
		if s.sessions != nil && !s.differs() {
			s.sessionsGen = doc.Generation
		}
	})
	if f.state.Load().differs() {
		signal(f.wanted)
	}
	f.tell()
	f.cfg.Tap(Event{JWS: raw, Keys: set})
	return nil
}
