package issuer

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/sealring-dev/sealring/tokens"
)

// ErrConfig is what Follow fails with: the Config can never work.
var ErrConfig = errors.New("unusable issuer configuration")

// Config says whom to follow. Issuer is required.
type Config struct {
	// Issuer is the issuer's absolute URL, exactly as it stands in the iss
	// claim and in its metadata: https, or http on a loopback host; without
	// query, fragment and user.
	Issuer string

	// Client is the account for the feed and the session keys. Zero: neither
	// is fetched; the key set alone is kept fresh, at its max-age.
	Client Client

	// HTTP reaches the issuer. Nil: a client of the follower's own. Redirects
	// are never followed, whatever it says.
	HTTP *http.Client

	// Log takes changes of state, never secrets. Nil: slog.Default.
	Log *slog.Logger
}

// Client is a service client with the scopes feed and session-keys.
type Client struct {
	ID     string
	Secret tokens.Secret
}

// parseIssuer checks what an issuer's URL must look like.
func parseIssuer(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: Issuer is not a URL", ErrConfig) // err would repeat a password in it
	case u.Host == "" || u.Opaque != "":
		return nil, fmt.Errorf("%w: Issuer is not an absolute URL", ErrConfig)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		return nil, fmt.Errorf("%w: Issuer has a user, query or fragment", ErrConfig)
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("%w: Issuer must be https (http only on this machine)", ErrConfig)
}

// loopback tells hosts whose traffic never leaves the machine.
func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 §6.3
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// sameOrigin reports whether raw is an absolute URL of the origin of u. What
// metadata names elsewhere is refused: it would have us send our secret, or
// take keys, from somebody else.
func sameOrigin(u *url.URL, raw string) bool {
	o, err := url.Parse(raw)
	return err == nil && o.User == nil && o.Opaque == "" && o.Scheme == u.Scheme &&
		strings.EqualFold(o.Hostname(), u.Hostname()) && port(o) == port(u)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// httpClient returns the client to use, and how to let go of its connections.
func (c Config) httpClient() (*http.Client, func()) {
	if c.HTTP != nil {
		own := *c.HTTP
		own.CheckRedirect = noRedirect
		own.Timeout = 0 // it would end the feed; every request has its own bound
		own.Jar = nil
		return &own, func() {}
	}
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: requestTimeout, KeepAlive: keepAlive}).DialContext,
		TLSHandshakeTimeout:    requestTimeout,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        2, // the feed, and a fetch beside it
		MaxIdleConns:           2,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: 32 << 10,
		DisableCompression:     true,
	}
	return &http.Client{Transport: t, CheckRedirect: noRedirect}, t.CloseIdleConnections
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
