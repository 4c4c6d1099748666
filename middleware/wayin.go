package middleware

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Pages of the issuer that a browser is led to. Both come back to return_to, if
// that is at one of the issuer's app_origins.
const (
	loginPage   = "/login"
	refreshPage = "/v1/refresh"
)

// maxWayBack is how much of a path a browser brings back, in bytes. A longer one
// it has to find again from the front page.
const maxWayBack = 1500

// wayIn is where a browser's window gets a session, and comes back with it: who
// has had one, from the refresh, which leads on to the login where the session has
// ended, and everybody else from the login. It is empty for what no session would
// help against, for what can not be asked for again, and for a page's script or a
// program, which wants its 401. The way does not go round: what it comes back
// with is not refused alike.
//
// The way back is at Config.Origin whatever the request says of its host, so
// nobody is led elsewhere.
func (g *Guard) wayIn(r *http.Request, refused error) string {
	if g.cfg.Origin == "" || !isNavigation(r) {
		return ""
	}
	page := loginPage
	switch {
	case errors.Is(refused, ErrExpired), errors.Is(refused, ErrRefreshNeeded), errors.Is(refused, ErrRevoked), errors.Is(refused, ErrKeyRevoked):
		page = refreshPage
	case !errors.Is(refused, ErrNoCredential) && !errors.Is(refused, ErrInvalidToken) && !errors.Is(refused, ErrLoginNeeded):
		return ""
	}
	back := r.RequestURI
	if !strings.HasPrefix(back, "/") || len(back) > maxWayBack {
		back = "/"
	}
	return strings.TrimSuffix(g.cfg.Issuer, "/") + page + "?return_to=" + url.QueryEscape(g.cfg.Origin+back)
}

// isNavigation tells a browser's window that asks for a page from everything else
// (Fetch Metadata, and Accept for browsers without it).
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return r.Header.Get("Authorization") == "" && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// originFault says what keeps a text from being an origin as browsers write it;
// empty: nothing.
func originFault(o string) string {
	u, err := url.Parse(o)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || o != u.Scheme+"://"+u.Host || o != strings.ToLower(o):
		return "is not an origin like https://shop.example.com"
	case u.Scheme == "http" && u.Hostname() != "localhost" && !strings.HasSuffix(u.Hostname(), ".localhost") && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1":
		return "is http, where others can read the cookies"
	}
	return ""
}
