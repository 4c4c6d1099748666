package authsvc

import (
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/openapi/adminapi"
)

// relayAPI is what a relay has of the public API. The rest is not routed to
// it.
type relayAPI struct {
	openapi.Unimplemented
	r *Relay
}

func (r *Relay) publicHandler() http.Handler {
	mux := chi.NewRouter()
	wrapped := openapi.ServerInterfaceWrapper{Handler: relayAPI{r: r}, ErrorHandlerFunc: r.badParameter}
	mux.Get(feedPath, wrapped.Feed)
	mux.Post(heldPath, wrapped.FeedHeld)
	mux.Get(sessionKeysPath, wrapped.SessionKeys)
	mux.Get(metadataPath, wrapped.Metadata)
	mux.Get(openidPath, wrapped.OpenidConfiguration)
	mux.Get(jwksPath, wrapped.Jwks)
	return r.edge(r.fallbacks(mux))
}

func (r *Relay) adminHandler() http.Handler {
	mux := chi.NewRouter()
	ok := func(w http.ResponseWriter, req *http.Request, err error) {
		var p *reply
		if err == nil {
			p, err = jsonReply(http.StatusOK, adminapi.Health{Status: adminapi.HealthStatusOk})
		}
		r.finish(w, req, p, explained(err, nil))
	}
	mux.Get("/livez", func(w http.ResponseWriter, req *http.Request) { ok(w, req, nil) })
	mux.Get("/readyz", func(w http.ResponseWriter, req *http.Request) { ok(w, req, r.ready()) })
	return r.edge(r.fallbacks(mux))
}

// Feed implements openapi.ServerInterface.
func (a relayAPI) Feed(w http.ResponseWriter, req *http.Request, params openapi.FeedParams) {
	p, err := a.r.feed(w, req, params)
	if p == nil && err == nil {
		return // streamed
	}
	a.r.finish(w, req, p, err)
}

func (r *Relay) feed(w http.ResponseWriter, req *http.Request, params openapi.FeedParams) (*reply, error) {
	since, err := checkFeed(req, &params)
	if err != nil {
		return nil, err
	}
	id, holding, err := checkVerifier(req, &params)
	if err != nil {
		return nil, err
	}
	c, err := r.vouchers.admit(req)
	if err != nil {
		return nil, err
	}
	if r.depth.Load() > maxRelays {
		return nil, unavailable(errChain)
	}
	if err := r.desk.enter(); err != nil {
		return nil, err
	}
	defer r.desk.leave()
	var who *verifier
	if id != nil {
		who = r.verifiers.join(verifierName{c.id, *id}, remote(req), holding, r.now())
		defer func() { r.verifiers.leave(who, r.now()) }()
		defer r.guests.add(who, c)()
	}
	return r.answer(w, req, &params, since, who)
}

// FeedHeld implements openapi.ServerInterface: it is the upstream's to note.
func (a relayAPI) FeedHeld(w http.ResponseWriter, req *http.Request) {
	p, err := a.r.held(req)
	a.r.finish(w, req, p, err)
}

func (r *Relay) held(req *http.Request) (*reply, error) {
	c, err := r.vouchers.admit(req)
	if err != nil {
		return nil, err
	}
	h, err := readHeld(req)
	if err != nil {
		return nil, err
	}
	t, err := r.report(req.Context(), c, h.verifier, h.generation, h.pos)
	if err == nil && t.status != http.StatusNoContent {
		err = r.vouchers.learn(c, t, nil)
	}
	if err != nil {
		return nil, asUnavailable(err)
	}
	r.verifiers.report(verifierName{c.id, h.verifier}, remote(req), h.generation, h.pos, r.now())
	return newReply(http.StatusNoContent), nil
}

// SessionKeys implements openapi.ServerInterface. They are the caller's and
// not the relay's: what the upstream gives to these credentials, and while it
// is away what it gave to them before.
func (a relayAPI) SessionKeys(w http.ResponseWriter, req *http.Request) {
	p, err := a.r.sessionKeys(req)
	a.r.finish(w, req, p, err)
}

func (r *Relay) sessionKeys(req *http.Request) (*reply, error) {
	c, err := r.vouchers.caller(req)
	if err != nil {
		return nil, err
	}
	t, err := r.upstream.ask(req.Context(), question{method: http.MethodGet, path: sessionKeysPath, authorization: c.authorization})
	if err != nil {
		var ok bool
		if t, ok = r.vouchers.release(c); !ok {
			return nil, unavailable(err)
		}
	}
	switch t.status {
	case http.StatusOK, http.StatusForbidden:
		r.vouchers.keep(c, t)
	case http.StatusUnauthorized:
		r.vouchers.forget(c)
		return nil, errBadClient
	default:
		return nil, unavailable(errSilentUpstream)
	}
	if t.status == http.StatusForbidden {
		return nil, errScope
	}
	p := newReply(http.StatusOK)
	p.header.Set("Content-Type", "application/jwk-set+json")
	if g := t.header.Get(generationHeader); g != "" {
		p.header.Set(generationHeader, g)
	}
	p.body = t.body
	return p, nil
}

// Jwks implements openapi.ServerInterface.
func (a relayAPI) Jwks(w http.ResponseWriter, req *http.Request, params openapi.JwksParams) {
	a.document(w, req, a.r.jwks, "application/jwk-set+json", params.IfNoneMatch)
}

// Metadata implements openapi.ServerInterface: the issuer's own document. Its
// addresses are the issuer's; who follows a relay knows where to ask instead.
func (a relayAPI) Metadata(w http.ResponseWriter, req *http.Request, params openapi.MetadataParams) {
	a.document(w, req, a.r.metadata, "application/json", params.IfNoneMatch)
}

// OpenidConfiguration implements openapi.ServerInterface.
func (a relayAPI) OpenidConfiguration(w http.ResponseWriter, req *http.Request, params openapi.OpenidConfigurationParams) {
	a.Metadata(w, req, openapi.MetadataParams(params))
}

func (a relayAPI) document(w http.ResponseWriter, req *http.Request, m *mirror, mediaType, held string) {
	p, err := m.reply(req.Context(), mediaType, held)
	if err == nil {
		p.header.Set(relayHeader, strconv.Itoa(int(a.r.depth.Load())))
	}
	a.r.finish(w, req, p, err)
}
