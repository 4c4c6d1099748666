package middleware_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
)

// The guard of a service. The issuer here is one for tests; in production only
// Config says otherwise.
func Example() {
	iss := authtest.New(exampleT{})
	defer iss.Close()
	ctx, secret := context.Background(), iss.ClientSecret

	guard, err := middleware.New(ctx, middleware.Config{
		Issuer:   iss.URL,                                             // "https://auth.example.com"
		Audience: iss.Audience,                                        // "orders"
		Client:   middleware.Client{ID: iss.ClientID, Secret: secret}, // for the feed and the session keys
	})
	if err != nil {
		log.Fatal(err) // only for a Config that can never work
	}
	defer guard.Close()

	r := chi.NewRouter()
	r.Use(guard.Handler) // 401 unless the request carries a valid session
	r.Get("/orders", func(w http.ResponseWriter, r *http.Request) {
		s, _ := middleware.FromContext(r.Context())
		fmt.Fprintf(w, "orders of %s", s.Subject)
	})
	r.With(guard.RequireScope("orders:write")).Post("/orders", post)
	r.With(guard.RequireFresh(2*time.Second)).Post("/pay", pay)

	server := httptest.NewServer(r)
	defer server.Close()
	for !guard.Ready() {
		time.Sleep(time.Millisecond)
	}
	token := iss.Token(authtest.Subject("ann"))
	fmt.Println(call(server, "GET /orders", ""))
	fmt.Println(call(server, "GET /orders", token))
	fmt.Println(call(server, "POST /orders", token))
	fmt.Println(call(server, "POST /pay", token))
	// Output:
	// 401 Bearer realm="test-service"
	// 200 orders of ann
	// 403 Bearer realm="test-service", error="insufficient_scope", scope="orders:write"
	// 200 paid
}

func post(http.ResponseWriter, *http.Request) {}

func pay(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "paid") }

// exampleT lets an example, which has no testing.T, have an issuer.
type exampleT struct{ testing.TB }

func (exampleT) Helper()                           {}
func (exampleT) Cleanup(func())                    {}
func (exampleT) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }

// call sends a request, with a token unless that is empty.
func call(server *httptest.Server, what, token string) string {
	var method, path string
	_, _ = fmt.Sscan(what, &method, &path)
	req, err := http.NewRequest(method, server.URL+path, nil)
	if err != nil {
		return err.Error()
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode == http.StatusOK {
		return fmt.Sprint(resp.StatusCode, " ", string(body))
	}
	return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("WWW-Authenticate"))
}
