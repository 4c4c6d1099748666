package authsvc

import (
	"errors"
	"net/http"
	"time"

	"github.com/sealring-dev/sealring/middleware"
)

// The cookies. __Host- keeps another host of the domain from setting the
// session (RFC 6265bis §4.1.3.2); the refresh cookie goes to one path only and
// so can have but __Secure-.
const (
	sessionCookie = middleware.HostCookie
	refreshCookie = "__Secure-refresh"
	refreshPath   = "/v1/refresh"
)

// cookie makes one of our cookies, for at most life; a life below one second
// clears it.
func cookie(name, path, value string, life time.Duration) *http.Cookie {
	age := int(life / time.Second)
	if age < 1 {
		age = -1 // net/http writes Max-Age=0
	}
	return &http.Cookie{
		Name: name, Value: value, Path: path, MaxAge: age,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func newSessionCookie(value string, life time.Duration) *http.Cookie {
	return cookie(sessionCookie, "/", value, life)
}

func newRefreshCookie(value string, life time.Duration) *http.Cookie {
	return cookie(refreshCookie, refreshPath, value, life)
}

// clearedCookies makes a browser forget both.
func clearedCookies() []*http.Cookie {
	return []*http.Cookie{newSessionCookie("", 0), newRefreshCookie("", 0)}
}

// onlyCookie returns the value of the one cookie of that name: "" when there
// is none, an error when there are several, for then two parties have set it.
func onlyCookie(r *http.Request, name string) (string, error) {
	switch found := r.CookiesNamed(name); len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0].Value, nil
	}
	return "", middleware.ErrManyCredentials
}

// clearedTwins are both cookies, cleared, for a request that was refused because
// it has one of them twice: nil else. Nobody can tell which of the two is whose, so neither
// is a session, and the browser would show both for as long as it has ours.
func clearedTwins(r *http.Request, err error) []*http.Cookie {
	if !errors.Is(err, middleware.ErrManyCredentials) {
		return nil
	}
	if len(r.CookiesNamed(sessionCookie)) < 2 && len(r.CookiesNamed(refreshCookie)) < 2 {
		return nil
	}
	return clearedCookies()
}
