package authsvc

import (
	"net/http"

	"github.com/sealring-dev/sealring/openapi"
)

// endedView is what the page about a session's end shows.
type endedView struct {
	letterhead
	Why, Advice, Login string
}

// ending is a reason in words for whoever's session it was.
type ending struct{ title, why, advice string }

// reasonLogout is the one reason that is no problem.
const reasonLogout = "logout"

var endings = map[string]ending{
	string(openapi.ProblemReasonExpired): {"Your session has ended", "A session lasts only so long, whatever you do. This one has reached its end.", ""},
	string(openapi.ProblemReasonIdle):    {"Your session has ended", "It was not used for a while, so it was closed to protect you.", ""},
	string(openapi.ProblemReasonRevoked): {"Your session has ended", "It was ended from somewhere else: you have signed out there, or your password or your account was changed.", ""},
	string(openapi.ProblemReasonReused): {"Your session was ended to protect you", "Somebody may have used a copy of it. It is closed everywhere, for you and for them.",
		"If you do not know why this happened, change your password once you have signed in."},
	string(openapi.ProblemReasonStateLost): {"Your session has ended", "The service has lost what it knew about your session, and takes no chances. Nothing is wrong with your account.", ""},
	reasonLogout:                           {"You are signed out", "Your session is closed, here and everywhere else where it was in use.", ""},
}

// EndedPage implements openapi.ServerInterface.
func (a *publicAPI) EndedPage(w http.ResponseWriter, r *http.Request, params openapi.EndedPageParams) {
	s := (*Service)(a)
	e, known := endings[params.Reason]
	if !known {
		e = ending{"Your session has ended", "Sign in again to go on.", ""}
	}
	to := s.returnTo(params.ReturnTo)
	p, err := s.page(http.StatusOK, "ended.html", endedView{
		letterhead: s.letterhead(e.title, to), Why: e.why, Advice: e.advice, Login: s.pageURL(loginPath, "return_to", to),
	})
	s.finishPage(w, r, p, err)
}
