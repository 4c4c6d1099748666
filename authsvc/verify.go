package authsvc

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/sealring-dev/sealring/openapi"
)

// Verify implements openapi.ServerInterface: the guard's answer, in headers
// that a proxy can pass on.
func (a *publicAPI) Verify(w http.ResponseWriter, r *http.Request, params openapi.VerifyParams) {
	s := (*Service)(a)
	if params.Mode != "" && !params.Mode.Valid() {
		s.fail(w, r, invalidRequest("mode must be redirect or location"))
		return
	}
	p, err := s.verify(r)
	if params.Mode != "" && err != nil {
		p, err = s.pointOut(w.Header(), r, params.Mode, err)
	}
	s.finish(w, r, p, err)
}

// pointOut tells a browser where it gets what it was refused for: instead of the
// refusal, or beside it.
func (s *Service) pointOut(base http.Header, r *http.Request, mode openapi.VerifyParamsMode, refused error) (*reply, error) {
	way := s.wayIn(base, r, refused)
	switch {
	case way == nil:
		return nil, refused
	case mode == openapi.VerifyParamsModeRedirect:
		return way, nil
	}
	base["Location"] = way.header["Location"]
	return nil, refused
}

func (s *Service) verify(r *http.Request) (*reply, error) {
	checked, err := s.guard.CheckAt(askedAbout(r), s.now())
	if err != nil {
		return nil, err
	}
	p := newReply(http.StatusOK)
	p.header.Set("X-Auth-Subject", headerText(checked.Subject))
	p.header.Set("X-Auth-Scope", strings.Join(checked.Scopes, " "))
	p.header.Set("Authorization", "Bearer "+checked.Token.Reveal())
	if checked.ID != "" {
		p.header.Set("X-Auth-Session", checked.ID)
	}
	return p, nil
}

// headerText escapes what is not printable ASCII, and then the percent sign
// too, so that no subject can write header lines or be taken for another.
func headerText(s string) string {
	if strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == '%' }) {
		return url.PathEscape(s)
	}
	return s
}
