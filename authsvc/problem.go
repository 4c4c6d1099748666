package authsvc

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens/budget"
)

// problem is an error that knows its answer. This file is where errors become
// HTTP: as problem documents (RFC 9457), and for the OAuth
// endpoints as RFC 6749 §5.2 has them. Only the guard's refusals are written elsewhere, by the guard.
type problem struct {
	status    int
	code      openapi.ProblemCode
	title     string
	detail    string
	reason    openapi.ProblemReason
	challenge string         // WWW-Authenticate, of a 401
	cookies   []*http.Cookie // the cleared ones, of a session that has ended
	cause     error          // for the log
}

// Error joins what there is: code, reason, detail, cause.
func (p *problem) Error() string {
	parts := []string{string(p.code), string(p.reason), p.detail}
	if p.cause != nil {
		parts = append(parts, p.cause.Error())
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ": ")
}

func (p *problem) Unwrap() error { return p.cause }

const (
	bearerChallenge = `Bearer realm="sealring"`
	basicChallenge  = `Basic realm="sealring", charset="UTF-8"`
	retryAfter      = 1 // seconds
)

var (
	errBadCredentials = &problem{status: 401, code: openapi.ProblemCodeBadCredentials, title: "Username or password is wrong", challenge: bearerChallenge}
	errBadClient      = &problem{status: 401, code: openapi.ProblemCodeBadClient, title: "This needs a service client", challenge: basicChallenge}
	errScope          = &problem{status: 403, code: openapi.ProblemCodeInsufficientScope, title: "The client lacks the scope"}
	errCrossOrigin    = &problem{status: 403, code: openapi.ProblemCodeCrossOrigin, title: "A browser sent this for another site"}
	errNotFound       = &problem{status: 404, code: openapi.ProblemCodeNotFound, title: "There is nothing here"}
	errMethod         = &problem{status: 405, code: openapi.ProblemCodeMethodNotAllowed, title: "Not with this method"}
	errPosition       = &problem{status: 410, code: openapi.ProblemCodeUnknownPosition, title: "The position is unknown: fetch a snapshot"}
)

func invalidRequest(detail string) error {
	return &problem{status: 400, code: openapi.ProblemCodeInvalidRequest, title: "The request is not valid", detail: detail}
}

func invalidField(name, what string) error {
	return invalidRequest("field " + quote(name) + " " + what)
}

func bodyTooLarge(e *http.MaxBytesError) error {
	return &problem{status: 413, code: openapi.ProblemCodeBodyTooLarge, title: fmt.Sprintf("The body is larger than %d KiB", e.Limit>>10)}
}

func unsupportedMediaType(want string) error {
	return &problem{status: 415, code: openapi.ProblemCodeUnsupportedMediaType, title: "The body is of the wrong type", detail: "Content-Type must be " + want}
}

// sessionEnded also clears the caller's cookies, where it uses them.
func sessionEnded(reason openapi.ProblemReason, cookies bool) error {
	p := &problem{status: 401, code: openapi.ProblemCodeSessionEnded, title: "The session has ended", reason: reason, challenge: bearerChallenge}
	if cookies {
		p.cookies = clearedCookies()
	}
	return p
}

// unavailable says that something else is at fault than the request.
func unavailable(cause error) error {
	return &problem{status: 503, code: openapi.ProblemCodeUnavailable, title: "Try again", cause: cause}
}

// asUnavailable is err if that is an answer of its own, and else unavailable.
func asUnavailable(err error) error {
	var p *problem
	if errors.As(err, &p) {
		return err
	}
	return unavailable(err)
}

// fail answers a request with an error.
func (s *front) fail(w http.ResponseWriter, r *http.Request, err error) {
	if s.guard != nil && isGuards(err) {
		s.note(r, &problem{status: http.StatusUnauthorized, cause: err})
		for _, c := range clearedTwins(r, err) {
			http.SetCookie(w, c)
		}
		s.guard.Refuse(w, r, err)
		return
	}
	body, p := problemOf(err)
	s.note(r, p)
	body.RequestID = w.Header().Get(requestIDHeader)
	rep, err := jsonReply(p.status, body)
	if err != nil { // can not be: strings and numbers
		w.WriteHeader(p.status)
		return
	}
	rep.header.Set("Content-Type", "application/problem+json")
	p.headers(rep)
	rep.write(w)
}

// invalidToken is the one answer for every bad token; the cause is for the
// log, and may be nil.
func invalidToken(cause error) error {
	if cause == nil {
		return middleware.ErrInvalidToken
	}
	return fmt.Errorf("%w: %w", middleware.ErrInvalidToken, cause)
}

// isGuards reports whether the guard knows the answer.
func isGuards(err error) bool {
	for _, e := range []error{
		middleware.ErrNoCredential, middleware.ErrMalformed, middleware.ErrManyCredentials,
		middleware.ErrCrossOrigin, middleware.ErrInvalidToken, middleware.ErrRefreshNeeded, middleware.ErrUnavailable,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// problemOf turns any error into a problem document and what belongs around it.
func problemOf(err error) (openapi.Problem, *problem) {
	var p *problem
	var over *budget.OverError
	var huge *oversized
	var rule *SchemaError
	body := openapi.Problem{}
	switch {
	case errors.As(err, &over):
		p = tooLarge(over.Error())
		body.Limit, body.Bytes, body.Claims = int64(over.Limit.Bytes), int64(over.Bytes), claimSizes(over.Parts)
		body.Measure, body.Profile = openapi.ProblemMeasure(over.Limit.Measure), over.Limit.Profile
	case errors.As(err, &huge):
		p = tooLarge("it can not even be signed and sealed")
		p.cause, body.Claims = huge.cause, claimSizes(huge.parts)
	case errors.As(err, &rule):
		p = &problem{status: 400, code: openapi.ProblemCodeInvalidRequest,
			title: "Sessions are not allowed to be like that here", detail: rule.Error()}
	case !errors.As(err, &p):
		p = &problem{status: 500, code: openapi.ProblemCodeInternal, title: "Something went wrong here", cause: err}
	}
	body.Type, body.Title, body.Status = "urn:sealring:problem:"+string(p.code), p.title, int32(p.status)
	body.Code, body.Detail, body.Reason = p.code, p.detail, p.reason
	return body, p
}

func tooLarge(detail string) *problem {
	return &problem{status: 413, code: openapi.ProblemCodeSessionTooLarge, detail: detail,
		title: "The session does not fit into what browsers and proxies allow"}
}

func claimSizes(parts []budget.Part) []openapi.ClaimSize {
	var sizes []openapi.ClaimSize
	for _, p := range parts {
		sizes = append(sizes, openapi.ClaimSize{Name: p.Name, Bytes: int64(p.Bytes)})
	}
	return sizes
}

func (p *problem) headers(r *reply) {
	r.cookies = p.cookies
	if p.challenge != "" {
		r.header.Set("WWW-Authenticate", p.challenge)
	}
	if p.status == http.StatusServiceUnavailable {
		r.header.Set("Retry-After", strconv.Itoa(retryAfter))
	}
}

// note writes to the log what the caller is not told.
func (s *front) note(r *http.Request, p *problem) {
	level := slog.LevelDebug
	switch {
	case p.status == http.StatusInternalServerError:
		level = slog.LevelError
	case p.status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	}
	s.log.LogAttrs(r.Context(), level, "request refused",
		slog.String("path", r.URL.Path), slog.Int("status", p.status), slog.String("cause", p.Error()),
		slog.String("request_id", requestID(r)))
}

// oauthError is the form of RFC 6749 §5.2, as an error.
type oauthError struct {
	status      int
	code        openapi.OAuthErrorError
	description string
}

func (e *oauthError) Error() string { return string(e.code) + ": " + e.description }

func oauthInvalid(description string) error {
	return &oauthError{400, openapi.OAuthErrorErrorInvalidRequest, description}
}

// failOAuth is fail for the OAuth endpoints.
func (s *front) failOAuth(w http.ResponseWriter, r *http.Request, err error) {
	e, p := oauthErrorOf(err)
	s.note(r, p)
	rep, err := jsonReply(e.status, openapi.OAuthError{Error: e.code, ErrorDescription: describable(e.description)})
	if err != nil { // can not be: strings
		w.WriteHeader(e.status)
		return
	}
	rep.header.Set("Pragma", "no-cache")
	p.headers(rep)
	if e.status == http.StatusUnauthorized {
		rep.header.Set("WWW-Authenticate", basicChallenge)
	}
	rep.write(w)
}

// describable puts a text into the characters that an error_description may
// have (RFC 6749 §5.2): printable ASCII without the double quote and the
// backslash. What it quotes of a request may hold anything.
func describable(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '"':
			return '\''
		case c < ' ' || c > '~' || c == '\\':
			return '?'
		}
		return c
	}, s)
}

// oauthErrorOf says in RFC 6749's words what the problem says in ours.
func oauthErrorOf(err error) (*oauthError, *problem) {
	var e *oauthError
	if errors.As(err, &e) {
		return e, &problem{status: e.status, detail: e.Error()}
	}
	if errors.Is(err, middleware.ErrInvalidToken) {
		return &oauthError{400, openapi.OAuthErrorErrorInvalidGrant, "the refresh token is not valid"},
			&problem{status: 400, code: openapi.ProblemCodeInvalidToken}
	}
	_, p := problemOf(err)
	said := strings.TrimSpace(p.title + " " + p.detail)
	switch {
	case p.code == openapi.ProblemCodeSessionEnded:
		return &oauthError{400, openapi.OAuthErrorErrorInvalidGrant, "the session has ended: " + string(p.reason)}, p
	case p.status == http.StatusServiceUnavailable:
		return &oauthError{503, openapi.OAuthErrorErrorTemporarilyUnavailable, said}, p
	case p.status == http.StatusInternalServerError:
		return &oauthError{500, openapi.OAuthErrorErrorServerError, said}, p
	}
	return &oauthError{p.status, openapi.OAuthErrorErrorInvalidRequest, said}, p
}
