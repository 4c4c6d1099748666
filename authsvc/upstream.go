package authsvc

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	upstreamTimeout = 5 * time.Second  // for a small answer
	snapshotTimeout = 60 * time.Second // for a large one
	maxUpstream     = 1 << 20          // bytes of a small answer
	maxSnapshot     = 512 << 20        // and of a snapshot: fifteen million revocations
	upstreamConns   = 64               // at once
)

// The paths that a relay asks for, and serves.
const (
	feedPath        = "/v1/feed"
	heldPath        = "/v1/feed/held"
	sessionKeysPath = "/v1/session-keys"
	metadataPath    = "/.well-known/oauth-authorization-server"
	openidPath      = "/.well-known/openid-configuration"
	jwksPath        = "/.well-known/jwks.json"
)

// upstream is whom a relay asks beside following its feed.
type upstream struct {
	base  string // without a slash at its end
	http  *http.Client
	close func()
}

func newUpstream(cfg RelayConfig) *upstream {
	u := &upstream{base: strings.TrimSuffix(cfg.Upstream, "/"), close: func() {}}
	if u.base == "" {
		u.base = strings.TrimSuffix(cfg.Issuer, "/")
	}
	client := http.Client{}
	if cfg.HTTP != nil {
		client = *cfg.HTTP
	} else {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxConnsPerHost, t.MaxIdleConnsPerHost, t.DisableCompression = upstreamConns, upstreamConns, true
		client.Transport, u.close = t, t.CloseIdleConnections
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Jar = nil
	u.http = &client
	return u
}

// question is a request of the upstream, in the name of whom the credentials
// are of.
type question struct {
	method, path  string
	authorization string // empty: none
	ifNoneMatch   string
	body          []byte // JSON; nil: none
	large         bool
}

// told is what the upstream answered.
type told struct {
	status int
	header http.Header
	body   []byte
	at     time.Time // when it was asked
}

// errSilentUpstream is an upstream that gives no answer, or one that says that
// it can not. It says nothing about what was asked.
var errSilentUpstream = errors.New("the upstream does not answer")

func (u *upstream) ask(ctx context.Context, q question) (*told, error) {
	timeout, limit := upstreamTimeout, int64(maxUpstream)
	if q.large {
		timeout, limit = snapshotTimeout, maxSnapshot
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, q.method, u.base+q.path, bytes.NewReader(q.body))
	if err != nil {
		return nil, fmt.Errorf("%w: %s", errSilentUpstream, q.path)
	}
	for name, value := range map[string]string{"Authorization": q.authorization, "If-None-Match": q.ifNoneMatch} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	if q.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	t := &told{at: time.Now()}
	res, err := u.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSilentUpstream, err)
	}
	defer func() { _ = res.Body.Close() }()
	if t.body, err = io.ReadAll(io.LimitReader(res.Body, limit+1)); err != nil {
		return nil, fmt.Errorf("%w: %w", errSilentUpstream, err)
	}
	if int64(len(t.body)) > limit || res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests {
		return nil, fmt.Errorf("%w: %s: status %d, %d bytes", errSilentUpstream, q.path, res.StatusCode, len(t.body))
	}
	t.status, t.header = res.StatusCode, res.Header
	return t, nil
}

// basicAuth is the header of RFC 6749 §2.3.1, which has both form-encoded.
func basicAuth(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}
