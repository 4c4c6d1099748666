package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

const (
	maxJWKS     = 1 << 20
	jwksTimeout = 10 * time.Second
)

// keySource is the key sets that were named, or else the ring of the data
// folder.
func (a *app) keySource(ctx context.Context, named []string) (keys.Source, error) {
	if len(named) == 0 {
		f, err := a.openRing(ctx)
		if err != nil {
			return nil, err
		}
		return f.Ring(), nil
	}
	var sets []*keys.Set
	for _, name := range named {
		raw, err := readJWKS(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("reading key set: %w", err)
		}
		set, err := keys.ParseSet(raw)
		if err != nil {
			return nil, fmt.Errorf("reading key set %s: %w", name, err)
		}
		sets = append(sets, set)
	}
	return keys.MergeSets(sets...), nil
}

// readJWKS reads a key set from a file or a URL. Whoever can change it on the
// way decides what is accepted, so it has to come by TLS or from this machine.
func readJWKS(ctx context.Context, name string) ([]byte, error) {
	u, err := url.Parse(name)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return readLimited(name, maxJWKS)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return nil, usagef("--jwks %s: keys that come by plain http may be anybody's; use https", u.Redacted())
	}
	ctx, cancel := context.WithTimeout(ctx, jwksTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, name, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", strings.Join([]string{"application/jwk-set+json", "application/json"}, ", "))
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", u.Redacted(), resp.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKS+1))
	if err == nil && len(raw) > maxJWKS {
		err = fmt.Errorf("%s is larger than %d bytes", u.Redacted(), maxJWKS)
	}
	return raw, err
}
