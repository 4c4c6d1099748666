// Command xoauth2 does with golang.org/x/oauth2 what it reads from standard
// input, a JSON object on each line, and answers each with a line of what came
// of it. Its argument is the issuer. foreignclient_test.go has both shapes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

type ask struct {
	Do           string `json:"do"`
	ID           string `json:"id"`
	Secret       string `json:"secret"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
	Sources      int    `json:"sources"` // that begin with this one stored token
	Callers      int    `json:"callers"` // at once, of each source
	URL          string `json:"url"`
	RetryID      string `json:"retry_id"` // to send with each refresh; empty: none
}

type result struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
	Error        string `json:"error"`
	Status       int    `json:"status"`
}

func main() {
	d := driver{tokenURL: os.Args[1] + "/v1/token"}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var a ask
		err := in.Decode(&a)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = out.Encode(d.do(a))
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}

type driver struct {
	tokenURL string
	sources  []oauth2.TokenSource // what the last "keep" has made
}

func (d *driver) do(a ask) []result {
	ctx := context.Background()
	switch a.Do {
	case "refresh":
		return []result{resultOf(d.source(a).Token())}
	case "credentials":
		c := clientcredentials.Config{ClientID: a.ID, ClientSecret: a.Secret, TokenURL: d.tokenURL, Scopes: strings.Fields(a.Scope)}
		return []result{resultOf(c.Token(ctx))}
	case "keep":
		d.sources = nil
		for range a.Sources {
			d.sources = append(d.sources, d.source(a))
		}
		return []result{}
	case "tokens":
		return d.tokens(a.Callers)
	case "get":
		return []result{get(oauth2.NewClient(ctx, d.sources[0]), a.URL)}
	}
	log.Fatalf("do not know how to %q", a.Do)
	return nil
}

// source is what an application has that stored a token, for longer than the
// access token lived. It says nothing about how clients authenticate.
func (d *driver) source(a ask) oauth2.TokenSource {
	c := oauth2.Config{ClientID: a.ID, ClientSecret: a.Secret, Endpoint: oauth2.Endpoint{TokenURL: d.tokenURL}}
	stored := &oauth2.Token{AccessToken: "stale", RefreshToken: a.RefreshToken, Expiry: time.Now().Add(-time.Hour)}
	ctx := context.Background()
	if a.RetryID != "" {
		ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: retrying(a.RetryID)})
	}
	return c.TokenSource(ctx, stored)
}

// retrying tells the service by an id which refreshes are one client's.
type retrying string

// RoundTrip implements http.RoundTripper.
func (id retrying) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Sealring-Retry", string(id))
	return http.DefaultTransport.RoundTrip(r)
}

// tokens asks all sources at once, each from several goroutines.
func (d *driver) tokens(callers int) []result {
	results := make([]result, len(d.sources)*callers)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			<-start
			results[i] = resultOf(d.sources[i/callers].Token())
		})
	}
	close(start)
	all.Wait()
	return results
}

func resultOf(t *oauth2.Token, err error) result {
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
		return result{Error: refused.ErrorCode, Status: refused.Response.StatusCode}
	case err != nil:
		return result{Error: err.Error()}
	}
	scope, _ := t.Extra("scope").(string)
	return result{AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, Scope: scope, Status: http.StatusOK}
}

func get(c *http.Client, url string) result {
	res, err := c.Get(url)
	if err != nil {
		return resultOf(nil, err)
	}
	defer res.Body.Close()
	return result{Status: res.StatusCode}
}
