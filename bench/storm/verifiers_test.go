package storm

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/middleware"
)

// verifier is a service behind a guard of its own, which follows one replica.
type verifier struct {
	t     *testing.T
	guard *middleware.Guard
}

func newVerifier(t *testing.T, replica string) *verifier {
	t.Helper()
	following := dialling(t, 0, replica)
	following.Timeout = 0 // the feed has no end
	guard, err := middleware.New(t.Context(), middleware.Config{
		Issuer: issuerURL, Audience: "orders", Client: middleware.Client{ID: "orders", Secret: "a secret of an orders service"},
		HTTP: following, Logger: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	t.Cleanup(guard.Close)
	return &verifier{t, guard}
}

// with is a request that carries what a session gives access with.
func with(ctx context.Context, k kind, access string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "https://orders.example/", nil)
	if k == tab {
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: access})
	} else {
		r.Header.Set("Authorization", "Bearer "+access)
	}
	return r
}

// open begins a request that lasts until its session is over; ended gets the
// time of that, or the reason why the request was not let in or went on.
func (v *verifier) open(k kind, access string) (ended <-chan any) {
	in, out := make(chan struct{}), make(chan any, 1)
	h := v.guard.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(in)
		<-r.Context().Done()
		at := time.Now()
		if _, err := v.guard.Check(with(context.Background(), k, access)); err == nil {
			out <- fmt.Errorf("taken again after the request ended: %w", context.Cause(r.Context()))
			return
		}
		out <- at
	}))
	over := make(chan struct{})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	go func() {
		defer cancel()
		defer close(over)
		h.ServeHTTP(httptest.NewRecorder(), with(ctx, k, access))
	}()
	select {
	case <-in:
	case <-over:
		out <- fmt.Errorf("not let in")
	}
	return out
}
