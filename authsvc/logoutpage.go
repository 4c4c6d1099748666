package authsvc

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/sealring-dev/sealring/middleware"
)

// SubmitLogout implements openapi.ServerInterface: Logout for a form.
func (a *publicAPI) SubmitLogout(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	p, err := s.signOut(r)
	s.finishPage(w, r, p, err)
}

func (s *Service) signOut(r *http.Request) (*reply, error) {
	form, err := pageForm(r, "return_to")
	if err != nil {
		return nil, err
	}
	now := s.now()
	c, err := s.leaving(r, now)
	switch {
	case errors.Is(err, middleware.ErrNoCredential), errors.Is(err, middleware.ErrInvalidToken): // nobody is logged in
	case err != nil:
		return nil, err
	default:
		if _, err := s.leave(r, c, now); err != nil {
			return nil, err
		}
	}
	p, err := loggedOut(true) // where it is known so far is nothing that the user could act on
	if err != nil {
		return nil, err
	}
	next := p.to(cmp.Or(s.returnTo(form.Get("return_to")), s.pageURL(endedPath, "reason", reasonLogout)))
	next.header["Clear-Site-Data"] = p.header["Clear-Site-Data"]
	return next, nil
}
