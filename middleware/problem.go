package middleware

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// retryAfter is how many seconds a client is asked to wait while there are no
// keys; the follower tries again sooner than that.
const retryAfter = "2"

// answer is the HTTP form of an error of this package.
type answer struct {
	err    error
	status int
	code   string // of the problem document
	title  string
	oauth  string // RFC 6750 §3.1; empty: none
}

// answers is the whole table; the first match counts. What is not in it is
// answered like a bad token.
var answers = []answer{
	{ErrNoCredential, http.StatusUnauthorized, "no-credential", "This resource needs a session.", ""},
	{ErrManyCredentials, http.StatusBadRequest, "invalid-request", "The request carries more than one credential.", "invalid_request"},
	{ErrMalformed, http.StatusBadRequest, "invalid-request", "The Authorization header is malformed.", "invalid_request"},
	{ErrCrossOrigin, http.StatusForbidden, "cross-origin", "A session cookie is not taken from another origin.", ""},
	{ErrRefreshNeeded, http.StatusUnauthorized, "refresh-needed", "Refresh the session and try again.", "invalid_token"},
	{ErrLoginNeeded, http.StatusUnauthorized, "login-needed", "Log in again and repeat the request.", "insufficient_user_authentication"},
	{ErrUnavailable, http.StatusServiceUnavailable, "unavailable", "Sessions can not be verified right now.", ""},
	{ErrInsufficientScope, http.StatusForbidden, "insufficient-scope", "The session lacks a scope.", "insufficient_scope"},
	{ErrInsufficientRole, http.StatusForbidden, "insufficient-role", "The session lacks a role.", "insufficient_scope"},
	{ErrInvalidToken, http.StatusUnauthorized, "invalid-token", "The session is not valid.", "invalid_token"},
}

// scopeError is ErrInsufficientScope with what was asked for, which the answer
// names (RFC 6750 §3.1).
type scopeError struct{ scopes []string }

func (e *scopeError) Error() string        { return ErrInsufficientScope.Error() }
func (e *scopeError) Is(target error) bool { return target == ErrInsufficientScope }

// problem is an RFC 9457 document.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	RequestID string `json:"request_id,omitempty"`
}

// loginError is ErrLoginNeeded with how old a login may be, which the answer names
// (RFC 9470 §3).
type loginError struct{ maxAge time.Duration }

func (e *loginError) Error() string        { return ErrLoginNeeded.Error() }
func (e *loginError) Is(target error) bool { return target == ErrLoginNeeded }

// Refuse answers a request with what an error of Check means: the status, the
// RFC 6750 challenge and a problem document; or, with Config.Origin, the way to a
// session for a browser that wants a page. Handler does so by itself; it is
// here for those who call Check.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	a := answerTo(err)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if way := g.wayIn(r, err); way != "" {
		h.Set("Location", way)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	if a.oauth != "" || a.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", g.challenge(a, err))
	}
	if a.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter)
	}
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(problem{ // a client that has gone needs no answer
		Type:      "urn:sealring:problem:" + a.code,
		Title:     a.title,
		Status:    a.status,
		Code:      a.code,
		RequestID: requestID(h, r),
	})
}

func answerTo(err error) answer {
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a
		}
	}
	return answers[len(answers)-1]
}

// challenge is the value of WWW-Authenticate (RFC 6750 §3).
func (g *Guard) challenge(a answer, err error) string {
	params := []string{"realm=" + quoted(g.realm)}
	if a.oauth != "" {
		params = append(params, "error="+quoted(a.oauth))
	}
	if errors.Is(err, ErrRefreshNeeded) {
		params = append(params, "error_description="+quoted(a.code))
	}
	var lacks *scopeError
	if errors.As(err, &lacks) {
		params = append(params, "scope="+quoted(strings.Join(lacks.scopes, " ")))
	}
	var stale *loginError
	if errors.As(err, &stale) {
		params = append(params, "max_age="+quoted(strconv.FormatInt(int64(stale.maxAge/time.Second), 10)))
	}
	return "Bearer " + strings.Join(params, ", ")
}

// quoted is an RFC 9110 §5.6.4 quoted-string of the visible part of s.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c >= ' ' && c <= '~':
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// requestID is the id that a middleware before us gave the answer, or that the
// request brought; empty when there is none or it is not plainly an id.
func requestID(h http.Header, r *http.Request) string {
	id := h.Get("X-Request-Id")
	if id == "" {
		id = r.Header.Get("X-Request-Id")
	}
	if len(id) > 128 || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return ""
	}
	return id
}
