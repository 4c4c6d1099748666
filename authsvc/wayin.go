package authsvc

import (
	"errors"
	"net/http"
	"strings"

	"github.com/sealring-dev/sealring/middleware"
)

// wayIn leads somebody whom the guard has refused to where a session is to be
// had, and from there to what was asked for: who had one, to the refresh, which
// gives a new token or says why the session has ended; everybody else to the login
// page. It is nil for what is no refusal, and for a program, which wants its 401.
// The way does not go round: the refresh gives no token that is refused alike.
func (s *Service) wayIn(base http.Header, r *http.Request, refused error) *reply {
	page := loginPath
	switch {
	case !isNavigation(r.Header):
		return nil
	case hadSession(refused):
		page = refreshPath
	case !errors.Is(refused, middleware.ErrNoCredential) && !errors.Is(refused, middleware.ErrInvalidToken):
		return nil
	}
	return s.sendTo(&reply{}, base, page, s.forwarded(r.Header))
}

// hadSession says whether a token was refused that had been good.
func hadSession(refused error) bool {
	for _, ended := range []error{middleware.ErrExpired, middleware.ErrRefreshNeeded, middleware.ErrRevoked, middleware.ErrKeyRevoked} {
		if errors.Is(refused, ended) {
			return true
		}
	}
	return false
}

// isNavigation tells a browser's window from a page's script and from programs.
func isNavigation(h http.Header) bool {
	if mode := h.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(h.Get("Accept"), "text/html")
}

// forwarded is what a browser has asked a proxy for, if one may be sent back
// there. Proxies say it in different words, and so can anybody who calls: it is
// judged like any return_to.
func (s *Service) forwarded(h http.Header) string {
	if askedMethod(h) != "" {
		return "" // what was sent with it is lost
	}
	if original, ok := single(h, "X-Original-Url"); ok { // as ingress-nginx names it
		return s.returnTo(original)
	}
	proto, ok1 := single(h, "X-Forwarded-Proto")
	host, ok2 := single(h, "X-Forwarded-Host")
	uri, ok3 := single(h, "X-Forwarded-Uri")
	if !ok1 || !ok2 || !ok3 {
		return ""
	}
	return s.returnTo(proto + "://" + host + uri)
}

// single is the value of a header that is there once.
func single(h http.Header, name string) (string, bool) {
	values := h.Values(name)
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}
