package authsvc

import (
	"net/http"
	"strconv"

	"github.com/sealring-dev/sealring/openapi"
)

// SessionKeys implements openapi.ServerInterface: the one secret that leaves
// the service, for those who open session cookies.
func (a *publicAPI) SessionKeys(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	p, err := s.sessionKeys(r)
	s.finish(w, r, p, err)
}

func (s *Service) sessionKeys(r *http.Request) (*reply, error) {
	if _, err := s.clientWith(r, scopeSessionKeys); err != nil {
		return nil, err
	}
	now := s.now()
	if err := s.hub.leased(now); err != nil {
		return nil, err
	}
	p := newReply(http.StatusOK)
	p.header.Set("Content-Type", "application/jwk-set+json")
	ring := s.hub.ring.Load()
	p.header.Set(generationHeader, strconv.FormatUint(ring.Generation(), 10))
	p.body = ring.SessionKeys(now).JWKS()
	return p, nil
}

var _ openapi.ServerInterface = (*publicAPI)(nil)
