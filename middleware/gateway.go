package middleware

import (
	"net/http"
	"strings"
)

// refreshCookie is the issuer's alone; it comes here only if somebody sends it
// where it does not belong.
const refreshCookie = "__Secure-refresh"

// PassOn is Handler for a gateway. next, such as an httputil.ReverseProxy, gets the
// request with the access token as its bearer token, whether that came so or in
// a session cookie, and without the cookies of the session:
//
//	http.ListenAndServe(addr, guard.PassOn(&httputil.ReverseProxy{Rewrite: toOrders}))
//
// The services behind verify the token themselves, each for its audience, with a
// guard that needs no Client and no session key; Audiences of the gateway's guard
// are all of theirs. When the session ends the gateway ends its requests to them, so
// that streams end there too. A service that other ways lead to as well hears of
// revocations by a Client of its own.
func (g *Guard) PassOn(next http.Handler) http.Handler {
	return g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := FromContext(r.Context())
		out := new(http.Request)
		*out = *r
		out.Header = r.Header.Clone()
		out.Header.Set("Authorization", "Bearer "+s.Token.Reveal())
		out.Header.Del("Cookie")
		for _, line := range r.Header["Cookie"] {
			if kept := otherCookies(line); kept != "" {
				out.Header.Add("Cookie", kept)
			}
		}
		next.ServeHTTP(w, out)
	}))
}

// otherCookies is a Cookie line without those of a session.
func otherCookies(line string) string {
	var kept []string
	for pair := range strings.SplitSeq(line, ";") {
		pair = strings.Trim(pair, " \t")
		switch name, _, _ := strings.Cut(pair, "="); name {
		case HostCookie, DomainCookie, refreshCookie, "":
		default:
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "; ")
}
