package authsvc

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
)

const (
	maxClientID     = 256  // bytes
	maxClientSecret = 1024 // bytes
)

// The scopes of service clients that mean something here.
const (
	scopeFeed        = "feed"
	scopeSessionKeys = "session-keys"
)

// clientWith authenticates a service by Basic (RFC 7617) and demands a scope
// of it.
func (s *Service) clientWith(r *http.Request, scope string) (Client, error) {
	id, secret, ok := r.BasicAuth()
	if !ok || len(r.Header["Authorization"]) > 1 {
		return Client{}, errBadClient
	}
	c, err := s.authenticate(r, id, secret)
	if err != nil {
		return Client{}, err
	}
	if !slices.Contains(c.Scopes, scope) {
		return Client{}, errScope
	}
	return c, nil
}

func (s *Service) authenticate(r *http.Request, id, secret string) (Client, error) {
	if len(id) > maxClientID || len(secret) > maxClientSecret {
		return Client{}, errBadClient
	}
	c, err := s.cfg.Clients.Authenticate(r.Context(), id, secret)
	switch {
	case errors.Is(err, ErrBadCredentials):
		return Client{}, errBadClient
	case err != nil:
		return Client{}, unavailable(fmt.Errorf("asking for the client: %w", err))
	}
	return c, nil
}
