package authsvc

import (
	"errors"
	"net/http"
	"strings"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/openapi"
)

// RefreshPage implements openapi.ServerInterface: Refresh for a browser on its
// way to a page.
func (a *publicAPI) RefreshPage(w http.ResponseWriter, r *http.Request, params openapi.RefreshPageParams) {
	s := (*Service)(a)
	if isPrefetch(r) {
		p, err := s.faultPage(w.Header(), r, errPrefetch)
		s.finishPage(w, r, p, err)
		return
	}
	p, err := s.refreshOn(w.Header(), r, s.returnTo(params.ReturnTo))
	s.finishPage(w, r, p, err)
}

// errPrefetch makes a browser throw away what it has fetched ahead, and ask once
// more when somebody goes there: it would otherwise follow the redirect of before.
var errPrefetch = &problem{status: http.StatusServiceUnavailable, code: openapi.ProblemCodeUnavailable}

// isPrefetch tells what a browser asks for ahead of a navigation, in the words of
// today and of before. Nobody has come: the session must neither move nor live
// longer for it.
func isPrefetch(r *http.Request) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz"} {
		if strings.Contains(strings.ToLower(strings.Join(r.Header.Values(name), ",")), "prefetch") {
			return true
		}
	}
	return false
}

func (s *Service) refreshOn(base http.Header, r *http.Request, to string) (*reply, error) {
	if err := noBody(r); err != nil {
		return nil, err
	}
	// A token must not be spent on an answer that proxies do not pass on: it is
	// counted with the way home, and a longer way is only taken if it fits too.
	counted := base.Clone()
	counted.Set("Location", s.home())
	p, err := s.refresh(r, r.Header.Get(retryHeader), counted)
	if err != nil {
		return s.turnedBack(base, r, to, err)
	}
	return s.sendOn(p, base, to), nil
}

// turnedBack leads from a refresh that was refused to the page that says so. A
// fault is not a refusal.
func (s *Service) turnedBack(base http.Header, r *http.Request, to string, err error) (*reply, error) {
	var p *problem
	switch {
	case errors.As(err, &p) && p.code == openapi.ProblemCodeSessionEnded:
		s.note(r, p)
		cleared := &reply{cookies: p.cookies}
		return s.sendTo(cleared, base, endedPath, to, "reason", string(p.reason)), nil
	case errors.Is(err, middleware.ErrNoCredential), errors.Is(err, middleware.ErrInvalidToken):
		return s.sendTo(&reply{}, base, loginPath, to), nil
	}
	return nil, err
}
