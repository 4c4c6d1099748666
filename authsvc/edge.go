package authsvc

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/openapi/adminapi"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/budget"
)

const requestIDHeader = "X-Request-Id"

// publicHandler is everything around the public operations.
func (s *Service) publicHandler() http.Handler {
	mux := chi.NewRouter()
	openapi.HandlerWithOptions((*publicAPI)(s), openapi.ChiServerOptions{BaseRouter: mux, ErrorHandlerFunc: s.badParameter})
	return s.edge(anyPath(s.crossOrigin(mux, s.sameOrigin(s.fallbacks(mux)))))
}

// adminHandler is everything around the admin operations.
func (s *Service) adminHandler() http.Handler {
	mux := chi.NewRouter()
	adminapi.HandlerWithOptions((*adminAPI)(s), adminapi.ChiServerOptions{BaseRouter: mux, ErrorHandlerFunc: s.badParameter})
	return s.edge(s.adminOnly(s.fallbacks(mux)))
}

// publicAPI and adminAPI are the service as seen from one listener.
type (
	publicAPI Service
	adminAPI  Service
)

// front is how requests are met and answered, whatever is behind.
type front struct {
	log   *slog.Logger
	https bool              // the public comes by TLS
	guard *middleware.Guard // which writes its own refusals; nil: there is none

	limits budget.Profile // of an answer that sets cookies

	drawFault func(http.ResponseWriter, *http.Request, error) // as a page; nil: there are no pages
}

// edge is what every request of either listener passes: its id, the headers
// that every answer has, the bound of its body, and the net under a panic.
func (s *front) edge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := saneRequestID(r.Header[requestIDHeader])
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit(r))
		s.commonHeaders(w.Header(), id)
		defer s.recovered(w, r)
		next.ServeHTTP(w, r)
	})
}

func (s *front) commonHeaders(h http.Header, id string) {
	h.Set(requestIDHeader, id)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if s.https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// recovered answers a panic with a problem. The log gets it, once, as the
// cause.
func (s *front) recovered(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v) // net/http's own word for "close the connection"
	}
	s.failAt(w, r, fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
}

// failAt answers in the form of the request's path.
func (s *front) failAt(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case speaksOAuth(r.URL.Path):
		s.failOAuth(w, r, err)
	case s.drawFault != nil && speaksPages(r):
		s.drawFault(w, r, err)
	default:
		s.fail(w, r, err)
	}
}

// sameOrigin keeps other sites from using a browser's cookies: a login, a
// refresh or a logout that a browser sends for another origin is refused, but
// for the application's own.
func (s *Service) sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.origins.Check(r); err != nil {
			s.failAt(w, r, errCrossOrigin)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fallbacks answers what the document does not know.
func (s *front) fallbacks(mux *chi.Mux) http.Handler {
	mux.NotFound(func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, errNotFound) })
	mux.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", strings.Join(allowed(mux, r.URL.Path), ", "))
		s.failAt(w, r, errMethod)
	})
	return mux
}

// allowed returns the methods that a path takes.
func allowed(mux *chi.Mux, path string) []string {
	var methods []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete} {
		if mux.Match(chi.NewRouteContext(), m, path) {
			methods = append(methods, m)
		}
	}
	return methods
}

// badParameter answers for the generated code, which reads the parameters.
func (s *front) badParameter(w http.ResponseWriter, r *http.Request, err error) {
	s.failAt(w, r, invalidRequest(err.Error()))
}

type requestIDKey struct{}

func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}

// saneRequestID takes the caller's id when it is plainly one, so that nobody
// writes lines of his own into the log.
func saneRequestID(given []string) string {
	if len(given) == 1 && given[0] != "" && len(given[0]) <= 64 && !strings.ContainsFunc(given[0], isForeign) {
		return given[0]
	}
	return tokens.NewID().String()
}

func isForeign(c rune) bool {
	return !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || slices.Contains([]rune("._-"), c))
}

func isHTTPS(issuer string) bool { return strings.HasPrefix(issuer, "https:") }
