package middleware_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(clientsOf); address != "" {
		runClients(address)
		return
	}
	goleak.VerifyTestMain(m)
}

// patience bounds every wait for something that has to happen.
const patience = 10 * time.Second

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// configOf is the configuration of a service that follows iss.
func configOf(iss *authtest.Issuer) middleware.Config {
	return middleware.Config{
		Issuer:   iss.URL,
		Audience: iss.Audience,
		Client:   middleware.Client{ID: iss.ClientID, Secret: iss.ClientSecret},
		Logger:   slog.New(slog.DiscardHandler),
	}
}

// newGuard returns a guard with that configuration; it need not be ready.
func newGuard(t *testing.T, cfg middleware.Config) *middleware.Guard {
	t.Helper()
	g, err := middleware.New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// readyGuard returns a guard that follows iss and knows all it needs.
func readyGuard(t *testing.T, iss *authtest.Issuer) *middleware.Guard {
	t.Helper()
	g := newGuard(t, configOf(iss))
	eventually(t, "the guard is ready", g.Ready)
	return g
}

// whoami answers with the session's subject.
var whoami = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	s, ok := middleware.FromContext(r.Context())
	if !ok {
		_, _ = io.WriteString(w, "nobody")
		return
	}
	_, _ = io.WriteString(w, s.Subject)
})

// ask sends a request to h.
func ask(h http.Handler, change ...func(*http.Request)) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request(change...))
	return w.Result()
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+token) }
}

func cookie(c *http.Cookie) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(c) }
}

func method(m string) func(*http.Request) {
	return func(r *http.Request) { r.Method = m }
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

// body reads an answer.
func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantServed demands that the handler was reached, for that subject.
func wantServed(t *testing.T, resp *http.Response, subject string) {
	t.Helper()
	if got := body(t, resp); resp.StatusCode != http.StatusOK || got != subject {
		t.Fatalf("answer %d %q, want 200 %q", resp.StatusCode, got, subject)
	}
}

// wantRefused demands a refusal in the contract's form.
func wantRefused(t *testing.T, resp *http.Response, status int, code, challenge string) {
	t.Helper()
	var p struct {
		Type, Title, Code string
		Status            int
	}
	raw := body(t, resp)
	if err := json.Unmarshal([]byte(raw), &p); err != nil {
		t.Fatalf("body %q is not a problem document: %v", raw, err)
	}
	if resp.StatusCode != status || p.Status != status || p.Code != code || p.Title == "" || p.Type != "urn:sealring:problem:"+code {
		t.Errorf("answer %d with %s, want %d %s", resp.StatusCode, raw, status, code)
	}
	if got := resp.Header.Get("WWW-Authenticate"); got != challenge {
		t.Errorf("challenge %q, want %q", got, challenge)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("cache control %q", got)
	}
}

const (
	challenge        = `Bearer realm="test-service"`
	challengeInvalid = challenge + `, error="invalid_token"`
	challengeRequest = challenge + `, error="invalid_request"`
	challengeRefresh = challengeInvalid + `, error_description="refresh-needed"`
)

// request is the request that ask sends.
func request(change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://orders.example.com/", nil)
	for _, c := range change {
		c(r)
	}
	return r
}

// wantNoSecret demands that no way of printing the values shows the secret.
func wantNoSecret(t *testing.T, secret string, values ...any) {
	t.Helper()
	var logged strings.Builder
	log := slog.New(slog.NewTextHandler(&logged, nil))
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&logged, verb, v)
		}
		log.Info("value", "v", v)
		if b, err := json.Marshal(v); err == nil {
			logged.Write(b)
		}
	}
	if out := logged.String(); strings.Contains(out, secret) || strings.Contains(out, fmt.Sprintf("%x", secret)) {
		t.Errorf("the secret is in %s", out)
	}
}
