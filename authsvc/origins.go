package authsvc

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

// The pages of the application come from other origins than the service: each
// of AppOrigins may call, with the browser's cookies, what is meant for pages
// (the CORS protocol of the Fetch standard). What is allowed is always an
// origin from the list, in full; never any, and never what the request says.

// forPages are the paths that a page may call, with those under /v1/session/data.
var forPages = []string{"/v1/login", "/v1/refresh", "/v1/logout", "/v1/logout/all", "/v1/session"}

func isForPages(path string) bool {
	return slices.Contains(forPages, path) || strings.HasPrefix(path, "/v1/session/data/")
}

const (
	pagesSend = "Content-Type, Authorization, If-Match, " + activityHeader + ", " + retryHeader
	pagesRead = expiresHeader + ", ETag, Retry-After, " + requestIDHeader
	// preflightLife is how long a browser may keep the answer to a preflight,
	// in seconds. It allows nothing by itself: each request is judged again.
	preflightLife = "7200"
)

// crossOrigin answers what browsers ask of another origin before they let a
// page of it read, and allows it to the application's own. Refusals carry the
// same permission: a page must tell a session that has ended from a service
// that is away.
func (s *Service) crossOrigin(mux *chi.Mux, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(s.cfg.AppOrigins) == 0 || !isForPages(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Add("Vary", "Origin")
		origin, known := s.appOrigin(r)
		switch {
		case !known:
			next.ServeHTTP(w, r)
			return
		case isPreflight(r):
			h.Set("Access-Control-Allow-Methods", strings.Join(allowed(mux, r.URL.Path), ", "))
			h.Set("Access-Control-Allow-Headers", pagesSend)
			h.Set("Access-Control-Max-Age", preflightLife)
		default:
			h.Set("Access-Control-Expose-Headers", pagesRead)
		}
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
		if isPreflight(r) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// appOrigin is the origin of a request as the list has it.
func (s *Service) appOrigin(r *http.Request) (string, bool) {
	given := r.Header["Origin"]
	if len(given) != 1 {
		return "", false
	}
	i := slices.Index(s.cfg.AppOrigins, given[0])
	if i < 0 {
		return "", false
	}
	return s.cfg.AppOrigins[i], true
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// trusted are the origins whose requests may use the cookies: the service's own
// and the application's.
func (c Config) trusted() []string { return append([]string{originOf(c.Issuer)}, c.AppOrigins...) }

func ownOrigins(c Config) (*http.CrossOriginProtection, error) {
	p := http.NewCrossOriginProtection()
	for _, origin := range c.trusted() {
		if err := p.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrConfig, origin, err)
		}
	}
	return p, nil
}

// originOf returns scheme and host of an issuer.
func originOf(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return issuer
	}
	return u.Scheme + "://" + u.Host
}

// CheckOrigin says what is wrong with one of AppOrigins. It must stand as a
// browser writes it (RFC 6454 §6.2): any other would never be met. And only TLS
// makes a page that origin's own, unless it is on this machine.
func CheckOrigin(o string) error {
	u, err := url.Parse(o)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return fmt.Errorf("%q is not an origin like https://shop.example.com", o)
	case strings.Contains(o, "*"):
		return fmt.Errorf("%q stands for many: name each origin", o)
	case o != u.Scheme+"://"+u.Host || o != strings.ToLower(o):
		return fmt.Errorf("%q is not as a browser writes it: %s://%s", o, u.Scheme, strings.ToLower(u.Host))
	case u.Port() == defaultPort(u.Scheme) || strings.HasSuffix(u.Host, ":"):
		return fmt.Errorf("%q is not as a browser writes it, which leaves this port out", o)
	case u.Scheme == "http" && !isLocal(u.Hostname()):
		return fmt.Errorf("%q is http: whoever is on the way could use the cookies; write https://%s", o, u.Host)
	}
	return nil
}

func checkOrigins(all []string) error {
	for i, o := range all {
		if err := CheckOrigin(o); err != nil {
			return err
		}
		if slices.Contains(all[:i], o) {
			return fmt.Errorf("%q is there twice", o)
		}
	}
	return nil
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// isLocal reports whether browsers take a host for this machine.
func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.IsLoopback()
}
