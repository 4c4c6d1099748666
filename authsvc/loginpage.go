package authsvc

import (
	"net/http"
	"net/url"

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

	Reference string // of a fault
}

// LoginPage implements openapi.ServerInterface.
func (a *publicAPI) LoginPage(w http.ResponseWriter, r *http.Request, params openapi.LoginPageParams) {
	s := (*Service)(a)
	v := s.loginView(params.ReturnTo)
	_, err := s.guard.CheckAt(r, s.now())
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
		p, err = s.loginAgain(w.Header(), r, form, err)
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
	if err := s.judge(p, base); err != nil { // before anything is ended
		return nil, err
	}
	return p, s.replace(r)
}

// loginAgain shows the login page once more, with what was wrong.
func (s *Service) loginAgain(base http.Header, r *http.Request, form url.Values, cause error) (*reply, error) {
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
	if p.status >= http.StatusInternalServerError {
		v.Reference = base.Get(requestIDHeader)
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
