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

// Token implements openapi.ServerInterface: RFC 6749 §3.2.
func (a *publicAPI) Token(w http.ResponseWriter, r *http.Request, params openapi.TokenParams) {
	s := (*Service)(a)
	p, err := s.token(r, params.SealringRetry)
	if err != nil {
		s.failOAuth(w, r, err)
		return
	}
	p.header.Set("Pragma", "no-cache") // RFC 6749 §5.1
	p.write(w)
}

func (s *Service) token(r *http.Request, retry string) (*reply, error) {
	form, err := oauthForm(r)
	if err != nil {
		return nil, err
	}
	req := &openapi.TokenRequest{GrantType: form.Get("grant_type"), RefreshToken: form.Get("refresh_token"), Scope: form.Get("scope")}
	id, secret, err := clientOf(r, form)
	if err != nil {
		return nil, err
	}
	switch req.GrantType {
	case "client_credentials":
		return s.tokenForClient(r, req, id, secret)
	case "refresh_token":
		return s.tokenForRefresh(r, req, id, secret, retry)
	case grantExchange:
		return s.exchange(r, form, id, secret)
	case "":
		return nil, oauthInvalid("grant_type is missing")
	}
	return nil, &oauthError{400, openapi.OAuthErrorErrorUnsupportedGrantType, "refresh_token, client_credentials and token-exchange are supported"}
}

// tokenForClient is RFC 6749 §4.4: a service's token for itself.
func (s *Service) tokenForClient(r *http.Request, req *openapi.TokenRequest, id, secret string) (*reply, error) {
	stale := s.staleBefore(id)
	client, err := s.confidential(r, id, secret)
	if err != nil {
		return nil, err
	}
	scopes, err := narrowed(client.Scopes, req.Scope)
	if err != nil {
		return nil, err
	}
	now := s.now()
	c := tokens.Claims{
		Subject:   client.ID,
		ClientID:  client.ID,
		Audience:  s.cfg.Audiences,
		Scope:     scopes,
		IssuedAt:  now.Truncate(time.Second).UTC(),
		ExpiresAt: now.Truncate(time.Second).Add(jittered(s.cfg.AccessTTL)).UTC(),
	}
	c.AuthTime = c.IssuedAt
	s.admit(&c)
	postdate(&c, stale)
	return s.tokenReply(&grant{claims: c}, now)
}

// tokenForRefresh is RFC 6749 §6, for the sessions of mode token, whose client
// is a public one.
func (s *Service) tokenForRefresh(r *http.Request, req *openapi.TokenRequest, id, secret, retry string) (*reply, error) {
	switch {
	case !isPublic(id, secret):
		if _, err := s.confidential(r, id, secret); err != nil {
			return nil, err
		}
		return nil, errForeignToken
	case req.RefreshToken == "":
		return nil, oauthInvalid("refresh_token is missing")
	}
	if err := checkRetry(r, retry); err != nil {
		return nil, err
	}
	quiet, err := background(r)
	if err != nil {
		return nil, err
	}
	now := s.now()
	t, err := s.openRefresh(req.RefreshToken, false, now)
	if err != nil {
		return nil, err
	}
	g, err := s.renewable(r, t, quiet, now)
	if err != nil {
		return nil, err
	}
	if g.claims.Scope, err = narrowed(g.claims.Scope, req.Scope); err != nil {
		return nil, err
	}
	if err := s.rehearse(g, t, nil, now); err != nil {
		return nil, err
	}
	if err := s.present(r, g, t, retry, now); err != nil {
		return nil, err
	}
	return s.tokenReply(g, now)
}

// narrowed returns the scopes asked for, which must be among those granted;
// all of them when none was asked for. Spaces stand between them, and no other
// blank (RFC 6749 §3.3).
func narrowed(granted []string, asked string) ([]string, error) {
	if asked == "" {
		return granted, nil
	}
	scopes := strings.FieldsFunc(asked, func(c rune) bool { return c == ' ' })
	if len(scopes) == 0 {
		return nil, badScope("scope has only blanks")
	}
	slices.Sort(scopes)
	scopes = slices.Compact(scopes)
	for _, scope := range scopes {
		if !slices.Contains(granted, scope) {
			return nil, badScope("scope " + quote(scope) + " is not granted")
		}
	}
	return scopes, nil
}

func badScope(description string) error {
	return &oauthError{400, openapi.OAuthErrorErrorInvalidScope, description}
}

// tokenReply is RFC 6749 §5.1.
func (s *Service) tokenReply(g *grant, now time.Time) (*reply, error) {
	c := &g.claims
	access, err := s.sign(c, now)
	if errors.Is(err, errRevoked) {
		return nil, sessionEnded(openapi.ProblemReasonRevoked, false)
	}
	if err != nil {
		return nil, err
	}
	body := openapi.TokenResponse{
		AccessToken: access, TokenType: openapi.TokenResponseTokenTypeBearer,
		ExpiresIn: seconds(c.ExpiresAt.Sub(now)), Scope: strings.Join(c.Scope, " "),
	}
	if g.refresh != nil {
		if body.RefreshToken, err = s.sealRefresh(g, now); err != nil {
			return nil, err
		}
	}
	if g.exchanged {
		body.IssuedTokenType = typeAccess
		return jsonReply(http.StatusOK, body)
	}
	if c.SessionID.IsZero() { // a service's own
		return jsonReply(http.StatusOK, body)
	}
	body.IdleExpiresIn, body.SessionExpiresIn = seconds(g.idleEnd.Sub(now)), seconds(g.end.Sub(now))
	p, err := jsonReply(http.StatusOK, body)
	if err != nil {
		return nil, err
	}
	p.header.Set(expiresHeader, expires(body.ExpiresIn, body.IdleExpiresIn, body.SessionExpiresIn))
	return p, nil
}
