package authsvc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens"
)

// loginClient is the client_id of every session that began at /v1/login.
const loginClient = "login"

// Login implements openapi.ServerInterface.
func (a *publicAPI) Login(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	p, err := s.login(r)
	if err == nil && p.cookies != nil {
		err = s.judge(p, w.Header()) // before anything is ended
	}
	if err == nil {
		err = s.replace(r)
	}
	s.finish(w, r, p, err)
}

func (s *Service) login(r *http.Request) (*reply, error) {
	var req openapi.LoginRequest
	if err := needJSON(r, &req); err != nil {
		return nil, err
	}
	return s.loginAs(r, &req)
}

// loginAs makes the answer to a login, however it was asked for.
func (s *Service) loginAs(r *http.Request, req *openapi.LoginRequest) (*reply, error) {
	if err := s.checkLogin(req); err != nil {
		return nil, err
	}
	// Where the subject's sessions were ended meanwhile, because of a new password
	// perhaps, the old one may have been checked, and the session moved behind the
	// end (see admit): once more, for each such end.
	for known := int64(0); ; {
		began := s.now().Unix()
		p, sub, err := s.authenticated(r, req)
		if err != nil {
			return nil, err
		}
		end := int64(s.endFound(sub).T)
		if end <= began || end == known {
			return p, nil
		}
		known = end
	}
}

// authenticated makes the answer to a login, of that subject, if the password
// is right.
func (s *Service) authenticated(r *http.Request, req *openapi.LoginRequest) (*reply, string, error) {
	user, err := s.cfg.Users.Authenticate(r.Context(), req.Username, req.Password)
	switch {
	case errors.Is(err, ErrBadCredentials), err == nil && user.Disabled:
		return nil, "", errBadCredentials
	case err != nil:
		return nil, "", unavailable(fmt.Errorf("asking for the user: %w", err))
	}
	stale := s.staleBefore(user.Subject)
	if user, err = s.current(r.Context(), user, stale); err != nil {
		return nil, "", err
	}
	p, err := s.begin(r.Context(), req, user, stale)
	return p, user.Subject, err
}

// current returns the user as it is now, where its claims may have changed
// while the password was being checked.
func (s *Service) current(ctx context.Context, user User, stale time.Time) (User, error) {
	if !stale.After(s.now()) {
		return user, nil
	}
	now, err := s.cfg.Users.Lookup(ctx, user.Subject)
	switch {
	case errors.Is(err, ErrNoUser), err == nil && now.Disabled:
		return user, errBadCredentials
	case err != nil:
		return user, unavailable(fmt.Errorf("asking for the user: %w", err))
	}
	now.Subject = user.Subject
	return now, nil
}

// checkLogin is what the document says about the request, beyond its form.
func (s *Service) checkLogin(req *openapi.LoginRequest) error {
	if err := errors.Join(within("username", req.Username, 1, 256), within("password", req.Password, 1, 1024)); err != nil {
		return err
	}
	switch req.Mode {
	case "":
		req.Mode = openapi.ModeToken
	case openapi.ModeToken, openapi.ModeCookie:
	default:
		return invalidField("mode", "is neither token nor cookie")
	}
	if req.Data != nil {
		if req.Mode != openapi.ModeCookie {
			return invalidField("data", "is for mode cookie only: it lives in the session cookie")
		}
		if req.Data[0] != '{' {
			return invalidField("data", "has the wrong type")
		}
		var err error
		if req.Data, err = PlainData(req.Data); err != nil {
			return err
		}
	}
	return s.checkAudience(req)
}

func (s *Service) checkAudience(req *openapi.LoginRequest) error {
	if req.Audience == nil {
		req.Audience = s.cfg.Audiences
		return nil
	}
	if len(req.Audience) == 0 {
		return invalidField("audience", "is empty")
	}
	for i, aud := range req.Audience {
		if slices.Contains(req.Audience[:i], aud) {
			return invalidField("audience", "names one twice")
		}
		if !slices.Contains(s.cfg.Audiences, aud) {
			return &problem{status: 400, code: openapi.ProblemCodeUnknownAudience,
				title: "There is no such audience here", detail: quote(aud)}
		}
	}
	return nil
}

// begin makes a new session.
func (s *Service) begin(ctx context.Context, req *openapi.LoginRequest, user User, stale time.Time) (*reply, error) {
	now := s.now()
	end := now.Add(s.cfg.SessionTTL).Truncate(time.Second) // whole, as every token says it
	g := &grant{
		claims:  s.claims(user, req.Audience, tokens.NewID(), now, end),
		idleEnd: s.idleEnd(now.UnixMilli(), end),
		end:     end,
		cookie:  req.Mode == openapi.ModeCookie,
		data:    req.Data,
	}
	if g.data != nil {
		g.version = 1
	}
	g.claims.AuthTime = g.claims.IssuedAt
	s.admit(&g.claims)
	postdate(&g.claims, stale)
	g.refresh = &tokens.Refresh{
		SessionID:  g.claims.SessionID,
		IssuedAt:   now.UnixMilli(),
		Subject:    user.Subject,
		ClientID:   loginClient,
		Audience:   req.Audience,
		AuthTime:   g.claims.AuthTime,
		IdleEnd:    g.idleEnd,
		SessionEnd: end,
		Cookie:     g.cookie,
	}
	if g.cookie {
		if err := s.allowedAtLogin(g); err != nil {
			return nil, err
		}
	}
	v, fields, err := s.storedAtLogin(g)
	if err != nil {
		return nil, err
	}
	p, err := s.reply(g, now)
	if err != nil || v == nil {
		return p, err
	}
	ctx, cancel := s.storeContext(ctx)
	defer cancel()
	_, err = s.writeData(ctx, g.claims.SessionID, v, fields, end, now)
	return p, err
}

// claims is what an access token says of a user now.
func (s *Service) claims(user User, audience []string, sid tokens.ID, now, end time.Time) tokens.Claims {
	issued := now.Truncate(time.Second).UTC()
	return tokens.Claims{
		Subject:   user.Subject,
		Audience:  audience,
		IssuedAt:  issued,
		ExpiresAt: earlier(issued.Add(jittered(s.cfg.AccessTTL)), end).UTC(),
		SessionID: sid,
		ClientID:  loginClient,
		Scope:     user.Scopes,
		Roles:     user.Roles,
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
