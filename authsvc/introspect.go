package authsvc

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens"
)

// Introspect implements openapi.ServerInterface: RFC 7662.
func (a *publicAPI) Introspect(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	p, err := s.introspect(r)
	if err != nil {
		s.failOAuth(w, r, err)
		return
	}
	p.write(w)
}

// introspect says whether an access token is good now, for a service that can
// not verify by itself. It must authenticate, lest anybody try out tokens here
// (RFC 7662 §2.1).
func (s *Service) introspect(r *http.Request) (*reply, error) {
	form, err := oauthForm(r)
	if err != nil {
		return nil, err
	}
	id, secret, err := clientOf(r, form)
	if err != nil {
		return nil, err
	}
	client, err := s.confidential(r, id, secret)
	if err != nil {
		return nil, err
	}
	raw := form.Get("token")
	if raw == "" {
		return nil, oauthInvalid("token is missing")
	}
	c, err := s.active(raw, client, s.now())
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, introspection(c))
}

// active returns the claims of a token that is good now and that the client may
// see, nil for every other. A refresh token is nobody's but the auth service's.
func (s *Service) active(raw string, client Client, now time.Time) (*tokens.Claims, error) {
	if !s.hub.Ready() {
		return nil, unavailable(errNotReady)
	}
	c, err := tokens.Verify(raw, s.hub, s.expect(), now)
	switch {
	case errors.Is(err, tokens.ErrInvalid):
		return nil, nil
	case err != nil:
		return nil, unavailable(err)
	case !now.Before(c.ExpiresAt): // the leeway is for verifiers with other clocks
		return nil, nil
	}
	if _, dead := s.hub.list.Match(c); dead || !s.maySee(client, c) {
		return nil, nil
	}
	return c, nil
}

// maySee keeps a protected resource to the tokens that are meant for it (RFC
// 7662 §4), where it is known which it is: a client that is named like an
// audience is that audience. Any client may ask about its own tokens.
func (s *Service) maySee(client Client, c *tokens.Claims) bool {
	return c.ClientID == client.ID || slices.Contains(c.Audience, client.ID) || !slices.Contains(s.cfg.Audiences, client.ID)
}

// introspection is the answer; nothing but "inactive" is said of a token that
// is not good, whatever is wrong with it.
func introspection(c *tokens.Claims) openapi.Introspection {
	if c == nil {
		return openapi.Introspection{}
	}
	out := openapi.Introspection{
		Active: true, TokenType: openapi.IntrospectionTokenTypeBearer,
		Iss: c.Issuer, Sub: c.Subject, Aud: c.Audience, ClientID: c.ClientID, Jti: c.ID.String(),
		Iat: c.IssuedAt.Unix(), Exp: c.ExpiresAt.Unix(), AuthTime: c.AuthTime.Unix(),
		Scope: strings.Join(c.Scope, " "), Roles: c.Roles,
	}
	if !c.SessionID.IsZero() {
		out.Sid = c.SessionID.String()
	}
	return out
}
