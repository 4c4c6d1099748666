package authsvc

import (
	"fmt"
	"net/http"
	"strings"
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
	return s.hub.answer(w, r, &params, since, who)
}

// answer serves one who has been let in; nothing is left to send where it
// returns nothing.
func (o *outlet) answer(w http.ResponseWriter, r *http.Request, params *openapi.FeedParams, since *revocation.Position, who *verifier) (*reply, error) {
	switch {
	case params.Snapshot == 1:
		return o.snapshotReply(params.IfNoneMatch)
	case params.Wait > 0:
		who.told(*since, o.now())
		return o.poll(r.Context(), *since, params.IfNoneMatch, time.Duration(params.Wait)*time.Second)
	}
	return nil, o.stream(w, r, since, who)
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

func (o *outlet) snapshotReply(held string) (*reply, error) {
	if v := o.view.Load(); v != nil && held == "*" { // it is there: whoever only wants to know need not have it made
		return newReply(http.StatusNotModified), nil
	}
	s, err := o.source.snapshot()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, part := range s.snap {
		all = append(all, part.jws)
	}
	p := framesReply(all, o.tag(s.snap.pos(), s.view, s.next))
	if holds(held, p.header.Get("ETag")) {
		p.status, p.body = http.StatusNotModified, nil
		p.header.Del("Content-Type")
	}
	return p, nil
}

func frameReply(f frame, tag string) *reply { return framesReply([]string{f.jws}, tag) }

// framesReply has one frame a line.
func framesReply(jws []string, tag string) *reply {
	p := newReply(http.StatusOK)
	p.header.Set("Content-Type", "application/jose")
	p.header.Set("ETag", tag)
	p.header.Set("Cache-Control", "no-cache")
	p.body = []byte(strings.Join(jws, "\n"))
	return p
}
