package authsvc

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Revoke implements openapi.ServerInterface: RFC 7009.
func (a *publicAPI) Revoke(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	p, err := s.revokeToken(r)
	if err != nil {
		s.failOAuth(w, r, err)
		return
	}
	p.write(w)
}

// revokeToken ends what the token stands for: an access token itself, with a
// refresh token the session. A token that is not good for anything is none
// that would have to be revoked (RFC 7009 §2.2): 200.
func (s *Service) revokeToken(r *http.Request) (*reply, error) {
	form, err := oauthForm(r)
	if err != nil {
		return nil, err
	}
	client, err := s.revoker(r, form)
	if err != nil {
		return nil, err
	}
	raw := form.Get("token")
	if raw == "" {
		return nil, oauthInvalid("token is missing")
	}
	e, err := s.entryOfToken(raw, client, s.now())
	switch {
	case err != nil:
		return nil, err
	case e.Type == 0:
		return newReply(http.StatusOK), nil
	}
	shared, err := s.revoke(r, e)
	if err != nil {
		return nil, err
	}
	return revoked(http.StatusOK, shared)
}

// revoker returns the client that a request speaks for. That of all logins is
// public: it need not even name itself, and proves with the token alone that it
// may revoke it.
func (s *Service) revoker(r *http.Request, form url.Values) (string, error) {
	id, secret, err := clientOf(r, form)
	switch {
	case err != nil:
		return "", err
	case isPublic(id, secret):
		return loginClient, nil
	}
	client, err := s.confidential(r, id, secret)
	return client.ID, err
}

// entryOfToken makes the entry that revokes a token of the client, of type
// zero where there is nothing to revoke. The form says what the token is, so
// token_type_hint is not needed (RFC 7009 §2.1 lets it be ignored).
func (s *Service) entryOfToken(raw, client string, now time.Time) (revocation.Entry, error) {
	c, err := s.claimsOfToken(raw, now)
	switch {
	case errors.Is(err, tokens.ErrInvalid):
		return revocation.Entry{}, nil
	case err != nil:
		return revocation.Entry{}, unavailable(err)
	case c.ClientID != client:
		return revocation.Entry{}, errForeignToken
	}
	if e, dead := s.hub.list.Match(c); dead && e.Type != revocation.Claims {
		return e, nil // on disk already, but perhaps not shared
	}
	if c.ID.IsZero() {
		return revocation.SessionEntry(c.SessionID, now, s.ends(now)), nil
	}
	return revocation.TokenEntry(c.ID, now, c.ExpiresAt.Add(s.slack())), nil
}

// claimsOfToken verifies an access token, or opens a refresh token of either
// mode and of any age, whose claims are those of the session, without a jti.
func (s *Service) claimsOfToken(raw string, now time.Time) (*tokens.Claims, error) {
	const dotsOfJWE = 4
	if strings.Count(raw, ".") != dotsOfJWE {
		return tokens.Verify(raw, s.hub, s.expect(), now)
	}
	t, err := tokens.OpenRefresh(raw, s.hub, now)
	if err != nil {
		return nil, err
	}
	return s.claimsOf(t), nil
}

// revoke makes entries durable and known. shared says whether to every
// replica: where it is false the shared store can not be reached, and they are
// in force on this one and at its subscribers until it is back.
func (s *Service) revoke(r *http.Request, entries ...revocation.Entry) (shared bool, err error) {
	ctx, cancel := s.storeContext(r.Context())
	defer cancel()
	switch err = s.cfg.Log.Append(ctx, entries...); {
	case errors.Is(err, ErrNotShared):
		s.log.WarnContext(r.Context(), "a revocation is not shared yet", "request_id", requestID(r))
		return false, nil
	case err != nil:
		return false, unavailable(fmt.Errorf("appending a revocation: %w", err))
	}
	return true, nil
}

// revoked is the answer when all is done: the status, or 202 and the reason
// where that was not shared.
func revoked(status int, shared bool) (*reply, error) {
	if shared {
		return newReply(status), nil
	}
	return jsonReply(http.StatusAccepted, openapi.NotShared{Durable: true, Shared: false})
}
