package authsvc_test

import (
	"context"
	"net/http"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/boltstore"
	"github.com/sealring-dev/sealring/authsvc/users"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// A whole auth service with the embedded store and the built-in files.
func ExampleNew() {
	run := func(ctx context.Context, adminToken tokens.Secret) error {
		store, err := boltstore.Open("data/store.db", boltstore.Options{})
		if err != nil {
			return err
		}
		defer func() { _ = store.Close() }()
		people, err := users.OpenUsers("data/users.json")
		if err != nil {
			return err
		}
		services, err := users.OpenClients("data/clients.json")
		if err != nil {
			return err
		}
		ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now())
		if err != nil {
			return err
		}
		service, err := authsvc.New(authsvc.Config{
			Issuer:     "https://auth.example.com",
			Audiences:  []string{"orders"},
			Ring:       ring,
			Log:        store,
			Sessions:   store,
			Users:      people,
			Clients:    services,
			AdminToken: adminToken,
		})
		if err != nil {
			return err
		}
		server := &http.Server{Addr: "127.0.0.1:8080", Handler: service.Public(), ReadTimeout: 10 * time.Second}
		go func() { _ = server.ListenAndServe() }()
		defer func() { _ = server.Close() }()
		return service.Run(ctx) // streams have ended when it returns
	}
	_ = run
}
