package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
)

// deadlineWriter remembers what deadlines were set.
type deadlineWriter struct {
	*httptest.ResponseRecorder
	read, write []time.Time
}

func (w *deadlineWriter) SetReadDeadline(t time.Time) error {
	w.read = append(w.read, t)
	return nil
}

func (w *deadlineWriter) SetWriteDeadline(t time.Time) error {
	w.write = append(w.write, t)
	return nil
}

func TestEveryRequestHasItsDeadlines(t *testing.T) {
	h := deadlines(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, c := range []struct {
		name, method, path, body string
		bodyBound, answerBound   bool
	}{
		{"a login has both", "POST", "/v1/login", "{}", true, true},
		{"a request without a body only the answer's", "GET", "/v1/session", "", false, true},
		{"the feed is a stream", "GET", "/v1/feed", "", false, false},
		{"a post to the feed is not", "POST", "/v1/feed", "{}", true, true},
		{"a body sent to the feed is bounded all the same", "GET", "/v1/feed", "{}", true, false},
		{"the demo's stream", "GET", "/stream", "", false, false},
		{"its neighbour is none", "GET", "/streams", "", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var body io.Reader
			if c.body != "" {
				body = strings.NewReader(c.body)
			}
			r := httptest.NewRequest(c.method, c.path, body)
			if body == nil {
				r.Body = http.NoBody
			}
			w := &deadlineWriter{ResponseRecorder: httptest.NewRecorder()}
			h.ServeHTTP(w, r)
			if got := len(w.read) == 1 && !w.read[0].IsZero(); got != c.bodyBound {
				t.Errorf("read deadlines %v", w.read)
			}
			// It is set for a stream too: to none, for the connection may have one.
			if len(w.write) != 1 || w.write[0].IsZero() == c.answerBound {
				t.Errorf("write deadlines %v", w.write)
			}
		})
	}
}

func TestTheDemoService(t *testing.T) {
	iss := authtest.New(t)
	guard, err := middleware.New(t.Context(), middleware.Config{
		Issuer: iss.URL, Audience: iss.Audience,
		Client: middleware.Client{ID: iss.ClientID, Secret: iss.ClientSecret},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer guard.Close()
	done, stop := context.WithCancel(t.Context())
	server := httptest.NewServer(demoHandler(done, guard))
	defer server.Close()
	within(t, patience, http.StatusOK, server.URL+"/readyz", credential{})
	ann := credential{"Authorization", "Bearer " + iss.Token(authtest.Subject("ann"))}

	wantCall(t, http.StatusUnauthorized, "GET", server.URL+"/", credential{})
	wantCall(t, http.StatusUnauthorized, "GET", server.URL+"/stream", credential{})
	wantCall(t, http.StatusNotFound, "GET", server.URL+"/elsewhere", ann)
	wantCall(t, http.StatusMethodNotAllowed, "POST", server.URL+"/", ann)
	body := wantCall(t, http.StatusOK, "GET", server.URL+"/", ann)
	if !strings.HasPrefix(body, `{"subject":"ann",`) || strings.Contains(body, strings.TrimPrefix(ann.value, "Bearer ")) {
		t.Errorf("the session is shown as %s", body)
	}

	stream := openStream(t, server.URL+"/stream", ann)
	stop()
	select {
	case last := <-stream:
		if last != "data: the service stops" {
			t.Errorf("the stream's last words are %q", last)
		}
	case <-time.After(patience):
		t.Error("the stream goes on after the service was stopped")
	}
}

func TestWhatTheAdminAPIAnswersBecomesOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"a problem":          {400, `{"title":"invalid request","detail":"type is unknown"}`, "the admin API answered 400: invalid request: type is unknown"},
		"without detail":     {503, `{"title":"unavailable"}`, "the admin API answered 503: unavailable"},
		"something else":     {502, `<html>`, "the admin API answered 502 Bad Gateway"},
		"a wrong token":      {401, `{"title":"unauthorized"}`, "does not take this admin token"},
		"a hostile terminal": {400, `{"title":"\u001b[2Jx"}`, `400: \u001b[2Jx`},
	} {
		if err := problem(c.status, []byte(c.body)); !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
