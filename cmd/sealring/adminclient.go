package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	adminTimeout = 15 * time.Second
	maxAnswer    = 32 << 20 // a list of a hundred thousand verifiers
)

// adminAPI is the admin API of one running service.
type adminAPI struct {
	base  string
	token string
	http  *http.Client
}

// adminAPIs are those of all replicas that admin_url names.
func (s *settings) adminAPIs() ([]*adminAPI, error) {
	token, err := s.adminToken()
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: adminTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var all []*adminAPI
	for base := range strings.SplitSeq(s.adminURL(), ",") {
		all = append(all, &adminAPI{base: strings.TrimRight(strings.TrimSpace(base), "/"), token: token.Reveal(), http: client})
	}
	return all, nil
}

// call sends body as JSON, unless it is nil, and reads the answer into answer
// when its status is one of those.
func (c *adminAPI) call(ctx context.Context, method, path string, body, answer any, statuses ...int) error {
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, in)
	if err != nil {
		return usagef("admin_url: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	defer c.http.CloseIdleConnections()
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("asking the admin API (is the service running? --admin-url names another): %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	if !slices.Contains(statuses, resp.StatusCode) {
		return problem(resp.StatusCode, raw)
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	return nil
}

// problem makes an error of an RFC 9457 answer.
func problem(status int, raw []byte) error {
	var p struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	switch err := json.Unmarshal(raw, &p); {
	case status == http.StatusUnauthorized:
		return errors.New("the admin API does not take this admin token: it is of another data folder")
	case err != nil || p.Title == "":
		return fmt.Errorf("the admin API answered %d %s", status, http.StatusText(status))
	case p.Detail == "":
		return fmt.Errorf("the admin API answered %d: %s", status, printable(p.Title))
	}
	return fmt.Errorf("the admin API answered %d: %s: %s", status, printable(p.Title), printable(p.Detail))
}
