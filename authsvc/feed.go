package authsvc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const maxWait = 60 // seconds of a long poll

// Feed implements openapi.ServerInterface: a stream, one frame, or a snapshot.
func (a *publicAPI) Feed(w http.ResponseWriter, r *http.Request, params openapi.FeedParams) {
	s := (*Service)(a)
	p, err := s.feed(w, r, params)
	if p == nil && err == nil {
		return // streamed
	}
	s.finish(w, r, p, err)
}

func (s *Service) feed(w http.ResponseWriter, r *http.Request, params openapi.FeedParams) (*reply, error) {
	since, err := checkFeed(r, &params)
	if err != nil {
		return nil, err
	}
	id, holding, err := checkVerifier(r, &params)
	if err != nil {
		return nil, err
	}
	client, err := s.clientWith(r, scopeFeed)
	if err != nil {
		return nil, err
	}
	if err := s.hub.leased(s.now()); err != nil {
		return nil, err // the key set goes before everything else
	}
	if err := s.hub.desk.enter(); err != nil {
		return nil, err
	}
	defer s.hub.desk.leave()
	who, leave := s.attend(r, client, id, holding)
	defer leave()
	switch {
	case params.Snapshot == 1:
		return s.feedSnapshot(params.IfNoneMatch)
	case params.Wait > 0:
		who.told(*since, s.now())
		return s.feedPoll(r.Context(), *since, time.Duration(params.Wait)*time.Second)
	}
	return nil, s.feedStream(w, r, since, who)
}

// checkFeed is what the document says of the parameters; since is nil where
// none was given.
func checkFeed(r *http.Request, params *openapi.FeedParams) (since *revocation.Position, err error) {
	query := r.URL.Query()
	for name := range query {
		if len(query[name]) > 1 {
			return nil, invalidRequest("parameter " + quote(name) + " is there twice")
		}
	}
	text := params.Since
	if text == "" {
		text = params.LastEventID
	}
	if text != "" {
		p, err := revocation.ParsePosition(text)
		if err != nil {
			return nil, invalidRequest("since is not a position")
		}
		since = &p
	}
	switch {
	case query.Has("snapshot") && params.Snapshot != 1:
		return nil, invalidRequest("snapshot can only be 1")
	case query.Has("wait") && (params.Wait < 1 || params.Wait > maxWait):
		return nil, invalidRequest(fmt.Sprintf("wait must be 1 to %d seconds", maxWait))
	case query.Has("wait") && since == nil:
		return nil, invalidRequest("wait needs since")
	case query.Has("snapshot") && (query.Has("wait") || query.Has("since")):
		return nil, invalidRequest("snapshot goes alone")
	}
	return since, nil
}

func (s *Service) feedSnapshot(held string) (*reply, error) {
	f, _, err := s.hub.snapshot()
	if err != nil {
		return nil, err
	}
	p := frameReply(f)
	if holds(held, p.header.Get("ETag")) {
		p.status, p.body = http.StatusNotModified, nil
		p.header.Del("Content-Type")
	}
	return p, nil
}

func frameReply(f frame) *reply {
	p := newReply(http.StatusOK)
	p.header.Set("Content-Type", "application/jose")
	p.header.Set("ETag", strconv.Quote(f.pos.String()))
	p.header.Set("Cache-Control", "no-cache")
	p.body = []byte(f.jws)
	return p
}

// feedPoll answers with the next frame after a position as soon as there is
// one, or with 204.
func (s *Service) feedPoll(ctx context.Context, since revocation.Position, wait time.Duration) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	missed, v, next, err := s.hub.resume(ctx, since)
	switch {
	case errors.Is(err, ErrUnknownPosition):
		return nil, errPosition
	case err != nil:
		return nil, err
	case missed != nil:
		return frameReply(*missed), nil
	}
	for next == v.end() {
		select {
		case <-v.next:
			v = s.hub.view.Load()
		case <-s.hub.desk.done:
			return newReply(http.StatusNoContent), nil
		case <-ctx.Done():
			return newReply(http.StatusNoContent), nil
		}
	}
	if next < v.first {
		return nil, errPosition // more came in this moment than is kept
	}
	return frameReply(v.frames[next-v.first]), nil
}

// resume finds what a follower at p lacks: the frames from next on, in v or
// later ones, and before them perhaps one made for it from the Log.
func (h *hub) resume(ctx context.Context, p revocation.Position) (missed *frame, v *view, next uint64, err error) {
	if v = h.view.Load(); v == nil {
		return nil, nil, 0, unavailable(errNotReady)
	}
	if next, ok := v.after(p); ok {
		return nil, v, next, nil
	}
	asOf := h.AsOf()
	b, err := h.log.Since(ctx, p)
	if errors.Is(err, ErrUnknownPosition) {
		return nil, v, v.end(), err
	}
	if err != nil {
		return nil, nil, 0, unavailable(fmt.Errorf("asking the log: %w", err))
	}
	if b.Frame.Pos == p {
		return nil, v, v.end(), nil
	}
	jws, err := h.signed(&b.Frame, asOf, h.now())
	if err != nil {
		return nil, nil, 0, unavailable(err)
	}
	f := frame{pos: b.Frame.Pos, jws: jws, event: event("", b.Frame.Pos.String(), jws)}
	return &f, v, v.end(), nil
}
