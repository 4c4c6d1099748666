package authsvc

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// GetSession implements openapi.ServerInterface.
func (a *publicAPI) GetSession(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	p, err := s.session(r)
	s.finish(w, r, p, err)
}

func (s *Service) session(r *http.Request) (*reply, error) {
	now := s.now()
	checked, err := s.guard.CheckAt(r, now)
	if err != nil {
		return nil, err
	}
	claims := checked.Claims()
	if bearer(r) == "" { // only the cookie knows about the session as a whole
		held, err := s.heldCookie(r, now)
		if err != nil {
			return nil, err
		}
		state, err := s.dataNow(r.Context(), claims.SessionID, held, now)
		if err != nil {
			return nil, err
		}
		return s.sessionReply(&claims, held, state, now)
	}
	body := sessionOf(&claims, now)
	p, err := jsonReply(http.StatusOK, body)
	if err != nil {
		return nil, err
	}
	p.header.Set(expiresHeader, expires(body.ExpiresIn, -1, -1))
	return p, nil
}

// heldCookie opens the session cookie that the guard has let pass.
func (s *Service) heldCookie(r *http.Request, now time.Time) (*tokens.Session, error) {
	raw, err := onlyCookie(r, sessionCookie)
	if err != nil {
		return nil, err
	}
	return tokens.OpenSession(raw, s.hub, now) // it has just been opened: what fails is a fault of ours
}

// dataNow is the data of a session as it is now, or, where the store does not
// say, as the cookie has it.
func (s *Service) dataNow(ctx context.Context, sid tokens.ID, held *tokens.Session, now time.Time) (*dataState, error) {
	if s.cfg.Data == nil || sid.IsZero() {
		return carriedState(held)
	}
	ctx, cancel := s.storeContext(ctx)
	defer cancel()
	v, err := s.readData(ctx, sid, held, nil, now)
	if err != nil {
		s.log.WarnContext(ctx, "the data of a session is that of its cookie", "cause", err)
		return carriedState(held)
	}
	return v.state, nil
}

// sessionReply shows a session by its cookie, and sets the cookie anew where
// that has the data of another version.
func (s *Service) sessionReply(claims *tokens.Claims, held *tokens.Session, state *dataState, now time.Time) (*reply, error) {
	data, err := state.json()
	if err != nil {
		return nil, err
	}
	g := &grant{claims: *claims, idleEnd: held.IdleEnd, end: held.SessionEnd, cookie: true, data: data, version: state.Version}
	body := g.session(now)
	p, err := jsonReply(http.StatusOK, body)
	if err != nil {
		return nil, err
	}
	p.header.Set(expiresHeader, expires(body.ExpiresIn, body.IdleExpiresIn, body.SessionExpiresIn))
	p.header.Set("ETag", fmt.Sprintf(`"%d"`, state.Version))
	if state.Version == held.Version {
		return p, nil
	}
	p.parts = g.parts()
	return p, s.addCookies(p, g, held.Token, "", now)
}
