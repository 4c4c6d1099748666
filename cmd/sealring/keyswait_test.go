package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// replica answers as the admin API of one replica does.
func replica(t *testing.T, generation int, verifiers ...string) *adminAPI {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/admin/v1/verifiers" || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%s with %q", r.URL, r.Header.Get("Authorization"))
		}
		_, _ = fmt.Fprintf(w, `{"generation":%d,"verifiers":[%s]}`, generation, strings.Join(verifiers, ","))
	}))
	t.Cleanup(s.Close)
	return &adminAPI{base: s.URL, token: "secret", http: s.Client()}
}

func verifierJSON(id string, live bool, generation int) string {
	return fmt.Sprintf(`{"id":"%s","client_id":"orders","remote":"10.0.0.9:1","live":%v,"generation":%d}`, id, live, generation)
}

func TestWhoHoldsAGenerationIsAskedOfAllReplicas(t *testing.T) {
	for name, c := range map[string]struct {
		replicas [][]string // of each: its verifiers
		ring     []int      // of each: its generation
		lags     string     // who is named; empty: nobody
		live     int
	}{
		"nobody follows":                        {[][]string{{}, {}}, []int{5, 5}, "", 0},
		"all hold it":                           {[][]string{{verifierJSON("a", true, 5)}, {verifierJSON("b", true, 6)}}, []int{5, 5}, "", 2},
		"one does not":                          {[][]string{{verifierJSON("a", true, 5)}, {verifierJSON("b", true, 4)}}, []int{5, 5}, "verifier orders b at 10.0.0.9:1 holds 4", 2},
		"one that is gone does not count":       {[][]string{{verifierJSON("a", false, 1)}}, []int{5}, "", 0},
		"a replica lags":                        {[][]string{{}, {}}, []int{5, 4}, "has generation 4", 0},
		"the report went to another replica":    {[][]string{{verifierJSON("a", true, 4)}, {verifierJSON("a", false, 5)}}, []int{5, 5}, "", 1},
		"the report came first, by either name": {[][]string{{verifierJSON("a", false, 5)}, {verifierJSON("a", true, 4)}}, []int{5, 5}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := &waiting{}
			for i, verifiers := range c.replicas {
				w.apis = append(w.apis, replica(t, c.ring[i], verifiers...))
			}
			l := w.ask(t.Context(), 5)
			if got := l.String(); l.live != c.live || (c.lags == "") != (got == "") || !strings.Contains(got, c.lags) {
				t.Errorf("%d live, lagging: %q", l.live, got)
			}
		})
	}
}

func TestWaitingEndsWithTheLastConfirmation(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		held := 4
		switch n := asked.Add(1); {
		case n == 2: // a replica that restarts is waited for too
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case n > 3:
			held = 5
		}
		_, _ = fmt.Fprintf(w, `{"generation":5,"verifiers":[%s]}`, verifierJSON("a", true, held))
	}))
	defer s.Close()
	var said bytes.Buffer
	a := newApp(nil, nil, nil, &said)
	w := &waiting{app: a, apis: []*adminAPI{{base: s.URL, http: s.Client()}}, every: time.Millisecond}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	l := w.until(ctx, 5, "the rotated ring")
	if l.any() {
		t.Fatal(l)
	}
	w.held("the rotated ring", l, 5)
	if !strings.HasSuffix(said.String(), "The rotated ring: held by 1 live verifier (generation 5).\n") {
		t.Errorf("it said:\n%s", said.String())
	}
	if asked.Load() != 4 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestManyWhoLagAreNotAllNamed(t *testing.T) {
	if got := names(make([]string, maxNamed+3)); !strings.HasSuffix(got, "; and 3 more") {
		t.Error(got)
	}
}
