package authtest

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

// The paths that Requests can be asked about.
const (
	MetadataPath    = "/.well-known/oauth-authorization-server"
	KeySetPath      = "/.well-known/jwks.json"
	SessionKeysPath = "/v1/session-keys"
	FeedPath        = "/v1/feed"
	HeldPath        = "/v1/feed/held"
)

// handler serves what a guard asks for.
func (i *Issuer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+MetadataPath, i.metadata)
	mux.HandleFunc("GET "+KeySetPath, i.keySet)
	mux.HandleFunc("GET "+SessionKeysPath, i.authenticated(i.cookieKeys))
	mux.HandleFunc("GET "+FeedPath, i.authenticated(i.feed))
	mux.HandleFunc("POST "+HeldPath, i.authenticated(i.held))
	mux.HandleFunc("POST "+TokenPath, i.authenticated(i.exchange))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.requests[r.URL.Path]++
		down := i.down
		i.mu.Unlock()
		if down {
			panic(http.ErrAbortHandler) // the connection breaks without an answer
		}
		mux.ServeHTTP(w, r)
	})
}

func (i *Issuer) metadata(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{
		"issuer":   i.URL,
		"jwks_uri": i.URL + KeySetPath,
		"sealring_feed": map[string]any{
			"uri":              i.URL + FeedPath,
			"held_uri":         i.URL + HeldPath,
			"session_keys_uri": i.URL + SessionKeysPath,
			"access_ttl":       int(i.TokenLife.Seconds()),
			"max_stale":        int(i.TokenLife.Seconds()),
			"heartbeat":        heartbeat.Seconds(),
		},
	})
}

func (i *Issuer) keySet(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	set := i.publicSet()
	w.Header().Set(generationHeader, strconv.FormatUint(i.gen, 10))
	i.mu.Unlock()
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(set.JWKS())
}

func (i *Issuer) cookieKeys(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	set := i.sessionKeys()
	w.Header().Set(generationHeader, strconv.FormatUint(i.gen, 10))
	i.mu.Unlock()
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(set.JWKS())
}

// authenticated lets only the one client through.
func (i *Issuer) authenticated(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if !same(id, i.ClientID) || !same(secret, i.ClientSecret) {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "unknown client", http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

// same compares what a client sent, form-encoded (RFC 6749 §2.3.1).
func same(sent, want string) bool {
	return subtle.ConstantTimeCompare([]byte(sent), []byte(url.QueryEscape(want))) == 1
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
