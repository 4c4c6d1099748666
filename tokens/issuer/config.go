package issuer

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// ErrConfig is what Follow fails with: the Config can never work.
var ErrConfig = errors.New("unusable issuer configuration")

// Config says whom to follow. Issuer is required.
type Config struct {
	// Issuer is the issuer's absolute URL, exactly as it stands in the iss
	// claim and in its metadata: https, or http on a loopback host; without
	// query, fragment and user.
	Issuer string

	// Feed is the base URL of a relay, which everything is fetched through: what
	// the metadata says is at the issuer is asked for there. Same form as
	// Issuer. Zero: the issuer itself.
	Feed string

	// Client is the account for the feed and the session keys. Zero: neither
	// is fetched; the key set alone is kept fresh, at its max-age.
	Client Client

	// Tap is told of each event of the feed that was believed, in order, after
	// it took effect; for who passes them on. It must be quick. Nil: nobody is.
	Tap func(Event)

	// HTTP reaches the issuer. Nil: a client of the follower's own. Redirects
	// are never followed, whatever it says.
	HTTP *http.Client

	// Snapshot is the path of a file in which what is known is kept, so that a
	// follower can start while the issuer is away; it needs a Client. Two
	// processes may share one. Zero: none. See the package comment.
	Snapshot string

	// Log takes changes of state, never secrets. Nil: slog.Default.
	Log *slog.Logger
}

// Client is a service client with the scopes feed and session-keys.
type Client struct {
	ID     string
	Secret tokens.Secret
}

// Event is an authentic event of the feed, and what the issuer signed of it.
type Event struct {
	JWS   string
	Frame *revocation.Frame // nil: it is a key set
	Keys  *keys.Set         // nil: it is a frame
}

// parseIssuer checks what the URL of an issuer or a relay must look like.
func parseIssuer(field, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %s is not a URL", ErrConfig, field) // err would repeat a password in it
	case u.Host == "" || u.Opaque != "":
		return nil, fmt.Errorf("%w: %s is not an absolute URL", ErrConfig, field)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		return nil, fmt.Errorf("%w: %s has a user, query or fragment", ErrConfig, field)
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("%w: %s must be https (http only on this machine)", ErrConfig, field)
}

// place is where the issuer's documents are: at the issuer, and fetched there
// or from a relay.
type place struct {
	issuer *url.URL
	base   *url.URL // of what is fetched
}

func (c Config) place() (p place, err error) {
	if p.issuer, err = parseIssuer("Issuer", c.Issuer); err != nil {
		return p, err
	}
	if p.base = p.issuer; c.Feed != "" {
		p.base, err = parseIssuer("Feed", c.Feed)
	}
	return p, err
}

// address is where to fetch a document that the metadata says is at uri, which
// is of the issuer's origin. The same path below a relay's base: whatever the
// metadata says, nothing but that base is asked.
func (p place) address(uri string) (string, error) {
	if uri == "" || p.base == p.issuer {
		return uri, nil
	}
	u, err := url.Parse(uri)
	if err != nil {
		return "", err
	}
	rest, below := strings.CutPrefix(u.EscapedPath(), strings.TrimSuffix(p.issuer.EscapedPath(), "/")+"/")
	if !below || slices.Contains(strings.Split(u.Path, "/"), "..") {
		return "", fmt.Errorf("%w: %q is not below the issuer", errMetadata, clip(uri))
	}
	if u.RawQuery != "" {
		rest += "?" + u.RawQuery
	}
	return strings.TrimSuffix(p.base.String(), "/") + "/" + rest, nil
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
