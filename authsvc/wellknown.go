package authsvc

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/openapi"
)

// maxStale is what the feed's metadata recommends to verifiers: the life of an
// access token, at which a cut-off verifier goes on until the tokens run out.
func (c Config) maxStale() time.Duration { return c.AccessTTL }

// Jwks implements openapi.ServerInterface.
func (a *publicAPI) Jwks(w http.ResponseWriter, r *http.Request, params openapi.JwksParams) {
	s := (*Service)(a)
	now := s.now()
	if err := s.hub.leased(now); err != nil {
		s.fail(w, r, err)
		return
	}
	ring := s.hub.ring.Load()
	p := document("application/jwk-set+json", ring.PublicSet(now).JWKS(), s.cfg.JWKSMaxAge, params.IfNoneMatch)
	p.header.Set(generationHeader, strconv.FormatUint(ring.Generation(), 10))
	p.write(w)
}

// Metadata implements openapi.ServerInterface.
func (a *publicAPI) Metadata(w http.ResponseWriter, r *http.Request, params openapi.MetadataParams) {
	s := (*Service)(a)
	p, err := s.metadata(params.IfNoneMatch)
	s.finish(w, r, p, err)
}

// OpenidConfiguration implements openapi.ServerInterface.
func (a *publicAPI) OpenidConfiguration(w http.ResponseWriter, r *http.Request, params openapi.OpenidConfigurationParams) {
	a.Metadata(w, r, openapi.MetadataParams(params))
}

// OpenapiDocument implements openapi.ServerInterface.
func (a *publicAPI) OpenapiDocument(w http.ResponseWriter, _ *http.Request, params openapi.OpenapiDocumentParams) {
	document("application/yaml", openapi.Document, time.Hour, params.IfNoneMatch).write(w)
}

// metadata is RFC 8414 §2. id_token_signing_alg_values_supported is there
// because verifiers made for OpenID take their list of algorithms from it.
func (s *Service) metadata(held string) (*reply, error) {
	iss := s.cfg.Issuer
	publicToo := []string{"none", "client_secret_basic", "client_secret_post"}
	m := openapi.Metadata{
		Issuer:                            iss,
		TokenEndpoint:                     iss + tokenPath,
		RevocationEndpoint:                iss + revokePath,
		IntrospectionEndpoint:             iss + introspectPath,
		JwksURI:                           iss + "/.well-known/jwks.json",
		ResponseTypesSupported:            []string{}, // there is no authorization endpoint
		GrantTypesSupported:               []string{"refresh_token", "client_credentials", grantExchange},
		TokenEndpointAuthMethodsSupported: publicToo,

		RevocationEndpointAuthMethodsSupported:    publicToo,
		IntrospectionEndpointAuthMethodsSupported: publicToo[1:],

		IDTokenSigningAlgValuesSupported: s.algs(),
	}
	m.SealringFeed.URI = iss + "/v1/feed"
	m.SealringFeed.HeldURI = iss + "/v1/feed/held"
	m.SealringFeed.SessionKeysURI = iss + "/v1/session-keys"
	m.SealringFeed.AccessTTL = seconds(s.cfg.AccessTTL)
	m.SealringFeed.MaxStale = seconds(s.cfg.maxStale())
	m.SealringFeed.EntryLife = seconds(s.hub.entryLife())
	m.SealringFeed.Heartbeat = seconds(heartbeat)
	p, err := jsonReply(http.StatusOK, m)
	if err != nil {
		return nil, err
	}
	return document("application/json", p.body, s.cfg.JWKSMaxAge, held), nil
}

// algs are the algorithms of the access token keys that are published now.
func (s *Service) algs() []string {
	algs := []string{}
	for _, k := range s.hub.ring.Load().PublicSet(s.now()).Keys() {
		if k.Purpose == keys.AccessToken && !slices.Contains(algs, string(k.Alg)) {
			algs = append(algs, string(k.Alg))
		}
	}
	slices.Sort(algs)
	return algs
}

// document is a public answer that caches may keep, or 304 for who holds it.
func document(mediaType string, body []byte, maxAge time.Duration, held string) *reply {
	sum := sha256.Sum256(body)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	p := newReply(http.StatusOK)
	p.header.Set("ETag", etag)
	p.header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", seconds(maxAge)))
	if holds(held, etag) {
		p.status = http.StatusNotModified
		return p
	}
	p.header.Set("Content-Type", mediaType)
	p.body = body
	return p
}

// holds reports whether If-None-Match names the tag (RFC 9110 §13.1.2).
func holds(held, etag string) bool {
	for tag := range strings.SplitSeq(held, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}
