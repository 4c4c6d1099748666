// Package serve runs the server of an example.
package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// farewell is how long requests may take to end after the service was told to stop.
const farewell = 10 * time.Second

// Until serves h on a port of this machine until ctx ends. The contexts of requests
// end then too, so that a stream ends as it does with its session.
func Until(ctx context.Context, port string, h http.Handler) error {
	server := &http.Server{
		Addr:              "localhost:" + port,
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second, // and no WriteTimeout, which would cut streams
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		ended <- server.Shutdown(last)
	})
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}
