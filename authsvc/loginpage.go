package authsvc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sealring-dev/sealring/openapi"
)

// loginView is what the login page shows.
type loginView struct {
	letterhead
	Where    string // host of ReturnTo, where that is another
	Username string
	Wrong    string // "": nothing
	Mistaken bool   // it is what was typed
	SignedIn bool
}

// LoginPage implements openapi.ServerInterface.
func (a *publicAPI) LoginPage(w http.ResponseWriter, r *http.Request, params openapi.LoginPageParams) {
	s := (*Service)(a)
	v := s.loginView(params.ReturnTo)
	_, err := s.guard.Check(r)
	v.SignedIn = err == nil
	p, err := s.page(http.StatusOK, "login.html", v)
	s.finishPage(w, r, p, err)
}

func (s *Service) loginView(asked string) *loginView {
	v := &loginView{letterhead: s.letterhead("Sign in", s.returnTo(asked))}
	if u, err := url.Parse(v.ReturnTo); err == nil && u.Host != v.Host {
		v.Where = u.Host
	}
	return v
}

// SubmitLogin implements openapi.ServerInterface.
func (a *publicAPI) SubmitLogin(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	form, err := pageForm(r, "username", "password", "return_to")
	if err != nil {
		s.failPage(w, r, err)
		return
	}
	p, err := s.signIn(w.Header(), r, form)
	if err != nil {
		p, err = s.loginAgain(r, form, err)
	}
	s.finishPage(w, r, p, err)
}

// signIn is Login for a form.
func (s *Service) signIn(base http.Header, r *http.Request, form url.Values) (*reply, error) {
	p, err := s.loginAs(r, &openapi.LoginRequest{
		Username: form.Get("username"), Password: form.Get("password"), Mode: openapi.ModeCookie,
	})
	if err != nil {
		return nil, err
	}
	p = s.sendOn(p, base, s.returnTo(form.Get("return_to")))
	if err := p.fits(base); err != nil { // before anything is ended
		return nil, err
	}
	return p, s.replace(r)
}

// sendOn makes an answer with cookies one that sends the browser on. A
// destination too long for what proxies take beside the cookies is left out.
func (s *Service) sendOn(p *reply, base http.Header, to string) *reply {
	if to != "" {
		if next := p.to(to); next.fits(base) == nil {
			return next
		}
	}
	return p.to(s.home())
}

// to is a redirect with the cookies of p.
func (p *reply) to(location string) *reply {
	next := newReply(http.StatusSeeOther)
	next.header.Set("Location", location)
	next.cookies, next.parts = p.cookies, p.parts
	return next
}

// loginAgain shows the login page once more, with what was wrong.
func (s *Service) loginAgain(r *http.Request, form url.Values, cause error) (*reply, error) {
	p := pageProblem(cause)
	s.note(r, p)
	v := s.loginView(form.Get("return_to"))
	v.Title = "Error: " + v.Title
	v.Username = form.Get("username")
	v.Mistaken = p.status == http.StatusUnauthorized || p.status == http.StatusBadRequest
	v.Wrong = wrongAtLogin[p.code]
	if v.Wrong == "" {
		v.Wrong = "Something went wrong here, and it is not your fault. Try again later."
	}
	rep, err := s.page(p.status, "login.html", v)
	if err == nil {
		p.headers(rep)
	}
	return rep, err
}

var wrongAtLogin = map[openapi.ProblemCode]string{
	openapi.ProblemCodeBadCredentials:  "The user name or the password is wrong.",
	openapi.ProblemCodeInvalidRequest:  "Enter your user name and your password.",
	openapi.ProblemCodeSessionTooLarge: "Your account has more roles than a session can hold. Tell whoever runs this service.",
	openapi.ProblemCodeUnavailable:     "Nobody can sign in right now. Try again in a moment.",
}

// pageForm reads the form of a page: of these fields each once at most, and no
// other.
func pageForm(r *http.Request, names ...string) (url.Values, error) {
	data, err := readBody(r, "application/x-www-form-urlencoded")
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, invalidRequest("the body is not a form")
	}
	for name, values := range form {
		if !slices.Contains(names, name) || len(values) > 1 {
			return nil, invalidField(name, "is unknown or there twice")
		}
		if strings.ToValidUTF8(values[0], "") != values[0] {
			return nil, invalidField(name, "is not UTF-8")
		}
	}
	return form, nil
}
