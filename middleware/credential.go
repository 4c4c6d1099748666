package middleware

import (
	"net/http"
	"strings"

	"github.com/sealring-dev/sealring/tokens"
)

// maxCookieLen is what browsers keep of one cookie, name and attributes
// included (RFC 6265bis §5.6). Nothing longer can be ours.
const maxCookieLen = 4096

// credential is the one thing that a request shows.
type credential struct {
	value  string
	cookie bool // a sealed session, not a bare token
}

// credential finds the request's one credential by length and form alone; no
// work is done on it yet. Another authentication scheme is none of ours and
// counts as no credential.
func (g *Guard) credential(r *http.Request) (credential, error) {
	bearer, found, err := bearerToken(r.Header["Authorization"])
	if err != nil {
		return credential{}, err
	}
	cookie, cookies := g.sessionCookie(r.Header["Cookie"])
	if found {
		cookies++
	}
	switch {
	case cookies == 0:
		return credential{}, ErrNoCredential
	case cookies > 1:
		return credential{}, ErrManyCredentials
	case found:
		return credential{value: bearer}, fits(bearer, tokens.MaxTokenLen)
	}
	return credential{value: cookie, cookie: true}, fits(cookie, maxCookieLen)
}

// fits refuses by length before anything else is done with a credential.
func fits(value string, limit int) error {
	if len(value) > limit {
		return errTooLong
	}
	return nil
}

// bearerToken reads the Authorization header (RFC 6750 §2.1).
func bearerToken(headers []string) (token string, found bool, err error) {
	switch len(headers) {
	case 0:
		return "", false, nil
	case 1:
	default:
		return "", false, ErrManyCredentials
	}
	token, ok := strings.CutPrefix(headers[0], "Bearer ") // as nearly everyone writes it
	if !ok {
		scheme, rest, _ := strings.Cut(headers[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", false, nil
		}
		token = rest
	}
	token = strings.TrimLeft(token, " ")
	if token == "" {
		return "", false, ErrMalformed
	}
	return token, true, nil
}

// sessionCookie returns the session cookie's value and how often it occurs.
// It looks for one name and allocates nothing, however many cookies there are.
func (g *Guard) sessionCookie(headers []string) (value string, count int) {
	if !g.cookies {
		return "", 0
	}
	for _, line := range headers {
		for pair := range strings.SplitSeq(line, ";") {
			name, v, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
			if ok && name == g.cfg.Cookie {
				value, count = v, count+1
			}
		}
	}
	return value, count
}
