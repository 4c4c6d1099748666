package authsvc

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// A token exchange (RFC 8693) gives a service, in the place of a user's token that
// came to it, one for the next service: of the same session and subject, so that
// whatever ends those ends it too, for that one audience, with the same scope or
// less, and no longer. A service passes on no token that is good elsewhere.
//
// The client must be allowed to, by its scope "exchange:AUDIENCE", and the token
// must have been meant for it: a client that is named like an audience is that one.
// The token says by its client_id who has it, and by its act claim for whom that one
// acts in turn, down to the client of the login: so that the end of each of them is its
// end too (see revocation.Targets).
const (
	grantExchange  = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeAccess     = "urn:ietf:params:oauth:token-type:access_token"
	typeJWT        = "urn:ietf:params:oauth:token-type:jwt"
	scopeExchange  = "exchange:" // and the audience
	maxAccessToken = tokens.MaxTokenLen
)

// exchange answers a request with that grant type.
func (s *Service) exchange(r *http.Request, form url.Values, id, secret string) (*reply, error) {
	client, err := s.confidential(r, id, secret)
	if err != nil {
		return nil, err
	}
	audience, err := s.exchangeAsked(form)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(client.Scopes, scopeExchange+audience) {
		return nil, &oauthError{400, openapi.OAuthErrorErrorInvalidTarget, "the client lacks the scope " + quote(scopeExchange+audience)}
	}
	now := s.now()
	held, err := s.active(form.Get("subject_token"), client, now)
	if err != nil {
		return nil, err
	}
	if held == nil || !slices.Contains(held.Audience, client.ID) {
		return nil, oauthInvalid("subject_token is not valid, or not for this client")
	}
	c := *held
	c.ClientID, c.Audience, c.Actors = client.ID, []string{audience}, acting(client.ID, held)
	if len(c.Actors) > tokens.MaxActors {
		return nil, oauthInvalid("subject_token has been exchanged too often")
	}
	if c.Scope, err = narrowed(held.Scope, form.Get("scope")); err != nil {
		return nil, err
	}
	c.IssuedAt = later(s.notBefore(client.ID, now), held.IssuedAt) // which may be postdated: see claims.go
	c.ExpiresAt = earlier(held.ExpiresAt, c.IssuedAt.Add(s.cfg.AccessTTL))
	return s.tokenReply(&grant{claims: c, exchanged: true}, now)
}

// acting are who acts when a client shows a token that it has exchanged, the newest
// first.
func acting(client string, held *tokens.Claims) []string {
	before := held.Actors
	if len(before) == 0 {
		before = []string{held.ClientID}
	}
	return append([]string{client}, before...)
}

// notBefore is from when on what a client gets counts: now, or up to a second later
// where all that it had was revoked in this second.
func (s *Service) notBefore(client string, now time.Time) time.Time {
	at := now.Truncate(time.Second).UTC()
	e, _ := s.hub.list.Find(revocation.ClientEntry(s.cfg.Issuer, client, time.Time{}, time.Time{}).Target())
	return later(at, time.Unix(int64(e.T), 0).UTC())
}

// exchangeAsked returns the audience that is asked for. What it does not know of
// RFC 8693 §2.1 it refuses, and does not leave out.
func (s *Service) exchangeAsked(form url.Values) (audience string, err error) {
	for _, name := range []string{"subject_token", "subject_token_type", "audience"} {
		if form.Get(name) == "" {
			return "", oauthInvalid(name + " is missing")
		}
	}
	audience = form.Get("audience")
	switch wanted := form.Get("requested_token_type"); {
	case len(form.Get("subject_token")) > maxAccessToken:
		return "", oauthInvalid("subject_token is too long")
	case form.Get("subject_token_type") != typeAccess && form.Get("subject_token_type") != typeJWT:
		return "", oauthInvalid("subject_token_type must be that of an access token")
	case wanted != "" && wanted != typeAccess && wanted != typeJWT:
		return "", oauthInvalid("requested_token_type must be that of an access token")
	case form.Get("actor_token") != "" || form.Get("actor_token_type") != "":
		return "", oauthInvalid("actor_token is not supported: the client is the actor")
	case form.Get("resource") != "":
		return "", &oauthError{400, openapi.OAuthErrorErrorInvalidTarget, "resource is not supported: name an audience"}
	case !slices.Contains(s.cfg.Audiences, audience):
		return "", &oauthError{400, openapi.OAuthErrorErrorInvalidTarget, "there is no such audience here"}
	}
	return audience, nil
}
