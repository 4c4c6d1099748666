package users_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/users"
)

func ExampleOpenUsers() {
	dir, err := os.MkdirTemp("", "users")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	f, err := users.OpenUsers(filepath.Join(dir, "users.json"))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := f.Add(ctx, authsvc.User{Username: "ann", Scopes: []string{"orders:read"}}, "correct horse"); err != nil {
		log.Fatal(err)
	}
	u, err := f.Authenticate(ctx, "Ann", "correct horse")
	fmt.Println(u.Username, u.Scopes, err)
	_, err = f.Authenticate(ctx, "Ann", "wrong horse")
	fmt.Println(err)
	// Output:
	// ann [orders:read] <nil>
	// bad credentials
}

func ExampleOpenClients() {
	dir, err := os.MkdirTemp("", "clients")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	f, err := users.OpenClients(filepath.Join(dir, "clients.json"))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	secret, err := f.Add(ctx, authsvc.Client{ID: "orders", Scopes: []string{"feed", "session-keys"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(secret) // never by accident
	c, err := f.Authenticate(ctx, "orders", secret.Reveal())
	fmt.Println(c.ID, c.Scopes, err)
	// Output:
	// [redacted]
	// orders [feed session-keys] <nil>
}
