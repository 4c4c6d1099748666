package authsvc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/budget"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// grant is what a login or a refresh hands out, on its way to the caller.
type grant struct {
	claims  tokens.Claims
	refresh *tokens.Refresh // nil: there is none
	keeps   bool            // the browser has this refresh token, and is not given it again
	idleEnd time.Time
	end     time.Time // of the session
	cookie  bool      // mode
	quiet   bool      // of a refresh in the background
	data    []byte    // of the session cookie; nil: none
	version uint32    // of data

	exchanged bool // for another token (RFC 8693)

	paid map[keys.Purpose]keys.Key // with these a part may be sealed once more: see prepay
}

// What a token takes of one user; verifiers refuse more.
const (
	maxList  = 255  // roles, scopes
	maxScope = 4096 // bytes, joined
)

// errRevoked says that the service itself does not trust what it should sign.
var errRevoked = errors.New("revoked")

// sign makes the access token. What is revoked is not signed (errRevoked): a
// young token is its own proof.
func (s *Service) sign(c *tokens.Claims, now time.Time) (string, error) {
	if !s.hub.Ready() {
		return "", unavailable(errors.New("the revocations are not known yet"))
	}
	key, err := s.hub.signer(keys.AccessToken, now)
	if err != nil {
		return "", err
	}
	c.Issuer, c.ID, c.KeyID = s.cfg.Issuer, tokens.NewID(), key.ID
	if e, ok := s.hub.list.Match(c); ok {
		switch e.Type {
		case revocation.Key: // on the feed already, and the ring still to follow
			return "", unavailable(errors.New("the signing key is revoked"))
		case revocation.Claims: // since they were asked for: see since
			return "", unavailable(errors.New("the claims have just changed"))
		}
		return "", fmt.Errorf("%s %w", e.Type, errRevoked)
	}
	if len(c.Roles) > maxList || len(c.Scope) > maxList || len(strings.Join(c.Scope, " ")) > maxScope {
		return "", &oversized{cause: errors.New("more roles or scopes than a token takes"), parts: partsOf(c)}
	}
	token, err := tokens.Sign(c, key)
	switch {
	case errors.Is(err, tokens.ErrTooLong):
		return "", &oversized{cause: err, parts: partsOf(c)}
	case err != nil:
		return "", fmt.Errorf("signing: %w", err)
	}
	return token, nil
}

// oversized is what can not even be signed or sealed, so that there are no
// bytes to count.
type oversized struct {
	cause error
	parts []budget.Part
}

func (e *oversized) Error() string { return e.cause.Error() }
func (e *oversized) Unwrap() error { return e.cause }

// admit moves a fresh login behind the not-before of its subject, client,
// audience and of everybody: who logs in within the second of a "log out
// everywhere" shall not be logged out by it.
func (s *Service) admit(c *tokens.Claims) {
	s.behind(c)
	for at := c.AuthTime.Unix(); ; {
		newest := s.newest.Load()
		if at <= newest || s.newest.CompareAndSwap(newest, at) {
			return
		}
	}
}

// behind raises auth_time to the not-before that would end the session.
func (s *Service) behind(c *tokens.Claims) {
	c.Issuer = s.cfg.Issuer
	for range 8 { // one of each type at most, and then none
		e, _ := s.hub.list.Match(c)
		switch e.Type {
		case 0, revocation.Token, revocation.Session, revocation.Key, revocation.Claims:
			return
		}
		c.AuthTime = time.Unix(int64(e.T), 0).UTC()
	}
}

// reply signs and seals a grant into its answer. Nothing is sent.
func (s *Service) reply(g *grant, now time.Time) (*reply, error) {
	access, err := s.sign(&g.claims, now)
	if err != nil {
		return nil, err
	}
	var refresh string
	if g.refresh != nil && !g.keeps {
		if refresh, err = s.sealRefresh(g, now); err != nil {
			return nil, err
		}
	}
	body := openapi.Grant{Session: g.session(now)}
	if !g.cookie {
		body.AccessToken, body.TokenType = access, openapi.GrantTokenTypeBearer
		body.ExpiresIn, body.Scope = body.Session.ExpiresIn, strings.Join(g.claims.Scope, " ")
		body.RefreshToken = refresh
	}
	p, err := jsonReply(http.StatusOK, body)
	if err != nil {
		return nil, err
	}
	p.header.Set(expiresHeader, expires(body.Session.ExpiresIn, body.Session.IdleExpiresIn, body.Session.SessionExpiresIn))
	if !g.cookie {
		return p, nil
	}
	p.parts = g.parts()
	return p, s.addCookies(p, g, access, refresh, now)
}

// addCookies seals the token into the session cookie and sets both.
func (s *Service) addCookies(p *reply, g *grant, access, refresh string, now time.Time) error {
	key, err := s.sealer(g, keys.SessionCookie, now)
	if err != nil {
		return err
	}
	sealed, err := tokens.SealSession(&tokens.Session{
		Token: access, Data: g.data, Version: g.version, SessionEnd: g.end, IdleEnd: g.idleEnd,
	}, key)
	switch {
	case errors.Is(err, tokens.ErrTooLong):
		return &oversized{cause: err, parts: g.parts()}
	case err != nil:
		return fmt.Errorf("sealing the session: %w", err)
	}
	life := g.idleEnd.Sub(now)
	p.cookies = []*http.Cookie{newSessionCookie(sealed, life)}
	if refresh != "" {
		p.cookies = append(p.cookies, newRefreshCookie(refresh, life))
	}
	return nil
}

func (s *Service) sealRefresh(g *grant, now time.Time) (string, error) {
	key, err := s.sealer(g, keys.RefreshToken, now)
	if err != nil {
		return "", err
	}
	sealed, err := tokens.SealRefresh(g.refresh, key)
	if err != nil {
		return "", fmt.Errorf("sealing the refresh token: %w", err)
	}
	return sealed, nil
}

// session is the session as the answer shows it.
func (g *grant) session(now time.Time) openapi.Session {
	s := sessionOf(&g.claims, now)
	s.IdleExpiresIn, s.SessionExpiresIn = seconds(g.idleEnd.Sub(now)), seconds(g.end.Sub(now))
	if g.data != nil {
		s.Data, s.Version = g.data, int64(g.version)
	}
	return s
}

// sessionOf shows what every access token says.
func sessionOf(c *tokens.Claims, now time.Time) openapi.Session {
	s := openapi.Session{
		Subject:   c.Subject,
		ClientID:  c.ClientID,
		Audience:  append([]string{}, c.Audience...), // never null
		Scope:     append([]string{}, c.Scope...),
		Roles:     append([]string{}, c.Roles...),
		AuthTime:  c.AuthTime,
		ExpiresIn: seconds(c.ExpiresAt.Sub(now)),
	}
	if !c.SessionID.IsZero() {
		s.ID = c.SessionID.String()
	}
	return s
}

// parts weighs what an application can make smaller.
func (g *grant) parts() []budget.Part {
	return append(partsOf(&g.claims), budget.Part{Name: "data", Bytes: len(g.data)})
}

func partsOf(c *tokens.Claims) []budget.Part {
	return []budget.Part{
		{Name: "sub", Bytes: jsonSize(c.Subject)},
		{Name: "aud", Bytes: jsonSize(c.Audience)},
		{Name: "scope", Bytes: jsonSize(strings.Join(c.Scope, " "))},
		{Name: "roles", Bytes: jsonSize(c.Roles)},
	}
}

// jsonSize is the size of a claim; 0 of an empty one, which is left out.
func jsonSize[T string | []string](v T) int {
	if len(v) == 0 {
		return 0
	}
	b, _ := json.Marshal(v) // of strings: can not fail
	return len(b)
}

// seconds rounds down: nobody shall rely on a second that is not whole.
func seconds(d time.Duration) int64 { return max(0, int64(d/time.Second)) }
