// Dashboard sends figures as they change, by server-sent events, for as long as
// somebody is logged in. The last event says why it ends: a browser's EventSource
// comes back by itself, with the cookie that the page has refreshed meanwhile, and
// stops at the 401 of a session that has ended.
//
//	SEALRING_ISSUER=http://localhost:8080 SEALRING_CLIENT_ID=demo SEALRING_CLIENT_SECRET=… go run ./dashboard
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/sealring-dev/sealring/middleware"
)

func main() {
	guard, err := middleware.New(context.Background(), middleware.Config{
		Issuer:   os.Getenv("SEALRING_ISSUER"),
		Audience: "demo",
		Client:   middleware.Client{ID: os.Getenv("SEALRING_CLIENT_ID"), Secret: os.Getenv("SEALRING_CLIENT_SECRET")},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()
	log.Fatal(http.ListenAndServe("127.0.0.1:8086", guard.Handler(figures(time.Second))))
}

// figures does nothing about sessions but obey the request's context.
func figures(every time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		out := http.NewResponseController(w) // the guard wraps no ResponseWriter
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			fmt.Fprintf(w, "data: {\"goroutines\":%d}\n\n", runtime.NumGoroutine())
			if out.Flush() != nil {
				return
			}
			select {
			case <-tick.C:
			case <-r.Context().Done():
				fmt.Fprintf(w, "event: end\ndata: %d\n\n", middleware.CloseCode(context.Cause(r.Context())))
				return
			}
		}
	}
}
