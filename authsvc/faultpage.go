package authsvc

import (
	"errors"
	"net/http"

	"github.com/sealring-dev/sealring/middleware"
)

// faultView is what the page about a fault shows.
type faultView struct {
	letterhead
	Why, Link, Do, Reference string
}

// finishPage is finish for what answers with pages.
func (s *Service) finishPage(w http.ResponseWriter, r *http.Request, p *reply, err error) {
	if err == nil && p.cookies != nil {
		err = s.fits(p, w.Header())
	}
	if err != nil {
		s.failPage(w, r, err)
		return
	}
	p.write(w)
}

// failPage is fail for what answers with pages.
func (s *Service) failPage(w http.ResponseWriter, r *http.Request, err error) {
	p := pageProblem(err)
	if twins := clearedTwins(r, err); twins != nil {
		p.cookies = twins
	}
	s.note(r, p)
	rep, err := s.faultPage(w.Header(), r, p)
	if err != nil { // can not be: the template and its data are fixed
		w.WriteHeader(p.status)
		return
	}
	rep.write(w)
}

func (s *Service) faultPage(base http.Header, r *http.Request, p *problem) (*reply, error) {
	title, why := faultWords(p.status)
	v := faultView{letterhead: s.letterhead(title, ""), Why: why, Link: s.pageURL(loginPath), Do: "Go to the login page", Reference: base.Get(requestIDHeader)}
	if p.status == http.StatusServiceUnavailable && r.Method == http.MethodGet {
		v.Link, v.Do = r.URL.RequestURI(), "Try again"
	}
	rep, err := s.page(p.status, "fault.html", v)
	if err == nil {
		p.headers(rep)
	}
	return rep, err
}

func faultWords(status int) (title, why string) {
	switch status {
	case http.StatusForbidden:
		return "This came from another site", "Another site has sent this, in your name. Nothing was done. If you meant it, begin at the login page."
	case http.StatusServiceUnavailable:
		return "One moment, please", "The service can not answer this right now. You are not signed out; try again in a moment."
	case http.StatusInternalServerError:
		return "Something went wrong here", "It is not your fault, and we have a record of it."
	}
	return "This did not work", "What your browser has sent is not what the service takes. Begin again at the login page."
}

// pageProblem is any error as a problem, the guard's too.
func pageProblem(err error) *problem {
	switch {
	case errors.Is(err, middleware.ErrCrossOrigin):
		return errCrossOrigin
	case errors.Is(err, middleware.ErrUnavailable):
		err = unavailable(err)
	case isGuards(err):
		err = invalidRequest(err.Error())
	}
	_, p := problemOf(err)
	return p
}
