package authsvc

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/sealring-dev/sealring/openapi"
)

// The endpoints that answer in the form of RFC 6749 §5.2.
const (
	tokenPath      = "/v1/token"
	revokePath     = "/v1/revoke"
	introspectPath = "/v1/introspect"
)

func speaksOAuth(path string) bool {
	return path == tokenPath || path == revokePath || path == introspectPath
}

// oauthForm reads the form. A parameter without a value counts as left out, an
// unknown one is ignored, none may be there twice (RFC 6749 §3.2); in the URL,
// which everybody logs, there may be none at all.
func oauthForm(r *http.Request) (url.Values, error) {
	if r.URL.RawQuery != "" {
		return nil, oauthInvalid("parameters belong into the body")
	}
	data, err := readBody(r, "application/x-www-form-urlencoded")
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, oauthInvalid("the body is not a form")
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, oauthInvalid("parameter " + quote(name) + " is there twice")
		}
	}
	return form, nil
}

// clientOf returns the one set of client credentials of a request (RFC 6749
// §2.3.1), empty where there is none.
func clientOf(r *http.Request, form url.Values) (id, secret string, err error) {
	inBody := form.Get("client_id")
	if r.Header["Authorization"] == nil {
		return inBody, form.Get("client_secret"), nil
	}
	if form.Get("client_secret") != "" {
		return "", "", oauthInvalid("the client authenticates twice")
	}
	user, pass, ok := r.BasicAuth()
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(pass)
	if !ok || len(r.Header["Authorization"]) > 1 || errors.Join(err1, err2) != nil || id == "" {
		return "", "", badClient()
	}
	if inBody != "" && inBody != id {
		return "", "", oauthInvalid("client_id is not the authenticated client")
	}
	return id, secret, nil
}

// isPublic says whether the credentials are those of the client of all
// logins, which has no secret and need not name itself.
func isPublic(id, secret string) bool { return secret == "" && (id == "" || id == loginClient) }

// confidential authenticates a service client.
func (s *Service) confidential(r *http.Request, id, secret string) (Client, error) {
	c, err := s.authenticate(r, id, secret)
	if errors.Is(err, errBadClient) {
		return c, badClient()
	}
	return c, err
}

func badClient() error {
	return &oauthError{401, openapi.OAuthErrorErrorInvalidClient, "the client is not known, or not with this secret"}
}

// errForeignToken is for a token that was issued to another client.
var errForeignToken = &oauthError{400, openapi.OAuthErrorErrorInvalidGrant, "the token is not this client's"}
