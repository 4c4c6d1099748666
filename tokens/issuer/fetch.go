package issuer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	requestTimeout = 10 * time.Second // to connect, and for a whole document
	keepAlive      = 15 * time.Second
	idleTimeout    = 90 * time.Second
	maxMetadata    = 64 << 10
	maxKeySet      = 1 << 20
	maxRefusal     = 64 << 10
)

// errStatus is an answer that is not the one asked for.
var errStatus = errors.New("unexpected status")

// statusError is errStatus with what it was and when to come back.
type statusError struct {
	status int
	after  time.Duration // Retry-After; zero: it did not say
}

func (e *statusError) Error() string {
	return fmt.Sprintf("unexpected status %d", e.status)
}

func (e *statusError) Is(target error) bool { return target == errStatus }

// fetch gets one document of at most limit bytes. The body is read to its end,
// so that the connection can serve the next request.
func (f *Follower) fetch(ctx context.Context, uri, accept string, authenticated bool, limit int64) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := f.get(ctx, uri, accept, authenticated)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", path(uri), err)
	}
	if int64(len(body)) > limit {
		return nil, nil, fmt.Errorf("reading %s: longer than %d bytes", path(uri), limit)
	}
	return body, resp.Header, nil
}

// get asks for a document or for the feed.
func (f *Follower) get(ctx context.Context, uri, accept string, authenticated bool) (*http.Response, error) {
	return f.send(ctx, http.MethodGet, uri, accept, authenticated, nil)
}

// send sends a request, whose body is JSON, and returns its answer when that
// is a 200 or 204. Any other answer is read to its end and is a *statusError.
func (f *Follower) send(ctx context.Context, method, uri, accept string, authenticated bool, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, uri, body)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path(uri), err)
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", "identity") // what is small need not be inflated, and nothing can be
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if authenticated { // RFC 6749 §2.3.1 has both form-encoded
		req.SetBasicAuth(url.QueryEscape(f.cfg.Client.ID), url.QueryEscape(f.cfg.Client.Secret.Reveal()))
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path(uri), cause(ctx, err))
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNoContent {
		return resp, nil
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxRefusal))
	return nil, fmt.Errorf("asking for %s: %w", path(uri), &statusError{resp.StatusCode, retryAfter(resp.Header)})
}

// cause is the reason why a context ended, where that is why err happened.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

// path names a document in an error.
func path(uri string) string {
	if u, err := url.Parse(uri); err == nil {
		return u.Path
	}
	return "?"
}

// retryAfter reads the seconds form of Retry-After (RFC 9110 §10.2.3).
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxWindow)
}

// maxAge reads how long a key set may be kept (RFC 9111 §5.2.2.1), within
// bounds: an issuer's slip must make us neither hammer it nor go blind.
func maxAge(h http.Header) time.Duration {
	for part := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		value, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(part)), "max-age=")
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(value, 10, 31); err == nil {
			return min(max(time.Duration(n)*time.Second, minKeySetAge), maxKeySetAge)
		}
	}
	return defaultKeySetAge
}
