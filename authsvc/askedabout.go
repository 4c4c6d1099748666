package authsvc

import (
	"net/http"
	"strings"
)

// verifyPath is where proxies ask. What is below it is the path that they ask
// about: see anyPath.
const verifyPath = "/v1/verify"

// methodHeaders are what proxies call the method that they ask about.
var methodHeaders = []string{"X-Forwarded-Method", "X-Original-Method"}

// askedAbout is the request that a proxy asks about, as far as the guard looks
// at it. The question is always a GET, with which a browser's cookie is taken
// from anywhere; what has been sent to the proxy may be a form of another site.
// A client that says more than its proxy can but be refused for it.
func askedAbout(r *http.Request) *http.Request {
	method := askedMethod(r.Header)
	if method == "" {
		return r
	}
	asked := r.WithContext(r.Context())
	asked.Method = method
	if host, ok := single(r.Header, "X-Forwarded-Host"); ok {
		asked.Host = host
	}
	return asked
}

// askedMethod is the method that a proxy asks about, if that can change
// something, or "".
func askedMethod(h http.Header) string {
	for _, name := range methodHeaders {
		for _, method := range h.Values(name) {
			switch method {
			case "", http.MethodGet, http.MethodHead, http.MethodOptions:
			default:
				return method
			}
		}
	}
	return ""
}

// anyPath takes the question in Envoy's form: by the method of what it asks about,
// whose path it puts behind a prefix (ext_authz with an http_service and its
// path_prefix). It can name no mode: it is that of who can show a redirect.
func anyPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.RequestURI, verifyPath+"/"); ok {
			r = questionOf(r, "/"+rest)
		}
		next.ServeHTTP(w, r)
	})
}

// questionOf is a request in Envoy's form in that of other proxies.
func questionOf(r *http.Request, target string) *http.Request {
	asked := r.Clone(r.Context())
	asked.Method, asked.Body, asked.ContentLength = http.MethodGet, http.NoBody, 0
	asked.Header.Set("X-Forwarded-Method", r.Method)
	asked.Header.Set("X-Forwarded-Host", r.Host)
	asked.Header.Set("X-Forwarded-Uri", target)
	asked.URL.Path, asked.URL.RawPath, asked.URL.RawQuery = verifyPath, "", "mode=redirect"
	return asked
}
