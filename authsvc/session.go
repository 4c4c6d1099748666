package authsvc

import (
	"net/http"

	"github.com/sealring-dev/sealring/tokens"
)

// GetSession implements openapi.ServerInterface.
func (a *publicAPI) GetSession(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	p, err := s.session(r)
	s.finish(w, r, p, err)
}

func (s *Service) session(r *http.Request) (*reply, error) {
	checked, err := s.guard.Check(r)
	if err != nil {
		return nil, err
	}
	now := s.now()
	claims := checked.Claims()
	body := sessionOf(&claims, now)
	left := expires(body.ExpiresIn, -1, -1)
	if bearer(r) == "" { // only the cookie knows about the session as a whole
		raw, err := onlyCookie(r, sessionCookie)
		if err != nil {
			return nil, err
		}
		sealed, err := tokens.OpenSession(raw, s.hub, now)
		if err != nil {
			return nil, err // it has just been opened: a fault of ours
		}
		body.IdleExpiresIn, body.SessionExpiresIn = seconds(sealed.IdleEnd.Sub(now)), seconds(sealed.SessionEnd.Sub(now))
		body.Data, body.Version = sealed.Data, int64(sealed.Version)
		left = expires(body.ExpiresIn, body.IdleExpiresIn, body.SessionExpiresIn)
	}
	p, err := jsonReply(http.StatusOK, body)
	if err != nil {
		return nil, err
	}
	p.header.Set(expiresHeader, left)
	return p, nil
}
