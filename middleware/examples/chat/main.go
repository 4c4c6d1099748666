// Chat is a room of WebSockets, each of which ends with its session: whoever logs
// out has left, in every tab and at once.
//
//	sealring dev --app-origins http://localhost:8085     # prints the secret
//	SEALRING_ISSUER=http://localhost:8080 SEALRING_CLIENT_ID=demo SEALRING_CLIENT_SECRET=… go run ./chat
//
// Open http://localhost:8085/ in a browser.
package main

import (
	"cmp"
	"context"
	"embed"
	"html/template"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/examples/serve"
)

//go:embed page.html chat.js
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	port := cmp.Or(os.Getenv("PORT"), "8085")
	issuer := os.Getenv("SEALRING_ISSUER")
	guard, err := middleware.New(context.Background(), middleware.Config{
		Issuer:   issuer,
		Audience: "demo",
		Client:   middleware.Client{ID: os.Getenv("SEALRING_CLIENT_ID"), Secret: os.Getenv("SEALRING_CLIENT_SECRET")},
		Origin:   "http://localhost:" + port, // browsers are led to the login and back here
	})
	if err != nil {
		return err
	}
	defer guard.Close()
	c := &chat{guard: guard}
	defer c.sockets.Wait() // until each is closed with a code: the server does not know them
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", show(issuer))
	mux.Handle("GET /chat.js", http.FileServerFS(files))
	mux.HandleFunc("GET /socket", c.join)
	mux.HandleFunc("POST /socket/{name}/renew", c.renew)
	return serve.Until(ctx, port, guard.Handler(mux))
}

// show serves the page. Its session is kept by the issuer's script.
func show(issuer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; script-src 'self' "+issuer+"; connect-src 'self' "+issuer)
		w.Header().Set("Cache-Control", "no-store")
		_ = page.Execute(w, issuer) // the client is gone: nobody to tell
	}
}
