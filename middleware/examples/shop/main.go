// Shop is a chi service behind a guard: pages for browsers, an API for programs, a
// payment that wants a recent login, and the probes of its own health.
//
//	SEALRING_ISSUER=http://localhost:8080 SEALRING_CLIENT_ID=demo SEALRING_CLIENT_SECRET=… go run ./shop
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sealring-dev/sealring/middleware"
)

func main() {
	guard, err := middleware.New(context.Background(), middleware.Config{
		Issuer:   os.Getenv("SEALRING_ISSUER"),
		Audience: "demo",
		Client:   middleware.Client{ID: os.Getenv("SEALRING_CLIENT_ID"), Secret: os.Getenv("SEALRING_CLIENT_SECRET")},
		Origin:   os.Getenv("SHOP_ORIGIN"), // such as https://shop.example.com; empty: browsers get a 401 too
	})
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()
	log.Fatal(http.ListenAndServe("127.0.0.1:8084", routes(guard)))
}

func routes(guard *middleware.Guard) http.Handler {
	r := chi.NewRouter()
	r.Get("/readyz", ready(guard))
	r.Get("/statusz", status(guard))
	r.With(guard.Optional).Get("/", greet)
	r.Group(func(r chi.Router) {
		r.Use(guard.Handler)
		r.Get("/cart", cart)
		r.With(guard.RequireRole("clerk")).Get("/stock", say("stock"))
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
