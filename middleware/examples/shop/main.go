// Shop is a chi service behind a guard: pages for browsers, an API for programs, a
// payment that wants a recent login, a call to the next service, and the probes of
// its own health.
//
//	sealring dev --app-origins http://localhost:8084     # prints the secret
//	SEALRING_ISSUER=http://localhost:8080 SEALRING_CLIENT_ID=demo SEALRING_CLIENT_SECRET=… go run ./shop
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/examples/serve"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	port := cmp.Or(os.Getenv("PORT"), "8084")
	guard, err := middleware.New(context.Background(), middleware.Config{ // until Close: the last requests are judged too
		Issuer:   os.Getenv("SEALRING_ISSUER"),
		Audience: "demo",
		Client:   middleware.Client{ID: os.Getenv("SEALRING_CLIENT_ID"), Secret: os.Getenv("SEALRING_CLIENT_SECRET")},
		Origin:   "http://localhost:" + port, // browsers are led to the login and back here
	})
	if err != nil {
		return err
	}
	defer guard.Close()
	return serve.Until(ctx, port, routes(guard, os.Getenv("STOCK_URL")))
}

// routes are those of the shop. stock is the URL of the next service, which has the
// audience stock.
func routes(guard *middleware.Guard, stock string) http.Handler {
	s := &shop{&http.Client{Transport: guard.Next("stock", nil), Timeout: 5 * time.Second}, stock}
	r := chi.NewRouter()
	r.Get("/readyz", ready(guard))
	r.Get("/statusz", status(guard))
	r.With(guard.Optional).Get("/", greet)
	r.Group(func(r chi.Router) {
		r.Use(guard.Handler)
		r.Get("/cart", cart)
		r.With(guard.RequireRole("clerk")).Get("/stock", s.left)
		r.With(guard.RequireScope("orders:write")).Post("/orders", say("ordered"))
		r.With(guard.RequireRecentLogin(5*time.Minute)).Post("/pay", say("paid"))
	})
	return r
}

// greet knows some of its visitors.
func greet(w http.ResponseWriter, r *http.Request) {
	if s, ok := middleware.FromContext(r.Context()); ok {
		fmt.Fprintf(w, "hello %s\n", s.Subject)
		return
	}
	fmt.Fprintln(w, "hello")
}

func cart(w http.ResponseWriter, r *http.Request) {
	s, _ := middleware.FromContext(r.Context())
	fmt.Fprintf(w, "cart of %s\n", s.Subject)
}

func say(what string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, what) }
}

// shop calls another service for its users.
type shop struct {
	client *http.Client
	stock  string
}

// left asks the next service, with a token of this request's session for that
// service alone.
func (s *shop) left(w http.ResponseWriter, r *http.Request) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, s.stock, nil)
	if err != nil {
		http.Error(w, "no stock", http.StatusInternalServerError)
		return
	}
	resp, err := s.client.Do(req)
	if err != nil {
		http.Error(w, "the stock can not be asked", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body) // a client that has gone needs no answer
}

// ready is for a readiness probe: false until the guard can judge, and true from
// then on, also while the issuer is away.
func ready(guard *middleware.Guard) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if !guard.Ready() {
			http.Error(w, "nothing is known of the issuer yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	}
}

// status is for people and alarms: how old the list of revocations is, and whether
// the issuer is reached.
func status(guard *middleware.Guard) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(guard.Status()) // a client that has gone needs no answer
	}
}
