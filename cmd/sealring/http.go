package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Bounds of a listener. A stream (the feed, the demo's /stream) is exempt from
// the time to answer and sets deadlines of its own.
const (
	headerTime   = 5 * time.Second
	bodyTime     = 15 * time.Second
	answerTime   = 60 * time.Second
	idleTime     = 2 * time.Minute
	shutdownTime = 10 * time.Second
)

// maxHeader lets a header of 1 MiB through to the handlers, beside the rest of
// the request. They refuse a credential by its length before any work is done
// on it, as a problem document like every other refusal; net/http would answer
// 431 in plain text.
const maxHeader = 1<<20 + 64<<10

// serveHTTP serves until ctx ends, then lets requests under way finish for
// shutdownTime.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           deadlines(h),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // bad TLS, bad requests: anybody can cause them
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("connections cut off that did not end by themselves")
		err = server.Close()
	}
	<-ended
	return err
}

// deadlines bounds reading a body and writing an answer. http.Server's own
// ReadTimeout would end a stream: it goes on counting while the handler runs.
func deadlines(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		var answer time.Time // none
		if r.Body != http.NoBody {
			_ = c.SetReadDeadline(time.Now().Add(bodyTime))
		}
		if !isStream(r) {
			answer = time.Now().Add(answerTime)
		}
		_ = c.SetWriteDeadline(answer) // of the connection: set for each request anew
		h.ServeHTTP(w, r)
	})
}

func isStream(r *http.Request) bool {
	return r.Method == http.MethodGet && (r.URL.Path == "/v1/feed" || r.URL.Path == "/stream")
}
